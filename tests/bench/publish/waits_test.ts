import assert from "node:assert/strict";
import { longestWaits } from "./probes.ts";
import { statementsOf, windowsOf } from "./statements.ts";

/** A commit's connection in the server's log, in seconds: kind of message and text. */
const LOG = [
  ["10.00", "Connect", "case_1@localhost on case_1"],
  ["10.10", "Query", "SET SESSION sql_mode = ''"],
  ["10.20", "Query", "LOAD DATA LOCAL INFILE 'totals' INTO TABLE pipeline_staged_0"],
  ["11.00", "Query", "START TRANSACTION"],
  ["11.10", "Query", "INSERT INTO `customers_data_mart`\n SELECT * FROM pipeline_staged_0"],
  ["12.00", "Query", "SELECT token FROM pipeline_lease WHERE id = 1 FOR UPDATE"],
  ["12.25", "Query", "COMMIT"],
  ["12.75", "Quit", ""],
];
const WINDOWS = [
  { name: "staging", fromMs: 10_100, untilMs: 11_000 },
  { name: "adding", fromMs: 11_000, untilMs: 12_000 },
  { name: "lease locked", fromMs: 12_000, untilMs: 12_250 },
  { name: "COMMIT", fromMs: 12_250, untilMs: 12_750 },
];

Deno.test("statementsOf() names each statement and gives the time until the next message", () => {
  assert.deepEqual(statementsOf(LOG).map(({ name, durationMs }) => [name, Math.round(durationMs)]), [
    ["SET", 100],
    ["LOAD pipeline_staged_0", 800],
    ["START", 100],
    ["INSERT customers_data_mart", 900],
    ["SELECT pipeline_lease", 250],
    ["COMMIT", 500],
  ]);
});

Deno.test("windowsOf() gives what is before, and the last of each, when a transaction was begun again", () => {
  assert.deepEqual(windowsOf(statementsOf(LOG)), WINDOWS);
  const rolledBack = [["10.30", "Query", "START TRANSACTION"], ["10.40", "Query", "ROLLBACK"]];
  assert.deepEqual(windowsOf(statementsOf([...LOG.slice(0, 3), ...rolledBack, ...LOG.slice(3)])), WINDOWS);
});

Deno.test("windowsOf() refuses, when the commit did not lock the lease", () => {
  const log = LOG.filter(([, , text]) => !text?.includes("pipeline_lease"));
  assert.throws(() => windowsOf(statementsOf(log)), /ran no SELECT pipeline_lease/);
});

/** When a probe was sent and answered, with how long it waited at most in each window. */
const SAMPLES = [
  { name: "it lies in one window", spans: [[11_200, 11_500]], longestMs: [0, 300, 0, 0] },
  { name: "it goes over two", spans: [[12_200, 12_600]], longestMs: [0, 0, 50, 350] },
  {
    name: "there are several",
    spans: [[10_200, 10_210], [10_300, 10_400], [11_900, 12_800]],
    longestMs: [100, 100, 250, 500],
  },
  { name: "it was before or after", spans: [[9_000, 10_100], [12_750, 14_000]], longestMs: [0, 0, 0, 0] },
];

for (const { name, spans, longestMs } of SAMPLES) {
  Deno.test(`longestWaits() gives each window its part of a wait, when ${name}`, () => {
    const samples = spans.map(([fromMs = 0, untilMs = 0]) => ({ probe: "reader", fromMs, untilMs }));
    assert.deepEqual(longestWaits(samples, WINDOWS), [{ probe: "reader", count: spans.length, longestMs }]);
  });
}
