import assert from "node:assert/strict";
import { type Publish, type PublishedSize, renderPublish } from "./report.ts";

const MIB = 1024 * 1024;
const AT_MS = 1000;

function publish(commitMs: number, peakMib: number | null, difference: string | null = null): Publish {
  return {
    durationMs: commitMs + 500,
    cpuMs: commitMs,
    peakBytes: peakMib === null ? null : peakMib * MIB,
    commitMs,
    statements: [
      { name: "INSERT customers_data_mart", atMs: AT_MS, durationMs: 0.75 * commitMs },
      { name: "INSERT customers_data_mart", atMs: AT_MS, durationMs: 0.25 * commitMs },
      { name: "SET", atMs: AT_MS, durationMs: 1 },
    ],
    windows: [
      { name: "staging", fromMs: AT_MS, untilMs: AT_MS + 100 },
      { name: "COMMIT", fromMs: AT_MS + 100, untilMs: AT_MS + 150 },
    ],
    waits: [{ probe: "reader", count: 12, longestMs: [3.4, 40] }],
    lockWaits: 7,
    comparisons: [{ name: "customers_data_mart", rowCount: 6000, difference }],
  };
}

function size(rowCount: number, empty: Publish, existing: Publish): PublishedSize {
  return { rowCount, empty, existing };
}

const BARE = {
  writeMs: 250,
  loadMs: 2000,
  comparison: { name: "bare", rowCount: 6000, difference: null },
};

Deno.test("renderPublish() shows speeds beside the bare load, memory at both sizes, statements, waits and results", () => {
  const text = renderPublish([
    size(1000, publish(500, 100), publish(500, null)),
    size(6000, publish(3000, 150), publish(6000, 200, "rows 5999 instead of 6000")),
  ], BARE);
  const lines = text.split("\n").map((line) => line.trim().replace(/ {2,}/g, " | "));
  for (
    const line of [
      "bare LOAD DATA | 2.00 s | 3,000 | 1.00",
      "publish, empty mart | 3.00 s | 2,000 | 1.50",
      "publish, existing rows | 6.00 s | 1,000 | 3.00",
      "peak memory, process tree | 1,000 | 6,000 | ratio",
      "publish, empty mart | 100 MiB | 150 MiB | 1.50",
      "publish, existing rows | not measured",
      "INSERT customers_data_mart | 3.00 s | 6.00 s",
      "(duration) | 100 ms | 50 ms",
      "reader | 3 ms | 40 ms | 12 times",
      "7 waits for a locked row, as the server counted",
      "customers_data_mart, 2 nights | 6,000 rows | rows 5999 instead of 6000",
    ]
  ) assert.ok(lines.includes(line), `no line "${line}" in\n${text}`);
  assert.ok(!text.includes("  SET"), "a statement of no weight is shown");
});
