import assert from "node:assert/strict";
import { type Pair, renderAims, renderResult, type Result, type Run } from "./report.ts";

const LIMIT = { configured: "auto", mib: 100 };
const MIB = 1024 * 1024;

function run(durationMs: number, peakMib: number | null, stages: Run["stages"] = []): Run {
  return { durationMs, cpuMs: 2 * durationMs, peakBytes: peakMib === null ? null : peakMib * MIB, stages };
}

function result(rowCount: number, pairs: readonly Omit<Pair, "comparisons">[]): Result {
  const chain = { customers: 1, stores: 1, rowCount, rejectShare: 0 };
  const comparisons = [{ name: "accepted_sales", rowCount, difference: null }];
  return { chain, fileCount: 1, sizeBytes: 0, pairs: pairs.map((pair) => ({ ...pair, comparisons })) };
}

Deno.test("renderResult() shows medians, the most memory and the stages' shares, when there are several runs", () => {
  const stages = [{ name: "download", durationMs: 500 }];
  const text = renderResult(
    result(500, [
      { pipeline: run(2000, 30, stages), bare: run(1000, 10) },
      { pipeline: run(3000, 90, stages), bare: run(1500, 10) },
      { pipeline: run(1000, 20, stages), bare: run(1250, 10) },
    ]),
    LIMIT,
  );
  const lines = text.split("\n").map((line) => line.trim().replace(/ {2,}/g, " | "));
  for (
    const line of [
      "time | 2.00 s | 1.25 s | 1.60",
      "processor time | 4.00 s | 2.50 s | 1.60",
      "peak memory, process tree | 90 MiB | 10 MiB | 9.00",
      "download | 0.50 s | 25.0 %",
      "start and end | 1.50 s | 75.0 %",
      "accepted_sales | 500 rows | equal",
    ]
  ) assert.ok(lines.includes(line), `no line "${line}" in\n${text}`);
});

/** Times and memory with what has to be said about the three aims. */
const AIMS = [
  {
    name: "all are met",
    small: 999,
    large: 15_000,
    peakMib: 100,
    says: ["1.50, met", "1.00 s, met", "100 MiB, met"],
  },
  {
    name: "none is met",
    small: 1100,
    large: 16_000,
    peakMib: 101,
    says: ["1.60, NOT met", "1.10 s, NOT met", "101 MiB, NOT met"],
  },
  {
    name: "memory cannot be measured",
    small: 200,
    large: 5_000,
    peakMib: null,
    says: ["0.50, met", "0.20 s, met", "not measured"],
  },
];

for (const { name, small, large, peakMib, says } of AIMS) {
  Deno.test(`renderAims() says of each aim whether it is met, when ${name}`, () => {
    const results = [
      result(500, [{ pipeline: run(small, 1), bare: run(100, 1) }]),
      result(10_000_000, [{ pipeline: run(large, peakMib), bare: run(10_000, 1) }]),
    ];
    assert.deepEqual(
      renderAims(results, LIMIT).trim().split("; ").map((aim) => aim.split(": ").at(-1)),
      says,
    );
  });
}

Deno.test("renderAims() says that an aim is not measured, when its size was not run", () => {
  const text = renderAims([result(400_000, [{ pipeline: run(1, 1), bare: run(1, 1) }])], LIMIT);
  assert.equal(text.match(/not measured/g)?.length, 2, text);
});
