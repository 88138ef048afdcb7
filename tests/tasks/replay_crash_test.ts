/**
 * Replays that are killed at each of their effects, started twice, or paused until another has done their work: what was
 * rejected is in the marts once, whatever runs next.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import pMap from "p-map";
import { copyWorkspace, joinWorkspace } from "../support/copies.ts";
import { type CrashPoint, NO_POINT } from "../support/crash_point.ts";
import { startReplay } from "../support/crash_process.ts";
import type { Deployment } from "../support/deployment.ts";
import { assertSameOutcome, type Outcome, readNightEnd } from "../support/outcome.ts";
import {
  afterNight,
  fileOf,
  listed,
  loadCustomers,
  productsIn,
  type ReplaySummary,
  rowOf,
  runReplay,
} from "../support/replay.ts";
import { runPipeline } from "../support/task.ts";
import { listFiles } from "../support/tree.ts";
import type { Workspace } from "../support/workspace.ts";

/** A customer that the dimension does not have at first. */
const LATE = 900;
const BY_REASON = ["--reason", "unknown_customer_id"];

/** The night of the crash tests: rows of two files, one of them alike, and a file to be put back whole. */
const CRASH_NIGHT = {
  "a.csv": fileOf(rowOf(1, { product: "a" }), rowOf(LATE, { product: "twin" })),
  "b.csv": fileOf(rowOf(1, { product: "b" }), rowOf(LATE, { product: "twin" })),
  "many.csv": fileOf(...Array.from({ length: 12 }, (_, i) => rowOf(LATE, { product: `many ${i}` }))),
};
const CRASH_PRODUCTS = ["a", "b", ...Array.from({ length: 12 }, (_, i) => `many ${i}`), "twin", "twin"]
  .sort();

/** After the crash tests' night, with its cause mended. */
async function readyToReplay(): Promise<{ base: Deployment; flags: string[] }> {
  const { deployment, night } = await afterNight(CRASH_NIGHT);
  await loadCustomers(deployment, [LATE]);
  return { base: deployment, flags: ["--run", night.runId] };
}

/** What a workspace comes to when nothing is killed: a replay, and the night that takes what it puts back. */
async function replayUndisturbed(base: Workspace, flags: readonly string[]): Promise<Outcome> {
  await using workspace = await copyWorkspace(base);
  assert.deepEqual((await runReplay(workspace.config, flags)).counts, { rows: 2, files: 1 });
  return await assertAllLoaded(workspace);
}

/** Nights until the landing prefix is empty: then every row is loaded, once. */
async function assertAllLoaded(workspace: Workspace): Promise<Outcome> {
  // What finishes a replay may be the first of them, and then another one takes what was put back.
  for (let nights = 0; (await listFiles(join(workspace.store, "sales_data"))).length > 0; nights++) {
    assert.ok(nights < 2, "it never ends");
    await runPipeline(workspace.config);
  }
  assert.deepEqual(await productsIn(workspace), CRASH_PRODUCTS);
  const { outcome, left } = await readNightEnd(workspace);
  assert.deepEqual(left, []);
  // Of what was put back, the ledger has the time.
  const ledger = outcome.get("table source_file") ?? [];
  const timeless = ledger.map((row) =>
    row[0]?.startsWith("sales_data/replay/") ? row.with(3, "a time") : row
  );
  return new Map([...outcome, ["table source_file", timeless]]);
}

/** What runs after a replay was killed: it again, or a night first, which may find all, some or nothing of it. */
type Next = "replay" | "pipeline";
const BOTH: readonly Next[] = ["replay", "pipeline"];

/** Every effect of a replay, in their order, and whether what was put back is committed by then. */
const EFFECTS: readonly (readonly [committed: boolean, point: CrashPoint, next: readonly Next[]])[] = [
  [false, { when: "after", call: "database.acquireLease" }, ["replay"]],
  [false, { when: "after", call: "database.beginRun" }, ["pipeline"]],
  [false, { when: "after", call: "store.sweep" }, ["replay"]],
  [false, { when: "during", call: "store.put", match: "^_staging/" }, ["pipeline"]],
  [false, { when: "after", call: "store.copy", match: "^sales_data_error/.* _staging/" }, ["replay"]],
  [false, { when: "before", call: "database.commit" }, BOTH],
  [false, { when: "after", call: "duckdb.statement", match: "INSERT INTO replayed_row" }, ["replay"]],
  [false, { when: "after", call: "duckdb.statement", match: "SET state = 'committed'" }, ["pipeline"]],
  [true, { when: "after", call: "database.commit" }, BOTH],
  [true, { when: "during", call: "store.copy", match: "^_staging/.* sales_data/", nth: 2 }, ["pipeline"]],
  [true, { when: "after", call: "store.copy", match: "^_staging/.* sales_data/" }, BOTH],
  [true, { when: "after", call: "store.delete", match: "^_staging/", nth: 3 }, BOTH],
  [true, { when: "after", call: "database.settleMoves" }, ["pipeline"]],
  [true, { when: "after", call: "store.put", match: "^_runs/\\d" }, ["replay"]],
  [true, { when: "after", call: "database.finishRun" }, ["pipeline"]],
  [true, { when: "after", call: "database.releaseLease" }, ["replay"]],
];

