/**
 * A secret that is typed at a terminal: a real one, which Debian's `script` (package bsdutils) makes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decryptField } from "../../lib/config_edit.ts";
import { Redactor } from "../../lib/redactor.ts";
import { REPOSITORY } from "../support/task.ts";
import { createWorkspace } from "../support/workspace.ts";

const KEY = `${"k".repeat(42)}A=`;
const CONFIG = {
  store: { kind: "folder", path: "store" },
  database: { kind: "mysql", host: "localhost", database: "d", user: "u", password: "" },
};

/** Types at the prompts of `config encrypt`; gives the exit code and all that the terminal has shown. */
async function type(config: string, keys: readonly string[]): Promise<{ code: number; shown: string }> {
  const command = `deno task --quiet config encrypt --path database.password --config ${config}`;
  const process = new Deno.Command("script", {
    args: ["--quiet", "--return", "--echo", "never", "--command", command, "/dev/null"],
    cwd: REPOSITORY,
    env: {
      ETL_CONFIG_KEY: KEY,
      NO_COLOR: "1",
      PATH: `${Deno.execPath().replace(/\/[^/]*$/, "")}:${Deno.env.get("PATH")}`,
    },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  let shown = "";
  let typed = 0;
  for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) {
    shown += chunk;
    while (typed < keys.length && shown.split(/\(not shown\): |once more: /).length > typed + 1) {
      await writer.write(new TextEncoder().encode(keys[typed++]));
    }
  }
  writer.releaseLock();
  await process.stdin.close().catch(() => {});
  return { code: (await process.status).code, shown };
}

Deno.test("config encrypt takes what is typed twice and shows nothing of it", async () => {
  await using workspace = await createWorkspace(CONFIG);
  const { code, shown } = await type(workspace.config, ["canärx\x7fy\r", "canäry\n"]);
  assert.equal(code, 0, shown);
  assert.match(shown, /^database\.password \(not shown\): \r\n.*once more: \r\n/);
  assert.doesNotMatch(shown, /can/);
  const env = (name: string) => name === "ETL_CONFIG_KEY" ? KEY : undefined;
  const world = { env, redactor: new Redactor() };
  assert.equal(await decryptField(workspace.config, "database.password", world), "canäry");
});

Deno.test("config encrypt changes nothing, when the second time differs or Ctrl-C is typed", async () => {
  await using workspace = await createWorkspace(CONFIG);
  const before = await Deno.readTextFile(workspace.config);
  for (const [keys, exitCode] of [[["canary\r", "canari\r"], 64], [["can\x03"], 130]] as const) {
    const { code, shown } = await type(workspace.config, keys);
    assert.equal(code, exitCode, shown);
    assert.doesNotMatch(
      shown.replaceAll(/canary|cannot/gi, (word) => word === "canary" ? word : ""),
      /canar/,
    );
    assert.equal(await Deno.readTextFile(workspace.config), before);
  }
});
