/**
 * Runs that end before their time: killed at each of their effects and at random moments, stopped by a signal, paused
 * until another has taken the lease, or started twice. After one rerun everything must be as if nothing had happened.
 *
 * @module
 */
import assert from "node:assert/strict";
import pMap from "p-map";
import { type CrashPoint, TIMER } from "../support/crash_point.ts";
import { randomOf } from "../support/random.ts";
import { assertSameOutcome, type Outcome, readNightEnd } from "../support/outcome.ts";
import { type Ended, raceToCommit, startPipeline, summaryOf } from "../support/crash_process.ts";
import { copyWorkspace, deliverFiles, joinWorkspace } from "../support/copies.ts";
import { runPipeline, type Summary } from "../support/task.ts";
import { finished } from "../support/waiting.ts";
import { createWorkspace, goldenPath, loadDimensions, type Workspace } from "../support/workspace.ts";

/** The nights, small: every run of a case counts against the time that the whole suite may take. */
const FIRST_NIGHT = ["night-2/landing/2023/05/store-121/sales.csv"];
/** Accepted, accepted with rejects, rejected, of an unsupported type, and a duplicate of the first night's file. */
const SECOND_NIGHT = [
  "night-2/landing/2023/05/store-122/sales.csv",
  "night-2/landing/row_faults.csv",
  "night-2/landing/latin_1.csv",
  "night-1/landing/notes.txt",
  "night-2/landing/zz_same_night_twin.csv",
];
const THIRD_NIGHT = ["night-3/landing/tie.csv"];

/** Where cases start, by what a run would find there. */
interface Bases {
  /** The first night is delivered; store and database are not bound yet. */
  readonly new: Workspace;
  /** The first night is done, the second delivered. */
  readonly delivered: Workspace;
  /** The second night's run was killed with everything staged. */
  readonly staged: Workspace;
  /** The second night's run was killed right after its commit. */
  readonly committed: Workspace;
  /** So it was, and the third night is delivered. */
  readonly behind: Workspace;
}

/** The workspaces that the bases are made of. */
const made = new AsyncDisposableStack();
let bases: Bases;
/** What the bases come to when nothing is killed. */
let expected: Readonly<Record<keyof Bases, Outcome>>;

Deno.test.beforeAll(async () => {
  // Two runs are at work most of the time, so one thread each.
  const first = made.use(await createWorkspace({ resources: { threads: 1 } }));
  await loadDimensions(first, goldenPath("dimensions"));
  await deliverFiles(first, FIRST_NIGHT);
  const delivered = made.use(await copyWorkspace(first));
  await runPipeline(delivered.config);
  const afterFirst = await assertNightOver(delivered);
  await deliverFiles(delivered, SECOND_NIGHT);
  const [unkilled, staged, committed] = [
    made.use(await copyWorkspace(delivered)),
    made.use(await copyWorkspace(delivered)),
    made.use(await copyWorkspace(delivered)),
  ];
  // Beside others, as the runs whose time is counted by this one's.
  await using unkilledRun = startPipeline(unkilled.config);
  await killAt(staged, { when: "before", call: "database.commit" });
  await killAt(committed, { when: "after", call: "database.commit" });
  unkilledMs = (await unkilledRun.ended).durationMs;
  const afterSecond = await assertNightOver(unkilled);
  const behind = made.use(await copyWorkspace(committed));
  await deliverFiles(behind, THIRD_NIGHT);
  await deliverFiles(unkilled, THIRD_NIGHT);
  await runPipeline(unkilled.config);
  bases = { new: first, delivered, staged, committed, behind };
  expected = {
    new: afterFirst,
    delivered: afterSecond,
    staged: afterSecond,
    committed: afterSecond,
    behind: await assertNightOver(unkilled),
  };
});

Deno.test.afterAll(() => made.disposeAsync());

/** How long a run takes that is not killed; measured, and again by each run that was done before it could be killed. */
let unkilledMs = 0;

/** Processes at a time. */
const CONCURRENCY = 2;
/** COMMIT, and the checkpoint when the file is closed a moment later, take about as long. */
const COMMIT_MS = 60;

/** A moment of a run: when, call, match and nth of its {@linkcode CrashPoint}. */
type Moment = readonly [CrashPoint["when"], string, string?, number?];

// Before an effect is the same moment as after the one that comes before, unless several are under way at a time.

