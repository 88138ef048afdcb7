/**
 * Guesses of how numbers and dates are written.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseColumnType } from "../../lib/column_type.ts";
import { faultOfDateFormat } from "../../lib/contract/date_format.ts";
import { DATE_GUESSES, guessDates, guessNumbers } from "../../lib/sample/guess_values.ts";

Deno.test("guessDates() gives the forms that most dates have, and all of them if they may be several", () => {
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [["2023-03-01", "x"], ["%Y-%m-%d"]],
    [["01/03/2023", "25/03/2023"], ["%d/%m/%Y"]],
    [["01/03/2023"], ["%d/%m/%Y", "%m/%d/%Y"]],
    [["3/25/2023", "10/1/2023"], ["%-m/%-d/%Y"]],
    [["1.3.2023", "10.3.2023", "25.12.2023"], ["%-d.%-m.%Y"]],
    [["20230301"], ["%Y%m%d"]],
    [["31/02/2023", "02/31/2023"], []],
    [[], []],
  ];
  for (const [dates, forms] of cases) assert.deepEqual(guessDates(dates), forms, dates.join());
  assert.deepEqual(DATE_GUESSES.filter((form) => faultOfDateFormat(form) !== null), []);
});

Deno.test("guessNumbers() gives the simplest form that most numbers have", () => {
  const cases: readonly (readonly [string, readonly string[], object])[] = [
    ["decimal(10,2)", ["1.50", "x"], { decimalComma: false }],
    ["decimal(10,2)", ["1,50"], { decimalComma: true }],
    ["decimal(10,2)", ["1.234,50", "2"], { decimalComma: true, thousands: "." }],
    ["decimal(10,2)", ["1,234.50"], { decimalComma: false, thousands: "," }],
    // Three places are more than the column has.
    ["decimal(10,2)", ["1.234"], { decimalComma: true, thousands: "." }],
    ["decimal(10,3)", ["1.234"], { decimalComma: false }],
    ["integer", ["1'000"], { decimalComma: false, thousands: "'" }],
    ["integer", ["1\u202f000", "7"], { decimalComma: false, thousands: "\u202f" }],
    ["integer", [], { decimalComma: false }],
  ];
  for (const [given, texts, form] of cases) {
    const type = parseColumnType(given) ?? assert.fail(given);
    assert.deepEqual(guessNumbers(texts.map((text) => ({ type, text }))), form, texts.join());
  }
});
