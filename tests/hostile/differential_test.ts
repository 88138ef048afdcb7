/**
 * Random files of any layout and spelling, with faults of every kind, through the real stages and the reference.
 *
 * `deno task test:hostile --files 20000 --seed 7` compares more of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { compareRandomFiles } from "./differential.ts";

/** What has to occur among the files for the comparison to mean something. */
const OUTCOMES = [
  "read",
  "open",
  "duplicate",
  "empty_file",
  "bad_gzip",
  "too_large",
  "not_utf8",
  "bad_encoding",
  "too_many_columns",
  "duplicate_column",
  "missing_columns",
  "malformed_csv",
];

Deno.test("validate() finds what the reference finds, when 2,000 random files have faults of every kind", async () => {
  const { outcomes, failure } = await compareRandomFiles({ fileCount: 2000, seed: 1 });
  assert.equal(failure?.report, undefined);
  assert.deepEqual(OUTCOMES.filter((outcome) => !outcomes.has(outcome)), [], "outcomes that do not occur");
});
