/**
 * Rows of text: read from an expected CSV file, and compared as multisets, since the order of rows is free.
 *
 * Not by `deepEqual`: where thousands of rows differ, it takes gigabytes to say how.
 *
 * @module
 */
import { parse } from "csv-parse/sync";
import assert from "node:assert/strict";

/** The values of one row as text, `null` for NULL. */
export type Row = readonly (string | null)[];

/** Reads a CSV file with a header line; an empty field is NULL. */
export async function readCsv(file: string): Promise<{ header: string[]; rows: Row[] }> {
  const [header = [], ...rows] = parse(await Deno.readTextFile(file)) as string[][];
  return { header, rows: rows.map((row) => row.map((value) => value === "" ? null : value)) };
}

/** Rows in an order that does not depend on how they arrived. */
export function sortRows(rows: readonly Row[]): Row[] {
  const keyed = rows.map((row) => [JSON.stringify(row), row] as const);
  return keyed.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map(([, row]) => row);
}

/** Fails with the first rows that are missing or too many. */
export function assertSameRows(actual: readonly Row[], expected: readonly Row[], what: string): void {
  const surplus = subtract(actual, expected), missing = subtract(expected, actual);
  if (surplus.length + missing.length === 0) return;
  const list = (sign: string, rows: string[]) => rows.slice(0, 5).map((row) => `  ${sign} ${row}`);
  assert.fail([
    `${what}: ${actual.length} rows, ${expected.length} expected; ${missing.length} missing (-), ${surplus.length} too many (+)`,
    ...list("-", missing),
    ...list("+", surplus),
  ].join("\n"));
}

/** The rows of `from` that are left when each row of `taken` takes one equal row away, as JSON. */
function subtract(from: readonly Row[], taken: readonly Row[]): string[] {
  const counts = new Map<string, number>();
  for (const row of taken) {
    const key = JSON.stringify(row);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return from.map((row) => JSON.stringify(row)).filter((key) => {
    const count = counts.get(key) ?? 0;
    counts.set(key, count - 1);
    return count <= 0;
  });
}
