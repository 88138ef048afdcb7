import assert from "node:assert/strict";
import { memoryLimitMib } from "../../lib/duckdb/limits.ts";

Deno.test("memoryLimitMib() takes what is configured, and else leaves room for the runtime", () => {
  const cases: readonly [configured: string, duckdbDefault: string, mib: number][] = [
    ["2GiB", "1.6 GiB", 2048],
    ["1.5GiB", "1.6 GiB", 1536],
    ["1GB", "1.6 GiB", 953],
    ["500 MB", "1.6 GiB", 476],
    ["1KiB", "1.6 GiB", 64],
    // 2 GiB in all: the share. 512 MiB: all but the runtime. 256 MiB: as little as DuckDB can work with.
    ["auto", "1.6 GiB", 1126],
    ["auto", "409.6 MiB", 192],
    ["auto", "204.8 MiB", 64],
    ["auto", "12.5 GiB", 8800],
  ];
  for (const [configured, duckdbDefault, mib] of cases) {
    assert.equal(memoryLimitMib(configured, duckdbDefault), mib, `${configured} of ${duckdbDefault}`);
  }
  assert.throws(() => memoryLimitMib("auto", "much"), RangeError);
});
