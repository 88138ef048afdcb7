/**
 * The stages one by one, each a process of its own: together they must do what `pipeline` does, in the wrong order
 * nothing.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import project from "../../deno.json" with { type: "json" };
import { assertSameOutcome, readNightEnd } from "../support/outcome.ts";
import { copyWorkspace } from "../support/copies.ts";
import { type Stage, STAGE_NAMES, STAGES } from "../support/permissions.ts";
import {
  parseSummary,
  REPOSITORY,
  runPipeline,
  runTask,
  TASK_NAMES,
  type TaskResult,
} from "../support/task.ts";
import { assertSameTree, listFiles, readTree } from "../support/tree.ts";
import {
  createWorkspace,
  deliver,
  goldenPath,
  loadDimensions,
  type Workspace,
} from "../support/workspace.ts";

/** Runs a stage; a compute stage may touch only the work dir, and is told nothing else. */
function runStage(workspace: Workspace, stage: Stage): Promise<TaskResult> {
  if (!STAGES[stage]) return runTask(stage, ["--config", workspace.config]);
  const { workDir } = workspace;
  const permissions = [
    `--allow-read=${workDir}`,
    `--allow-write=${workDir}`,
    `--allow-ffi=${join(REPOSITORY, "node_modules")}`,
  ];
  return runTask(stage, ["--work-dir", workDir], { permissions });
}

/** Runs a stage that must succeed. */
async function passStage(workspace: Workspace, stage: Stage): Promise<void> {
  const result = await runStage(workspace, stage);
  assert.equal(result.code, 0, result.text);
}

/** A workspace before a night of the golden data; the first one needs the dimensions too. */
async function deliverNight(workspace: Workspace, night: number): Promise<void> {
  if (night === 1) await loadDimensions(workspace, goldenPath("dimensions"));
  await deliver(workspace, goldenPath(`night-${night}/landing`));
}

/** Stages that are tried too early, each list before the stage that is missing; none of them may do anything. */
const TOO_EARLY: Readonly<Partial<Record<Stage, readonly Stage[]>>> = {
  download: ["validate", "upload"],
  validate: ["transform-customer", "cleanup"],
  "transform-customer": ["transform-sales"],
  "transform-sales": ["upload"],
  upload: ["move"],
  move: ["cleanup"],
};

Deno.test("stages give what pipeline gives, when each runs alone", async (test) => {
  await using staged = await createWorkspace({ resources: { threads: 1 } });

  await test.step("once, and tried too early, which exits with 65 and names the stage that is missing", async () => {
    await deliverNight(staged, 1);
    await using whole = await copyWorkspace(staged);
    for (const stage of STAGE_NAMES) {
      for (const early of TOO_EARLY[stage] ?? []) {
        const result = await runStage(staged, early);
        assert.equal(result.code, 65, result.text);
        assert.match(result.stderr, new RegExp(`\\b${stage}\\b`), result.text);
      }
      await passStage(staged, stage);
    }
    await runPipeline(whole.config);
    assertSameOutcome((await readNightEnd(staged)).outcome, (await readNightEnd(whole)).outcome);
  });

  await test.step("twice in a row, which is harmless", async () => {
    await deliverNight(staged, 2);
    await using whole = await copyWorkspace(staged);
    for (const stage of STAGE_NAMES) {
      await passStage(staged, stage);
      await passStage(staged, stage);
    }
    await runPipeline(whole.config);
    assertSameOutcome((await readNightEnd(staged)).outcome, (await readNightEnd(whole)).outcome);
  });
});

Deno.test("stages exit with 0 and say so, when download has found nothing to do", async () => {
  await using workspace = await createWorkspace({ resources: { threads: 1 } });
  await deliverNight(workspace, 4);
  const before = await readTree(workspace.store);
  for (const stage of STAGE_NAMES) {
    const result = await runStage(workspace, stage);
    assert.equal(result.code, 0, result.text);
    assert.match(result.stdout + result.stderr, /nothing[- ]to[- ]do/i, result.text);
  }
  assertSameTree(await readTree(workspace.store), before, "the store");
});

