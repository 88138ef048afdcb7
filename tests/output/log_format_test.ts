/**
 * With `--log-format=json` a process writes JSON lines on standard error and nothing else, the last of which is its
 * summary, however it ends.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { AT_POINT } from "../support/crash_point.ts";
import { startPipeline } from "../support/crash_process.ts";
import { STAGE_NAMES, STAGES } from "../support/permissions.ts";
import { parseSummary, REPOSITORY, runTask, type TaskOptions } from "../support/task.ts";
import {
  createWorkspace,
  deliver,
  goldenPath,
  loadDimensions,
  type Workspace,
} from "../support/workspace.ts";

/** What every line has. */
interface Line {
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly runId: string | null;
  readonly stage: string;
  readonly attempt: number | null;
  readonly properties?: object;
  readonly summary?: Summary;
}

interface Summary {
  readonly runId: string | null;
  readonly stage: string;
  readonly attempt: number | null;
  readonly state: string;
  readonly rows: { readonly read: number };
  readonly error?: { readonly exitCode: number; readonly code: string };
}

function linesOf(stderr: string): Line[] {
  assert.ok(stderr.endsWith("\n"), stderr);
  return stderr.slice(0, -1).split("\n").map((text) => {
    const line = JSON.parse(text);
    assert.ok(!Number.isNaN(Date.parse(line.time)), text);
    for (const name of ["level", "message", "stage"]) assert.equal(typeof line[name], "string", text);
    for (const name of ["runId", "attempt"]) assert.notEqual(line[name], undefined, text);
    return line;
  });
}

/** Runs a task; gives its lines, with the summary that is the last one of them, and the termination log. */
async function runLogged(
  workspace: Workspace,
  task: string,
  args: readonly string[],
  options?: TaskOptions,
) {
  const terminationLog = join(workspace.folder, "termination-log");
  await Deno.remove(terminationLog).catch(() => {});
  const flags = [...args, "--log-format=json", `--termination-log=${terminationLog}`];
  const result = await runTask(task, flags, options);
  const lines = linesOf(result.stderr);
  const summary = lines.at(-1)?.summary;
  assert.ok(summary, result.text);
  assert.equal(lines.filter((line) => line.summary !== undefined).length, 1, result.text);
  const last = result.stderr.slice(0, -1).split("\n").at(-1) ?? "";
  // What the kubelet keeps of a log's end.
  assert.ok(new TextEncoder().encode(last).length <= 2048, last);
  const told = await Deno.readTextFile(terminationLog).catch(() => null);
  return { ...result, lines, summary, told: told === null ? null : JSON.parse(told) };
}

Deno.test("stages say run, stage and attempt with every line, and end with a summary, when all goes well", async () => {
  await using workspace = await createWorkspace();
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath("night-2/landing"));
  const runIds = new Set<string | null>();
  for (const stage of STAGE_NAMES) {
    const where = STAGES[stage] ? ["--work-dir", workspace.workDir] : ["--config", workspace.config];
    const result = await runLogged(workspace, stage, [...where, "--json"]);
    assert.equal(result.code, 0, result.text);
    for (const line of result.lines) {
      assert.equal(line.stage, stage, result.text);
      if (stage !== "download" || line.runId !== null) runIds.add(line.runId);
      assert.equal(line.attempt, 1, result.text);
    }
    const { runId, rows } = parseSummary(result);
    assert.deepEqual({ runId, rows }, { runId: result.summary.runId, rows: result.summary.rows });
    assert.deepEqual(result.told, result.summary);
  }
  assert.equal(runIds.size, 1, [...runIds].join(" "));
});

Deno.test("a stage counts its attempts, when it is started again in its place and when the run is begun again", async () => {
  await using workspace = await createWorkspace();
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath("night-1/landing"));
  const job = { env: { ETL_LEASE_OWNER: "job-1" } };
  const attemptOf = async (stage: "download" | "validate" | "transform-customer") => {
    const where = STAGES[stage] ? ["--work-dir", workspace.workDir] : ["--config", workspace.config];
    const { code, text, summary } = await runLogged(workspace, stage, where, job);
    assert.equal(code, 0, text);
    return summary.attempt;
  };
  assert.equal(await attemptOf("download"), 1);
  assert.equal(await attemptOf("validate"), 1);
  assert.equal(await attemptOf("validate"), 2);
  assert.equal(await attemptOf("transform-customer"), 1);
  // A Pod of the same Job, with a work dir of its own.
  await Deno.remove(workspace.workDir, { recursive: true });
  await using other = await createWorkspace({
    store: { kind: "folder", path: workspace.store },
    database: { kind: "duckdb", path: workspace.database },
  });
  const again = await runLogged(other, "download", ["--config", other.config], job);
  assert.equal(again.summary.attempt, 2, again.text);
  const validated = await runLogged(other, "validate", ["--work-dir", other.workDir]);
  assert.equal(validated.summary.attempt, 2, validated.text);
});

