import assert from "node:assert/strict";
import { differences, type Outcome } from "./outcome.ts";

const EXPECTED: Outcome = {
  rows: { read: 30, accepted: 20, rejected: 10 },
  files: { accepted: 2, not_utf8: 1 },
  rejects: { missing_value: 6, invalid_value: 4 },
  acceptedRowCount: 20,
  miscounted: [],
};

/** What was found instead, with what has to be said about it. */
const FOUND: readonly { name: string; found: Partial<Outcome>; says: string[] }[] = [
  { name: "all is as it has to be", found: {}, says: [] },
  {
    name: "a count that is left out is 0",
    found: { rejects: { ...EXPECTED.rejects, rule: 0 } },
    says: [],
  },
  {
    name: "rows are lost",
    found: { rows: { read: 30, accepted: 19, rejected: 10 } },
    says: ["30 rows read are 19 accepted and 10 rejected", "rows accepted 19 instead of 20"],
  },
  {
    name: "a file has another reason",
    found: { files: { accepted: 2, malformed_csv: 1 } },
    says: ["files malformed_csv 1 instead of 0", "files not_utf8 0 instead of 1"],
  },
  {
    name: "rejects are not written",
    found: { rejects: {} },
    says: [
      "rows in the rejects' files: missing_value 0 instead of 6",
      "rows in the rejects' files: invalid_value 0 instead of 4",
    ],
  },
  {
    name: "accepted rows are not written",
    found: { acceptedRowCount: 19 },
    says: ["rows as Parquet 19 instead of 20"],
  },
  {
    name: "a file has the rows of another",
    found: { miscounted: ["sales_data/a.csv"] },
    says: ["the rows of sales_data/a.csv"],
  },
];

for (const { name, found, says } of FOUND) {
  Deno.test(`differences() names what is not as it has to be, when ${name}`, () => {
    assert.deepEqual(differences({ ...EXPECTED, ...found }, EXPECTED).sort(), says.sort());
  });
}
