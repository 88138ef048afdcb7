/**
 * A secret that is typed at a terminal: a real one, which Debian's `script` (package bsdutils) makes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decryptField } from "../../lib/config/edit.ts";
import { Redactor } from "../../lib/secrets/redactor.ts";
import { REPOSITORY } from "../support/task.ts";
import { createWorkspace } from "../support/workspace.ts";

const KEY = `${"k".repeat(42)}A=`;
const CONFIG = {
  store: { kind: "folder", path: "store" },
  database: { kind: "mysql", host: "localhost", database: "d", user: "u", password: "" },
};

/** Text that is typed, or what else happens at a prompt. */
type Act = string | Uint8Array | (() => Promise<unknown>);

const encrypt = (config: string) =>
  `deno task --quiet config encrypt --path database.password --config ${config}`;

/** Types at the prompts of `config encrypt`; gives the exit code and all that the terminal has shown. */
async function type(
  config: string,
  acts: readonly Act[],
  command = encrypt(config),
): Promise<{ code: number; shown: string }> {
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
    while (typed < acts.length && shown.split(/\(not shown\): |once more: /).length > typed + 1) {
      const act = acts[typed++]!;
      if (typeof act === "function") await act();
      else await writer.write(typeof act === "string" ? new TextEncoder().encode(act) : act);
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

Deno.test("config encrypt refuses control characters and what is not UTF-8, and changes nothing, when they are typed", async () => {
  await using workspace = await createWorkspace(CONFIG);
  const before = await Deno.readTextFile(workspace.config);
  const latin1 = await type(workspace.config, [new Uint8Array([0x63, 0xe9, 0x0d])]);
  assert.equal(latin1.code, 64, latin1.shown);
  assert.match(latin1.shown, /not UTF-8/);
  for (const keys of ["can\x1b[Aary\r", "can\tary\r", "canary\x15canary\r", "\x1b[200~canary\x1b[201~\r"]) {
    const { code, shown } = await type(workspace.config, [keys]);
    assert.equal(code, 64, shown);
    assert.match(shown, /control characters.*pipe it in/);
    assert.doesNotMatch(shown, /can(?!not)|\[20/);
    assert.equal(await Deno.readTextFile(workspace.config), before);
  }
});

Deno.test("config encrypt leaves nothing of a paste to the shell, when it has more lines than are asked for", async () => {
  await using workspace = await createWorkspace(CONFIG);
  // Whatever is left is shown by the terminal, and by a command that reads it.
  const command = `${encrypt(workspace.config)}; code=$?; timeout --foreground 1 cat; exit $code`;
  const lines = (first: string) => [first, ...Array(20).fill(`pasted ${"x".repeat(100)}`)].join("\r");
  for (const paste of [lines("canary\rcanary"), lines("canary\rother"), lines("canary\x1b")]) {
    const { code, shown } = await type(workspace.config, [paste], command);
    assert.equal(code, paste.startsWith("canary\rcanary") ? 0 : 64, shown);
    assert.doesNotMatch(shown, /pasted|xx/);
  }
});

for (const signal of ["TERM", "HUP"]) {
  Deno.test(`config encrypt leaves the terminal as it was, when SIG${signal} ends it at the prompt`, async () => {
    await using workspace = await createWorkspace(CONFIG);
    const go = `${workspace.folder}/go`;
    const script = `${workspace.folder}/script.sh`;
    const run = `exec deno run -A --no-check tasks/config.ts ${
      encrypt(workspace.config).split(" config ")[1]
    }`;
    await Deno.writeTextFile(
      script,
      `(while [ ! -e ${go} ]; do sleep 0.1; done; kill -${signal} $$) & ${run}`,
    );
    const before = await Deno.readTextFile(workspace.config);
    const atPrompt = () => Deno.writeTextFile(go, "");
    const command = `sh ${script}; code=$?; stty -a; exit $code`;
    const { code, shown } = await type(workspace.config, [atPrompt], command);
    assert.equal(code, 143, shown);
    assert.match(shown, /isig icanon /);
    assert.equal(await Deno.readTextFile(workspace.config), before);
  });
}
