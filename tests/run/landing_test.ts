import assert from "node:assert/strict";
import { classifyName, type NameKind } from "../../lib/run/landing.ts";

const NAMES: Readonly<Record<NameKind, readonly string[]>> = {
  csv: [
    "a.csv",
    "A.CSV",
    "2023/05/store-121/a.Csv",
    "a.csv.csv",
    "a.part.csv",
    "tmp.csv",
    "a b.csv",
    "a.tmp/b.csv",
  ],
  gzip: ["a.csv.gz", "a.CSV.GZ", "x/y.csv.Gz"],
  unsupported: [
    "notes.txt",
    "a.csv.zip",
    "a.gz",
    "csv",
    "a.csv.bz2",
    "x/csv",
    "a.csv ",
    "a.csv/b",
    "part",
    "x.parts",
  ],
  left_alone: [
    "",
    "folder/",
    "a.csv/",
    ".hidden.csv",
    ".a",
    "x/.hidden/a.csv",
    ".x/a.csv",
    "../a.csv",
    "a.csv.part",
    "a.csv.PART",
    "a.tmp",
    "x/a.csv.gz.Tmp",
    ".part",
  ],
};

for (const [kind, names] of Object.entries(NAMES)) {
  Deno.test(`classifyName() says ${kind}, when the name says so`, () => {
    for (const name of names) assert.equal(classifyName(name), kind, JSON.stringify(name));
  });
}