Deno.test("pipeline names the stage that is at work, and itself at the end", async () => {
  await using workspace = await createWorkspace();
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath("night-1/landing"));
  const { lines, summary, text } = await runLogged(workspace, "pipeline", ["--config", workspace.config]);
  assert.equal(summary.stage, "pipeline", text);
  const stages = new Set(lines.map(({ stage }) => stage));
  for (const stage of ["download", "validate", "upload", "move", "cleanup"]) {
    assert.ok(stages.has(stage), text);
  }
});

/** Ways to fail: arguments, exit code, code of the error, stage. */
const FAILURES:
  readonly (readonly [task: string, args: readonly string[], exitCode: number, code: string])[] = [
    ["download", ["--nonsense"], 64, "usage"],
    ["pipeline", ["--config", "there is no such file"], 78, "config_unreadable"],
    ["validate", ["--work-dir", "WORK"], 65, "stage_out_of_order"],
    ["pipeline", ["--config", "CONFIG"], 65, "missing_dimension_table"],
    ["replay", ["--config", "CONFIG"], 64, "usage"],
  ];

for (const [task, args, exitCode, code] of FAILURES) {
  Deno.test(`${task} ends with a summary of its failure, when it exits with ${exitCode}, ${code}`, async () => {
    await using workspace = await createWorkspace();
    await deliver(workspace, goldenPath("night-1/landing"));
    const { config, workDir } = workspace;
    const places: Record<string, string> = { CONFIG: config, WORK: workDir };
    const result = await runLogged(workspace, task, args.map((arg) => places[arg] ?? arg));
    assert.equal(result.code, exitCode, result.text);
    assert.equal(result.summary.state, "failed", result.text);
    assert.deepEqual(
      [result.summary.error?.exitCode, result.summary.error?.code],
      [exitCode, code],
      result.text,
    );
    assert.equal(result.lines.at(-2)?.level, "error", result.text);
    // Wrong arguments are not taken up, that one neither.
    if (exitCode !== 64) assert.deepEqual(result.told, result.summary);
  });
}

Deno.test("pipeline ends with a summary, when it is interrupted", async () => {
  await using workspace = await createWorkspace();
  await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath("night-1/landing"));
  const point = { when: "before", call: "store.get", then: "await signal" } as const;
  await using process = startPipeline(workspace.config, point, ["--log-format", "json"]);
  await process.atPoint;
  process.kill("SIGTERM");
  const { code, stderr, text } = await process.ended;
  assert.equal(code, 143, text);
  const last = linesOf(stderr.replace(`${AT_POINT}\n`, "")).at(-1);
  assert.equal(last?.summary?.error?.code, "interrupted");
});

Deno.test("a bug is one line with its stack, and a summary follows", async () => {
  const account = { kind: "mysql", host: "127.0.0.1", database: "d", user: "u", password: "p" };
  await using workspace = await createWorkspace({ database: account });
  const args = ["run", "-A", "--no-check", "tests/support/leaking_pipeline.ts", "--config", workspace.config];
  const { stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "--log-format=json"],
    cwd: REPOSITORY,
    env: { LEAK: "a promise that nobody waits for" },
  }).output();
  assert.equal(code, 70);
  const lines = linesOf(new TextDecoder().decode(stderr));
  assert.match(lines.at(-2)?.message ?? "", /^This is a bug.*\n +at /s);
  assert.equal(lines.at(-1)?.summary?.error?.code, "bug");
});

Deno.test("a stage succeeds all the same, when its termination log cannot be written", async () => {
  await using workspace = await createWorkspace();
  const flags = ["--log-format=json", `--termination-log=${join(workspace.folder, "missing", "log")}`];
  await loadDimensions(workspace, goldenPath("dimensions"));
  const result = await runTask("pipeline", ["--config", workspace.config, ...flags]);
  assert.equal(result.code, 0, result.text);
  const lines = linesOf(result.stderr);
  assert.match(lines.at(-2)?.message ?? "", /^Cannot write the summary to /);
  assert.equal(lines.at(-1)?.summary?.state, "nothing-to-do");
});
