/**
 * The corpus of hostile files: delivers a set of cases and says what departs from what is written beside them.
 *
 * @module
 */
import type { Fate as WrittenFate, HostileCase, HostileSet } from "../testdata/hostile/spelling.ts";
import { deliverAndValidate, differenceOf, type Settings } from "./delivery.ts";
import { differences, type Expectation, type Fault, type OpenRow, type Sale } from "./expectation.ts";
import { judgeDelivery } from "./reference.ts";

/** The key of a case below the landing prefix. */
export function keyOf({ name, key }: HostileCase): string {
  return key ?? `${name.replaceAll("/", "|").slice(0, 120)}.csv`;
}

/** What departs, one line for each difference: of the product, and of the reference, which must say the same. */
export async function checkCorpus({ settings, cases }: HostileSet): Promise<string[]> {
  const byKey = new Map(cases.map((one) => [keyOf(one), one]));
  const files = new Map([...byKey].map(([key, { bytes }]) => [key, bytes]));
  const found = await deliverAndValidate(files, settings).catch(differenceOf);
  if (typeof found === "string") return [found];
  const judged = judgeDelivery(
    new Map([...byKey].map(([key, { bytes, content = bytes }]) => [key, { bytes, content }])),
    settings,
  );
  const wrong = [...byKey].flatMap(([key, { name, becomes }]) => {
    const expected = expectationOf(becomes, settings);
    return [
      ...differences(expected, found.get(key)).map((difference) => `${name}: ${difference}`),
      ...referenceDifferences(expected, judged.get(key)).map((difference) => `${name}: ${difference}`),
    ];
  });
  const keys = byKey.size === cases.length ? [] : [`${cases.length} cases have ${byKey.size} keys`];
  return [...keys, ...wrong];
}

/** What is written beside a case, with the limits that its settings give. */
function expectationOf(becomes: WrittenFate, { contract }: Settings): Expectation {
  if (becomes?.status !== "read") return becomes;
  return {
    status: "read",
    repeatedHeaders: becomes.repeatedHeaders ?? 0,
    sales: becomes.rows.filter((row): row is Sale => "values" in row),
    faults: becomes.rows.filter((row): row is Fault => "reason" in row),
    open: becomes.rows.filter((row): row is OpenRow => !("values" in row) && !("reason" in row)),
    limits: {
      maxRejectedShare: Number(contract?.maxRejectedShare ?? 0.1),
      minRejectsForShare: Number(contract?.minRejectsForShare ?? 10),
    },
  };
}

/** Where the reference departs from what is written; it may leave open what RFC 4180 does. */
function referenceDifferences(written: Expectation, judged: Expectation | undefined): string[] {
  if (judged?.status === "open") return [];
  const [expected, found] = [written, judged].map((one) => JSON.stringify(inOrder(one)));
  return expected === found
    ? []
    : [`the reference says ${found?.slice(0, 500)} instead of ${expected?.slice(0, 500)}`];
}

/** The same expectation, written the same way. */
function inOrder(expectation: Expectation | undefined) {
  if (expectation?.status !== "read") {
    return expectation && Object.entries(expectation).toSorted(([a], [b]) => a < b ? -1 : 1);
  }
  const { sales, faults, open, limits, repeatedHeaders } = expectation;
  return [
    sales.map(({ values, warnings }) => JSON.stringify([values, warnings])).toSorted(),
    faults.map(({ line, raw, reason, column, rule }) => [line, raw, reason, column, rule]),
    open.map(({ line, raw }) => [line, raw]),
    limits,
    repeatedHeaders,
  ];
}
