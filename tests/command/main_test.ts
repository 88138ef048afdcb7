/**
 * How a command ends, if something goes wrong with the ending too.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseSummary, REPOSITORY, type TaskResult } from "../support/task.ts";
import { READY } from "../support/stopping_task.ts";
import { createWorkspace } from "../support/workspace.ts";

/** Runs the command that ends in this way; it gets SIGTERM when it is ready for it. */
async function stop(how: string): Promise<TaskResult> {
  await using workspace = await createWorkspace();
  const running = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "tests/support/stopping_task.ts", "--config", workspace.config]
      .concat("--json", "--log-format=json"),
    cwd: REPOSITORY,
    env: { NO_COLOR: "1", STOP: how },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let stderr = "";
  const read = async () => {
    for await (const chunk of running.stderr.pipeThrough(new TextDecoderStream())) {
      stderr += chunk;
      if (stderr.includes(READY) && !stderr.includes("Interrupted")) running.kill("SIGTERM");
    }
  };
  const [stdout, { code }] = await Promise.all([
    new Response(running.stdout).text(),
    running.status,
    read(),
  ]);
  const text = `${how}: exit ${code}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`;
  return { code, stdout, stderr, text };
}

/** The messages of the log, without those below a level that people look at. */
function messagesOf({ stderr }: TaskResult): string[] {
  return stderr.trimEnd().split("\n").filter((line) => line !== READY).map((line) => JSON.parse(line))
    .filter(({ level }) => level === "error").map(({ message }) => message);
}

Deno.test("main() ends for the first error and says the later ones, when closing what was open throws too", async () => {
  const result = await stop("an error");
  assert.equal(result.code, 65, result.text);
  assert.deepEqual(parseSummary(result).error, { exitCode: 65, code: "first", message: "the first error" });
  assert.deepEqual(messagesOf(result), [
    "While stopping: a file cannot be closed",
    "While stopping: the database cannot be closed",
    "While stopping: the store cannot be closed",
    "the first error",
  ]);
});

Deno.test("main() ends in order after SIGTERM, when the lease cannot be given back", async () => {
  const result = await stop("a lease that cannot be given back");
  assert.equal(result.code, 143, result.text);
  // One that was cut short has nothing on standard output.
  assert.equal(parseSummary(result).error?.code, "interrupted", result.text);
});

Deno.test("main() is cut short after SIGTERM and still says what ended it, when a stage does not stop", async () => {
  const result = await stop("a stage that does not hear the signal");
  assert.equal(result.code, 143, result.text);
  assert.equal(result.stdout, "", result.text);
  const last = JSON.parse(result.stderr.trimEnd().split("\n").at(-1) ?? "");
  assert.equal(last.summary.error.code, "interrupted", result.text);
});
