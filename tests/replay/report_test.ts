/**
 * What a replay says it did, for machines and for people. What a whole replay prints is in `replay_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ConfigError, DataError, UnavailableError } from "../../lib/errors.ts";
import {
  type LeftOut,
  newReplayReport,
  type PutBack,
  renderReplay,
  type ReplayReport,
  summariseReplay,
} from "../../lib/replay/report.ts";

const RUN = "20230401T020000Z-7f3a";
const ROWS: PutBack = {
  runId: RUN,
  key: "sales_data/a.csv",
  kind: "rows",
  rowCount: 1200,
  destination: "sales_data/replay/x/a.csv",
};
const FILE: PutBack = { ...ROWS, key: "sales_data/b.csv", kind: "file", rowCount: 7 };
const LEFT: LeftOut = {
  runId: RUN,
  key: "sales_data/c.csv",
  kind: "rows",
  rowCount: 1,
  reason: "object_missing",
  detail: "gone",
};

function reportOf(changes: Partial<ReplayReport> = {}): ReplayReport {
  return { ...newReplayReport(), runId: RUN, ...changes };
}

function textOf(report: ReplayReport, failure: { error: unknown } | null = null): string {
  return renderReplay(summariseReplay(report, failure));
}

Deno.test("summariseReplay() counts rows and whole files, and says how it ended", () => {
  const summary = summariseReplay(
    reportOf({ replayed: [ROWS, FILE, ROWS], leftOut: [LEFT], committed: true }),
    null,
  );
  assert.deepEqual(summary.counts, { rows: 2400, files: 1 });
  assert.equal(summary.state, "replayed");
  assert.ok(!("committed" in summary) && !("error" in summary));
  assert.equal(summariseReplay(reportOf({ leftOut: [LEFT] }), null).state, "nothing-to-do");
});

Deno.test("summariseReplay() says what failed, and whether it was put back all the same", () => {
  const error = new UnavailableError("disk_full", "the disk is full");
  for (const committed of [false, true]) {
    const summary = summariseReplay(reportOf({ committed, replayed: committed ? [ROWS] : [] }), { error });
    assert.deepEqual({
      state: summary.state,
      runId: summary.runId,
      committed: summary.committed,
      error: summary.error,
    }, {
      state: "failed",
      runId: RUN,
      committed,
      error: { exitCode: 75, code: "disk_full", message: "the disk is full" },
    });
  }
  assert.equal(summariseReplay(reportOf(), { error: new ConfigError("x", "y") }).runId, null);
  assert.equal(summariseReplay(reportOf(), { error: new DataError("x", "y") }).runId, RUN);
  assert.equal(summariseReplay(reportOf(), { error: new Error("x") }).error?.code, "bug");
});

Deno.test("renderReplay() says what was put back and left out, and why", () => {
  const text = textOf(
    reportOf({
      replayed: [ROWS, FILE],
      leftOut: [LEFT],
      recovered: ["R0"],
      pendingMoves: 2,
      committed: true,
    }),
  );
  for (
    const part of [
      `Replay ${RUN}: put back 1,200 rows and 1 whole file; the next run takes them`,
      `  1,200 rows of sales_data/a.csv, run ${RUN}\n    → sales_data/replay/x/a.csv`,
      `  sales_data/b.csv, run ${RUN}\n`,
      `  1 row of sales_data/c.csv, run ${RUN}\n    object_missing: gone`,
      "Finished earlier runs: R0",
      "2 objects could not be moved yet",
    ]
  ) {
    assert.ok(text.includes(part), `${part}\n\nis not in\n\n${text}`);
  }
  assert.match(textOf(reportOf()), /nothing to put back/);
  assert.match(
    textOf(reportOf({ dryRun: true, replayed: [FILE] })),
    /dry run, nothing was changed.* 1 whole file:/,
  );
});

Deno.test("renderReplay() says what to do, when a replay failed", () => {
  const failure = { error: new UnavailableError("disk_full", "the disk is full") };
  assert.match(
    textOf(reportOf(), failure),
    /failed \(exit 75, disk_full\)[^]*disk is full[^]*Nothing was put back\. Run again/,
  );
  assert.match(
    textOf(reportOf({ committed: true, replayed: [ROWS] }), failure),
    /put back all the same\. Run again/,
  );
});

Deno.test("renderReplay() cuts long lists, and escapes control characters", () => {
  const many = Array.from({ length: 1045 }, (_, i) => ({ ...ROWS, key: `sales_data/${i}.csv` }));
  const long = textOf(reportOf({ replayed: many }));
  assert.ok(long.split("\n").length < 100);
  assert.match(long, /and 1,005 more/);
  const nasty = "sales_data/a\n  forged\x1b[2J.csv";
  const text = textOf(reportOf({
    replayed: [{ ...ROWS, key: nasty, destination: nasty }],
    leftOut: [{ ...LEFT, key: nasty, detail: nasty }],
  }));
  assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}/u);
  assert.ok(!text.includes("\n  forged"), text);
});
