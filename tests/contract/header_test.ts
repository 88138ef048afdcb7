/**
 * Headers and the contract: every column is found where it is, and what is wrong with a header is said.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Contract } from "../../lib/contract/schema.ts";
import { SALES_COLUMNS, salesContract } from "../support/model.ts";
import { bindHeader } from "../../lib/contract/header.ts";

const CORE_NAMES = Object.keys(SALES_COLUMNS);

/** The default contract with further columns. */
function contractOf(columns: Readonly<Record<string, string>>): Contract {
  return salesContract({ columns: { ...SALES_COLUMNS, ...columns } });
}

Deno.test("bindHeader() finds the contract's columns or says what is wrong, when a header is read", async (test) => {
  const names = CORE_NAMES;
  const cases: readonly (readonly [string, readonly string[], unknown])[] = [
    ["as in the contract", names, { at: [0, 1, 2, 3, 4, 5, 6, 7], extra: [] }],
    ["in another order", names.toReversed(), { at: [7, 6, 5, 4, 3, 2, 1, 0], extra: [] }],
    ["in other cases", names.map((name) => name.toUpperCase()), { at: [0, 1, 2, 3, 4, 5, 6, 7], extra: [] }],
    ["with blanks around", names.map((name) => ` \t${name}\t `), { at: [0, 1, 2, 3, 4, 5, 6, 7], extra: [] }],
    ["with extra columns", ["x", ...names.slice(0, 4), "y", ...names.slice(4), "z"], {
      at: [1, 2, 3, 4, 6, 7, 8, 9],
      extra: [0, 5, 10],
    }],
    ["with empty names, which are no duplicates", ["", " ", ...names, "\t"], {
      at: [2, 3, 4, 5, 6, 7, 8, 9],
      extra: [0, 1, 10],
    }],
    ["with a duplicate", [...names, "price"], { reason: "duplicate_column", columns: ["price"] }],
    ["with a duplicate in case and blanks", [...names, " Price "], {
      reason: "duplicate_column",
      columns: ["price"],
    }],
    ["with a column three times", [...names, "price", "price"], {
      reason: "duplicate_column",
      columns: ["price"],
    }],
    ["with duplicates of extra columns", ["note", ...names, "NOTE", "quantity"], {
      reason: "duplicate_column",
      columns: ["note", "quantity"],
    }],
    ["without a column", names.slice(0, 7), { reason: "missing_columns", columns: ["total_cost"] }],
    ["without some, in contract order", names.slice(2, 7).toReversed(), {
      reason: "missing_columns",
      columns: ["customer_id", "store_id", "total_cost"],
    }],
    ["of one empty name", [""], { reason: "missing_columns", columns: names }],
    ["with a name in quotes of another kind", ["'price'", ...names.filter((name) => name !== "price")], {
      reason: "missing_columns",
      columns: ["price"],
    }],
    ["with a blank within a name", ["sales date", ...names.filter((name) => name !== "sales_date")], {
      reason: "missing_columns",
      columns: ["sales_date"],
    }],
    ["with a duplicate and without a column", ["x", "x"], { reason: "duplicate_column", columns: ["x"] }],
    ["as wide as allowed", [...names, "x", "y", "z"], { at: [0, 1, 2, 3, 4, 5, 6, 7], extra: [8, 9, 10] }],
    ["too wide", [...names, "w", "x", "y", "z"], { reason: "too_many_columns" }],
    ["too wide, with a duplicate and without a column", Array(12).fill("x"), { reason: "too_many_columns" }],
  ];
  for (const [what, header, expected] of cases) {
    await test.step(what, () => {
      const found = bindHeader(header, contractOf({}), 11);
      if ("reason" in found) {
        const { detail, ...fault } = found;
        assert.deepEqual(fault, expected);
        for (const column of "columns" in fault ? fault.columns : ["12", "11", "csv.maxColumns"]) {
          assert.ok(detail.includes(column), detail);
        }
        return;
      }
      assert.deepEqual(found.columns.map(({ name }) => name), names);
      assert.equal(found.width, header.length);
      assert.deepEqual({ at: found.columns.map(({ index }) => index), extra: found.extra }, expected);
    });
  }
});

Deno.test("bindHeader() compares without case, when the contract's names have capitals", () => {
  const found = bindHeader([...CORE_NAMES, "sKu"], contractOf({ SKU: "text" }), 10);
  assert.ok("columns" in found && !("reason" in found));
  assert.deepEqual(found.columns.at(-1), { name: "SKU", type: { kind: "text" }, index: 8 });
});
