/**
 * The corpus of hostile files through the real stages, each compared with what is written beside it; and the reference,
 * which must say the same.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HOSTILE_SETS } from "../testdata/hostile/sets.ts";
import { bytes, file, row } from "../testdata/hostile/spelling.ts";
import { checkCorpus } from "./corpus.ts";
import { deliverAndValidate, StageError } from "./delivery.ts";

for (const set of HOSTILE_SETS) {
  Deno.test(`validate() makes of hostile files what is written beside them, ${set.name}`, async () => {
    assert.deepEqual(await checkCorpus(set), []);
  });
}

/** Files with a row whose customer is unknown, and whether that row lacks nothing else. */
const UNKNOWN_KEYS: readonly (readonly [string, string, boolean])[] = [
  ["in a file that is read at once", file(row(), row({ customer_id: "9" })), true],
  ["in a file that is read row by row", file(row(), "", row({ customer_id: "9" })), true],
  ["of a row that breaks a rule, too", file(row(), row({ customer_id: "9", quantity: "0" })), false],
  ["of a row that has an invalid value, too", file(row(), row({ customer_id: "9", total_cost: "x" })), false],
  ["of a row that has too many fields, too", file(row(), `${row({ customer_id: "9" })},`), false],
  ["of a file that is rejected whole", `x,x,${file(row({ customer_id: "9" }))}`, false],
];

Deno.test('validate() exits with 65, when unknownKeys is "fail" and a row lacks nothing but a key', async (test) => {
  for (const [what, text, isRefused] of UNKNOWN_KEYS) {
    await test.step(what, async () => {
      const validating = deliverAndValidate(new Map([["a.csv", bytes(text)]]), {
        contract: { unknownKeys: "fail" },
      });
      if (!isRefused) return void await validating;
      await assert.rejects(validating, (error) => error instanceof StageError && error.exitCode === 65);
    });
  }
});
