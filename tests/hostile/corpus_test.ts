/**
 * The corpus of hostile files through the real stages, each compared with what is written beside it; and the reference,
 * which must say the same.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HOSTILE_SETS } from "../testdata/hostile/sets.ts";
import { checkCorpus } from "./corpus.ts";

for (const set of HOSTILE_SETS) {
  Deno.test(`validate() makes of hostile files what is written beside them, ${set.name}`, async () => {
    assert.deepEqual(await checkCorpus(set), []);
  });
}