/** Once there are pending moves, until they are all settled. */
const MOVES_OPEN: readonly Moment[] = [
  ["during", "store.copy", "^_staging/.* customer_data_mart/"],
  ["after", "store.delete", "^_staging/", 3],
  ["after", "database.settleMoves"],
  ["after", "store.put", "^_runs/\\d"],
  ["after", "database.finishRun", "published"],
  ["during", "store.copy", "^sales_data/.* sales_data_processed/"],
  ["after", "store.delete", "^sales_data/", 2],
  ["before", "database.settleMoves", "", 2],
];

/** The statement of the commit's transaction after which there is only COMMIT. */
const LAST_BEFORE_COMMIT: Moment = ["after", "duckdb.statement", "SET state = 'committed'"];

Deno.test("pipeline comes to the same, when it is killed at one of its effects", async (test) => {
  await eachStep(test, [
    ...crashes("new", "committed", [
      ["before", "store.put", "^_runs/binding"],
      ["after", "store.put", "^_runs/binding"],
      ["after", "database.bind"],
    ]),
    ...crashes("delivered", "committed", [
      ["after", "database.beginRun"],
      ["after", "store.sweep"],
      ["during", "store.put", "^_staging/", 4],
      ["before", "database.commit"],
      ["after", "duckdb.statement", 'MERGE INTO "customers_data_mart"'],
      ["after", "duckdb.statement", "INSERT INTO pending_move"],
      LAST_BEFORE_COMMIT,
    ]),
    ...crashes("delivered", "recovered", [
      ["after", "database.commit"],
      ["after", "store.copy", "^_staging/.*/rejects/"],
      ["before", "store.delete", "^_staging/"],
      ["before", "database.settleMoves"],
      ["after", "store.copy", "^sales_data/.* sales_data_error/"],
      ["before", "store.delete", "^sales_data/"],
      ...MOVES_OPEN,
    ]),
    ...crashes("delivered", "nothing-to-do", [
      ["after", "database.settleMoves", "", 2],
      ["after", "database.releaseLease"],
    ]),
    ...crashes("delivered", "any", [["after", "database.renewLease"]]),
  ]);
});

Deno.test("pipeline comes to the same, when it is killed again while it recovers", async (test) => {
  await eachStep(test, [
    ...crashes("staged", "committed", [["after", "store.sweep"], ["during", "store.put", "^_staging/", 4]]),
    ...crashes("staged", "recovered", [["after", "database.commit"]]),
    ...crashes("committed", "recovered", [["after", "database.beginRun"], ...MOVES_OPEN]),
    ...crashes("committed", "nothing-to-do", [
      ["after", "database.settleMoves", "", 2],
      ["after", "database.finishRun", "recovered"],
      ["after", "database.releaseLease"],
    ]),
    ...crashes("behind", "recovered", [["after", "database.commit"]]),
  ]);
});

Deno.test("pipeline comes to the same, when it is killed at 40 random moments, and 4 of the commit", async (test) => {
  const seed = Number(Deno.env.get("CRASH_SEED") ?? Date.now() % 2 ** 32);
  const random = randomOf(seed);
  const shares = (count: number) => Array.from({ length: count }, (_, i) => (i + random()) / count);
  const name = (share: number, what: string) =>
    `at ${(share * 100).toFixed(1)} % of ${what}, CRASH_SEED=${seed}`;
  await eachStep(test, [
    ...shares(40).map((share) => ({ name: name(share, "a run"), run: () => killAfter(share) })),
    ...shares(4).map((share) => ({ name: name(share, "the commit"), run: () => killWithinCommit(share) })),
  ]);
});

Deno.test("pipeline works once and exits with 75 naming the holder, when it is started twice together", async (test) => {
  await eachStep(test, [
    { name: "on one work dir", run: () => startTwice((workspace) => Promise.resolve(workspace)) },
    { name: "on a work dir each", run: () => startTwice(joinWorkspace) },
  ], 1);
});

Deno.test("pipeline exits with 143 or 130, and a rerun completes, when it is interrupted", async (test) => {
  await eachStep(test, [
    interruption("SIGTERM", ["before", "store.get"], false),
    interruption("SIGTERM", ["before", "engine.write"], false),
    interruption("SIGINT", ["before", "engine.write", '/sales_data_mart"'], false),
    interruption("SIGTERM", ["before", "database.commit"], false),
    interruption("SIGTERM", LAST_BEFORE_COMMIT, false),
    interruption("SIGTERM", ["before", "store.copy", "^_staging/", 4], true),
    interruption("SIGTERM", ["before", "store.copy", "^sales_data/", 2], true),
  ]);
});

