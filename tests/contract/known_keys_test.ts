/**
 * The keys of dimensions as bits: every number is a key by them where it is one in the dimension.
 *
 * @module
 */
import assert from "node:assert/strict";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import { salesContract } from "../support/model.ts";
import { readKnownKeys } from "../../lib/contract/known_keys.ts";
import { isKnown } from "../../lib/csv/key_bits.ts";
import { removeAtEnd } from "../support/ending.ts";

const MAX = Number.MAX_SAFE_INTEGER;

for (
  const [what, keys] of [
    ["one", [7]],
    ["zero", [0]],
    ["eight in a row", [1, 2, 3, 4, 5, 6, 7, 8]],
    ["nine in a row", [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["negative ones", [-20, -1, 3]],
    ["some far apart, as far as it goes", [1, 3, 2 ** 26]],
    ["large ones", [MAX - 40, MAX - 39, MAX - 9]],
    ["some that are missing", [null, 4, null, 6]],
    ["the same one twice", [4, 4, 6]],
  ] as const
) {
  Deno.test(`readKnownKeys() gives keys that isKnown() finds, when there are ${what}`, async () => {
    const known = await readKeys(keys);
    for (const column of ["customer_id", "store_id", "sales_person_id"]) {
      const found = known.get(column) ?? assert.fail(column);
      const numbers = new Set(keys.filter((key) => key !== null));
      for (const key of numbers) {
        for (let distance = -70; distance < 70; distance++) {
          const number = key + distance;
          assert.equal(isKnown(found, number), numbers.has(number), `${number}`);
        }
      }
      for (const number of [NaN, Infinity, -Infinity, 2 ** 60]) assert.equal(isKnown(found, number), false);
    }
  });
}

for (
  const [what, keys] of [
    ["none", []],
    ["none but missing ones", [null]],
    ["some too far apart", [1, 2 ** 26 + 1]],
    ["some that a double does not have exactly", ["9007199254740993"]],
    ["some at the end of what a double has exactly", [MAX]],
    ["some below what a double has exactly", ["-9007199254740993"]],
    ["the least and the greatest", ["-9223372036854775808", "9223372036854775807"]],
  ] as const
) {
  Deno.test(`readKnownKeys() leaves a dimension out, when there are ${what}`, async () => {
    assert.deepEqual(await readKeys(keys), new Map());
  });
}

Deno.test("readKnownKeys() gives the keys of each dimension", async () => {
  const known = await readKeys([1, 2], [121], ["9223372036854775807"]);
  assert.deepEqual([...known.keys()], ["customer_id", "store_id"]);
  assert.deepEqual([121, 1].map((number) => isKnown(known.get("store_id")!, number)), [true, false]);
});

type Keys = readonly (number | string | null)[];

/** Of customers, stores and sales people; one list is that of all three. */
async function readKeys(customers: Keys, stores: Keys = customers, people: Keys = customers) {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "known-keys-" }));
  try {
    await using engine = await openDuckdbEngine({ folder, resources: { memoryLimit: "1GiB", threads: 1 } });
    for (
      const [name, key, keys] of [["customer", "customer_id", customers], ["store", "id", stores], [
        "sales_team",
        "id",
        people,
      ]] as const
    ) {
      await engine.nameValues(name, { [key]: "BIGINT" }, keys.map((id) => ({ [key]: id })));
    }
    return await readKnownKeys(engine, salesContract().keys);
  } finally {
    await removeAtEnd(folder);
  }
}
