/**
 * The configurations that people copy: those in `config/`, and every JSONC block of a page.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readPages } from "../support/pages.ts";
import { REPOSITORY, runTask, type TaskResult } from "../support/task.ts";

/** Where the examples have secrets and certificates. */
const PLACES = /(?:\/run\/secrets|\/etc\/ssl)\/([\w.-]+)/g;
const VARIABLES = /\$\{([A-Z_0-9]+)\}/g;

/** Runs `deno task config check` on a text, with a value for every variable and file that it names. */
async function checkConfiguration(text: string): Promise<TaskResult> {
  const folder = await Deno.makeTempDir({ prefix: "nightly-marts-config-" });
  try {
    const config = join(folder, "config.jsonc");
    await Deno.writeTextFile(config, text.replaceAll(PLACES, "$1"));
    for (const [, name = ""] of text.matchAll(PLACES)) {
      await Deno.writeTextFile(join(folder, name), "a value");
    }
    const env = Object.fromEntries([...text.matchAll(VARIABLES)].map(([, name]) => [name, "a value"]));
    return await runTask("config", ["check", "--config", config], { env });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Every configuration by where it stands. */
async function readConfigurations(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { path, blocks } of await readPages()) {
    for (const { line, language, text } of blocks) {
      // Parts of a model are for model_test.ts.
      if (!language.startsWith("jsonc") || / (mart|sources)$/.test(language)) continue;
      assert.equal(
        language,
        "jsonc",
        `${path}:${line}: a kind of block that this test does not know how to check`,
      );
      found.set(`${path}:${line}`, text);
    }
  }
  for await (const { name } of Deno.readDir(join(REPOSITORY, "config"))) {
    if (!name.endsWith(".jsonc") || name === "model.jsonc") continue;
    found.set(`config/${name}`, await Deno.readTextFile(join(REPOSITORY, "config", name)));
  }
  return found;
}

Deno.test("config check passes on every configuration that is shipped, in config/ and in the pages", async (test) => {
  const configurations = await readConfigurations();
  assert.ok(configurations.size >= 4);
  for (const [place, text] of configurations) {
    await test.step(place, async () => {
      const result = await checkConfiguration(text);
      assert.equal(result.code, 0, result.text);
      assert.match(result.stdout, /is valid/);
    });
  }
});

Deno.test("config check fails on a block that has a fault", async () => {
  const [text = ""] = (await readConfigurations()).values();
  const result = await checkConfiguration(text.replace('"workDir"', '"workFolder"'));
  assert.equal(result.code, 78, result.text);
  assert.match(result.stderr, /workFolder/);
});
