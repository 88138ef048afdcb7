/**
 * What a command says if what it opened cannot be closed: the first error counts, and none is hidden.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseSummary, REPOSITORY } from "../support/task.ts";
import { createWorkspace } from "../support/workspace.ts";

/** A command that does nothing, or fails, with a store and a database that cannot be closed. */
const SCRIPT = `import { main } from "./lib/command/main.ts";
  import { AccessError, DataError, UnavailableError } from "./lib/errors.ts";
  const closing = (error: Error) => ({ [Symbol.asyncDispose]: () => Promise.reject(error) }) as never;
  const work = () => Deno.args.includes("--dry-run") ? Promise.reject(new DataError("work_failed", "work fails")) : Promise.resolve();
  await main({
    name: "pipeline",
    description: "Closes badly.",
    options: ["dry-run"],
    run: (session) => session.replay(work),
  }, {
    openStore: () => Promise.resolve(closing(new AccessError("the store stays open"))),
    openDatabase: () => Promise.resolve(closing(new UnavailableError("database_busy", "the database stays open"))),
  });`;

/** Runs it; gives the exit code, the error of the summary, and what is said. */
async function run(flags: readonly string[]) {
  await using workspace = await createWorkspace();
  const file = join(workspace.folder, "script.ts");
  await Deno.writeTextFile(file, SCRIPT.replaceAll('"./', `"${REPOSITORY}`));
  const options = ["run", "-A", "--no-check", "--config", join(REPOSITORY, "deno.json")];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...options, file, "--config", workspace.config, "--json", ...flags],
    env: { NO_COLOR: "1" },
  }).output();
  const [out = "", said = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, error: parseSummary({ code, stdout: out, stderr: said, text: out + said }).error, said };
}

Deno.test("a command tells the error that came first, when store and database cannot be closed after its work", async () => {
  const { code, error, said } = await run([]);
  assert.equal(code, 75, said);
  assert.equal(error?.code, "database_busy");
  assert.match(said, /^While stopping: the store stays open$[^]*^the database stays open$/m);
  assert.doesNotMatch(said, /SuppressedError|bug/);
});

Deno.test("a command tells why its work failed, when store and database cannot be closed after that", async () => {
  const { code, error, said } = await run(["--dry-run"]);
  assert.equal(code, 65, said);
  assert.equal(error?.code, "work_failed");
  for (
    const line of [
      "While stopping: the database stays open",
      "While stopping: the store stays open",
      "work fails",
    ]
  ) {
    assert.ok(said.split("\n").includes(line), said);
  }
  assert.doesNotMatch(said, /SuppressedError|bug/);
});