Deno.test("replay puts everything back once, when it is killed at one of its effects", async (test) => {
  const { base, flags } = await readyToReplay();
  await using _ = base;
  const expected = await replayUndisturbed(base, flags);
  const cases = EFFECTS.flatMap(([committed, point, all]) => all.map((next) => ({ committed, point, next })));
  const failures = await pMap(cases, async ({ committed, point, next }) => {
    try {
      await using workspace = await copyWorkspace(base);
      const { config } = workspace;
      const killed = await startReplay(config, flags, point).ended;
      assert.equal(killed.signal, "SIGKILL", killed.text);
      if (next === "pipeline") await runPipeline(config);
      const again = await runReplay(config, flags);
      assert.deepEqual(again.counts, committed ? { rows: 0, files: 0 } : { rows: 2, files: 1 });
      const reasons = new Set(again.leftOut.map(({ reason }) => reason));
      assert.deepEqual([...reasons], committed ? ["already_replayed"] : []);
      assertSameOutcome(await assertAllLoaded(workspace), expected);
      return null;
    } catch (error) {
      return { error };
    }
  }, { concurrency: 2 });
  for (const [i, { point: { when, call, match = "" }, next }] of cases.entries()) {
    await test.step(`${when} ${call} ${match}, and then ${next} runs`, () => {
      if (failures[i]) throw failures[i].error;
    });
  }
});

Deno.test("replay puts everything back once, when two are started together", async (test) => {
  const { base, flags } = await readyToReplay();
  await using _ = base;
  const expected = await replayUndisturbed(base, flags);
  for (const waitSeconds of [0, 30]) {
    for (const where of ["the same work dir", "work dirs of their own"]) {
      await test.step(`in ${where}, ready to wait ${waitSeconds} s`, async () => {
        await using workspace = await copyWorkspace(base, { lease: { waitSeconds } });
        const other = where === "the same work dir" ? workspace : await joinWorkspace(workspace);
        await using one = startReplay(workspace.config, flags, NO_POINT);
        const less = BY_REASON.concat("--file", "sales_data/a.csv");
        await using another = startReplay(other.config, less, NO_POINT);
        const ended = await Promise.all([one.ended, another.ended]);
        const summaries = ended.map(({ stdout }): ReplaySummary => JSON.parse(stdout));
        const texts = ended.map(({ text }) => text).join("\n");
        for (const [i, { code }] of ended.entries()) {
          assert.ok(code === 0 || (code === 75 && waitSeconds === 0), texts);
          if (code === 75) assert.equal(summaries[i]?.error?.code, "lease_held", texts);
        }
        const times = summaries.flatMap(({ replayed }) => listed(replayed)).filter((line) =>
          line === "a.csv rows 1"
        );
        assert.equal(times.length, 1, texts);
        // Whatever came first, the rest follows.
        await runReplay(workspace.config, flags);
        const outcome = await assertAllLoaded(workspace);
        if (summaries[0]?.counts.rows === 2) assertSameOutcome(outcome, expected);
      });
    }
  }
});

Deno.test("replay changes nothing, when it wakes after another one has taken its lease and done its work", async () => {
  const { base, flags } = await readyToReplay();
  await using workspace = await copyWorkspace(base, { lease: { ttlSeconds: 1, waitSeconds: 30 } });
  await base[Symbol.asyncDispose]();
  const other = await joinWorkspace(workspace);
  const point = { when: "before", call: "database.commit", then: "stop" } as const;
  await using paused = startReplay(workspace.config, flags, point);
  await paused.atPoint;
  assert.deepEqual((await runReplay(other.config, flags)).counts, { rows: 2, files: 1 });
  await paused.resume();
  const ended = await paused.ended;
  assert.equal(ended.code, 75, ended.text);
  assert.equal(JSON.parse(ended.stdout).error.code, "lease_lost", ended.text);
  await assertAllLoaded(other);
});