Deno.test("pipeline exits within 5 s and a rerun completes, when it is interrupted while something hangs", async (test) => {
  await eachStep(test, [
    hanging(["before", "store.get"]),
    hanging(["before", "store.copy", "^sales_data/"]),
  ]);
});

Deno.test("pipeline cannot commit nor go on, when it wakes and another owner has taken its lease", async (test) => {
  // Half of it is waiting: all at once.
  await eachStep(test, [
    { name: "paused before it stages something", run: () => pauseStaging("before") },
    { name: "paused while it stages something", run: () => pauseStaging("during") },
    { name: "paused before its commit", run: () => pause(["before", "database.commit"], "committed") },
    {
      name: "paused after its commit",
      run: () => pause(["before", "store.copy", "^_staging/"], "recovered"),
    },
    {
      name: "paused while it moves a source file",
      run: () => pause(["during", "store.copy", "^sales_data/"], "recovered"),
    },
  ], 5);
});

/** Something to try, as a step of a test. */
interface Case {
  readonly name: string;
  run(): Promise<void>;
}

/** Runs all cases, several at a time, and then reports each as a step. */
async function eachStep(
  test: Deno.TestContext,
  cases: readonly Case[],
  concurrency = CONCURRENCY,
): Promise<void> {
  const outcomes = await pMap(cases, async (one) => {
    try {
      await one.run();
      return null;
    } catch (error) {
      return { error };
    }
  }, { concurrency });
  for (const [i, { name }] of cases.entries()) {
    await test.step(name, () => {
      const failure = outcomes[i];
      if (failure) throw failure.error;
    });
  }
}

/** A case for each moment; `rerun` is the state of the run after the killed one. */
function crashes(base: keyof Bases, rerun: State, moments: readonly Moment[]): Case[] {
  return moments.map((moment): Case => ({
    name: `${base}: ${moment.filter(Boolean).join(" ")}`,
    async run() {
      await using workspace = await copyWorkspace(bases[base]);
      await killAt(workspace, pointOf(moment));
      const { state } = await assertRerunCompletes(workspace, base);
      if (rerun !== "any") assert.equal(state, rerun);
    },
  }));
}

type State = Summary["state"] | "any";

function pointOf([when, call, match = "", nth = 1]: Moment): CrashPoint {
  return { when, call, match, nth };
}

/** Runs the pipeline once more, as anybody would, and compares what there is then with what an unkilled run leaves. */
async function assertRerunCompletes(workspace: Workspace, base: keyof Bases): Promise<Summary> {
  const summary = await runPipeline(workspace.config);
  assertSameOutcome(await assertNightOver(workspace), expected[base]);
  return summary;
}

/** Nothing may be unfinished or left over. */
async function assertNightOver(workspace: Workspace): Promise<Outcome> {
  const { outcome, left } = await readNightEnd(workspace);
  assert.deepEqual(left, []);
  return outcome;
}

/** Runs the pipeline until the point, where it must be killed. */
async function killAt(workspace: Workspace, point: CrashPoint): Promise<Ended> {
  const ended = await startPipeline(workspace.config, point).ended;
  assert.equal(ended.signal, "SIGKILL", `not killed at ${JSON.stringify(point)}: ${ended.text}`);
  return ended;
}

/** Kills the real pipeline when this share of its time is over. */
async function killAfter(share: number): Promise<void> {
  while (true) {
    await using workspace = await copyWorkspace(bases.delivered);
    await using process = startPipeline(workspace.config);
    const timer = setTimeout(() => process.kill("SIGKILL"), share * unkilledMs);
    const { signal, code, durationMs, text } = await process.ended;
    clearTimeout(timer);
    if (signal === "SIGKILL") return void await assertRerunCompletes(workspace, "delivered");
    assert.equal(code, 0, text);
    // It was quicker than the one that was measured. A little less, so that this comes to an end.
    unkilledMs = 0.95 * durationMs;
  }
}

/** Kills the pipeline while it writes the commit to the disk, or just after. */
async function killWithinCommit(share: number): Promise<void> {
  await using workspace = await copyWorkspace(bases.delivered);
  await killAt(workspace, { ...pointOf(LAST_BEFORE_COMMIT), then: `kill in ${share * COMMIT_MS}` });
  await assertRerunCompletes(workspace, "delivered");
}