Deno.test("a corrupt manifest stops a stage with 65, and pipeline sets it aside, before and after the commit", async (test) => {
  await using fresh = await createWorkspace({ resources: { threads: 1 } });
  await deliverNight(fresh, 1);
  await using undisturbed = await copyWorkspace(fresh);
  await runPipeline(undisturbed.config);
  const expected = (await readNightEnd(undisturbed)).outcome;

  await test.step("before the commit", async () => {
    await using workspace = await copyWorkspace(fresh);
    await passStage(workspace, "download");
    await spoilManifest(workspace);
    await assertStopped(workspace, "validate");
    const { state, recovered } = await runPipeline(workspace.config);
    assert.deepEqual({ state, recovered }, { state: "committed", recovered: [] });
    assertSameOutcome((await readNightEnd(workspace)).outcome, expected);
  });

  await test.step("after the commit", async () => {
    await using workspace = await copyWorkspace(fresh);
    for (const stage of STAGE_NAMES.slice(0, STAGE_NAMES.indexOf("move"))) await passStage(workspace, stage);
    const runId = await spoilManifest(workspace);
    await assertStopped(workspace, "move");
    const { state, recovered } = await runPipeline(workspace.config);
    assert.deepEqual({ state, recovered }, { state: "recovered", recovered: [runId] });
    assertSameOutcome((await readNightEnd(workspace)).outcome, expected);
  });
});

/** Cuts the only run's manifest off; gives the run's id. */
async function spoilManifest(workspace: Workspace): Promise<string> {
  const [manifest = "", ...others] = (await listFiles(workspace.workDir)).filter((name) =>
    /manifest\.json$/.test(name)
  );
  assert.deepEqual(others, []);
  const path = join(workspace.workDir, manifest);
  const { runId } = JSON.parse(await Deno.readTextFile(path));
  await Deno.truncate(path, 100);
  return runId;
}

async function assertStopped(workspace: Workspace, stage: Stage): Promise<void> {
  const result = await runStage(workspace, stage);
  assert.equal(result.code, 65, result.text);
  assert.match(result.stderr, /manifest/);
}

Deno.test("tasks explain themselves with --help, in the words that deno task lists", async () => {
  assert.ok(STAGE_NAMES.every((stage) => TASK_NAMES.includes(stage)), "deno.json was misread");
  await Promise.all(TASK_NAMES.map(async (task) => {
    const help = await runTask(task, ["--help"]);
    assert.equal(help.code, 0, help.text);
    assert.match(help.stdout, /--help/, help.text);
    const description = Object.entries(project.tasks).find(([name]) => name === task)?.[1].description;
    assert.equal(help.stdout.split("\n\n")[1]?.replaceAll("\n", " "), description, help.text);
  }));
});

Deno.test("deno task gives a task its permissions and what follows its name, and passes SIGTERM on", async () => {
  await using workspace = await createWorkspace({ lease: { waitSeconds: 60 } });
  // Held here, so that the task waits for it until the signal comes.
  await Deno.mkdir(workspace.workDir, { recursive: true });
  using lock = await Deno.open(join(workspace.workDir, "lock"), { write: true, create: true });
  await lock.lock(true);
  const task = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "download", "--config", workspace.config, "--json", "--log-level=debug"],
    cwd: REPOSITORY,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let stderr = "";
  const read = async () => {
    for await (const chunk of task.stderr.pipeThrough(new TextDecoderStream())) {
      stderr += chunk;
      // It is the last that the task says before it waits, and a permission that it needs is there by then.
      if (stderr.includes("workDir comes from")) task.kill("SIGTERM");
    }
  };
  const [stdout, { code }] = await Promise.all([new Response(task.stdout).text(), task.status, read()]);
  assert.equal(code, 143, stderr);
  assert.equal(JSON.parse(stdout).error.code, "interrupted", stderr);
});

Deno.test("tasks exit with 64, when a flag is unknown", async () => {
  // All of them read their flags in one place, with the options that each of them has.
  await Promise.all(["validate", "move", "config"].map(async (task) => {
    const wrong = await runTask(task, ["--no-such-flag"]);
    assert.equal(wrong.code, 64, wrong.text);
    assert.match(wrong.stderr, /--no-such-flag/, wrong.text);
  }));
});

Deno.test("pipeline --json reports wrong usage as a failed run without an id, when a flag is unknown", async () => {
  const result = await runTask("pipeline", ["--json", "--no-such-flag"]);
  assert.equal(result.code, 64, result.text);
  const { runId, state, committed, error } = parseSummary(result);
  assert.deepEqual({ runId, state, committed, exitCode: error?.exitCode }, {
    runId: null,
    state: "failed",
    committed: false,
    exitCode: 64,
  });
});