async function startTwice(second: (workspace: Workspace) => Promise<Workspace>): Promise<void> {
  await using workspace = await copyWorkspace(bases.delivered);
  const workspaces = [workspace, await second(workspace)] as const;
  const { winner, loser } = await raceToCommit([workspaces[0].config, workspaces[1].config]);
  assert.equal(loser.code, 75, loser.text);
  const { error } = summaryOf(loser);
  assert.equal(error?.code, "lease_held", loser.text);
  assert.match(error.message, new RegExp(`\\bprocess ${winner.pid}\\b`));
  assert.equal(winner.code, 0, winner.text);
  assertSameOutcome(await assertNightOver(workspaces[winner.index]!), expected.delivered);
}

/** Sends a signal at a point, after which nothing may wait for a limit; `committed` is what the summary has to say. */
function interruption(signal: keyof typeof SIGNAL_CODES, moment: Moment, committed: boolean): Case {
  return {
    name: `by ${signal} ${moment.join(" ")}`,
    async run() {
      await using workspace = await copyWorkspace(bases.delivered);
      await using process = startPipeline(workspace.config, { ...pointOf(moment), then: "await signal" });
      await process.atPoint;
      process.kill(signal);
      const ended = await finished("the interrupted run", process.ended);
      assert.equal(ended.code, SIGNAL_CODES[signal], ended.text);
      const summary = summaryOf(ended);
      assert.equal(summary.state, "failed");
      assert.equal(summary.error?.exitCode, ended.code);
      assert.equal(summary.committed, committed, ended.text);
      await assertRerunCompletes(workspace, "delivered");
    },
  };
}

/** Sends a signal while a call hangs: the limits that the pipeline sets itself then, which come at once, end it. */
function hanging(moment: Moment): Case {
  return {
    name: moment.join(" "),
    async run() {
      await using workspace = await copyWorkspace(bases.delivered);
      await using process = startPipeline(workspace.config, { ...pointOf(moment), then: "hang" });
      await process.atPoint;
      process.kill("SIGTERM");
      const { code, stderr, text } = await finished("the interrupted run", process.ended);
      assert.equal(code, SIGNAL_CODES.SIGTERM, text);
      const limits = stderr.split("\n").filter((line) => line.startsWith(TIMER));
      const limitsMs = limits.map((line) => Number(line.slice(TIMER.length)));
      assert.ok(limitsMs.length > 0 && limitsMs.every((limitMs) => limitMs <= 4000), text);
      await assertRerunCompletes(workspace, "delivered");
    },
  };
}

const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Pauses a run, lets another owner take its lease and do the night, and wakes the first one: it may change nothing that
 * a reader sees.
 *
 * @param check Looks at what is left then; by default there may be nothing.
 */
async function pause(
  moment: Moment,
  state: State,
  check: (other: Workspace) => Promise<unknown> = assertNightOver,
): Promise<void> {
  const lease = { ttlSeconds: 1, waitSeconds: 30 };
  await using workspace = await copyWorkspace(bases.delivered, { lease });
  const other = await joinWorkspace(workspace);
  await using paused = startPipeline(workspace.config, { ...pointOf(moment), then: "stop" });
  await paused.atPoint;
  assert.equal((await runPipeline(other.config)).state, state);
  assertSameOutcome(await assertNightOver(other), expected.delivered);
  await paused.resume();
  const ended = await paused.ended;
  assert.equal(ended.code, 75, ended.text);
  // What it was writing may be swept before it has looked at its lease.
  assert.match(summaryOf(ended).error?.code ?? "", /^(lease_lost|taken_over)$/, ended.text);
  assertSameOutcome((await readNightEnd(other)).outcome, expected.delivered);
  await check(other);
}

/** What the run still stages when it wakes is nobody's: the next upload has to sweep it. */
function pauseStaging(when: "before" | "during"): Promise<void> {
  return pause([when, "store.put", "^_staging/"], "committed", async (other) => {
    assert.notDeepEqual((await readNightEnd(other)).left, [], "nothing was staged on waking");
    await deliverFiles(other, THIRD_NIGHT);
    assert.equal((await runPipeline(other.config)).state, "committed");
    await assertNightOver(other);
  });
}
