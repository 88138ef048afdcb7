import assert from "node:assert/strict";
import { IGNORED_NAMES } from "../../lib/config/schema.ts";
import { classifyName, explainName, ignoring, type NameKind } from "../../lib/run/landing.ts";

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

Deno.test("classifyName() leaves alone what landing.ignore names, by default and as it is given", () => {
  const byDefault = ignoring(IGNORED_NAMES);
  const leftAlone = [
    ...["a.csv.filepart", "x/a.crdownload", "2023_$folder$", "x/_SUCCESS", "a.csv.ok", "x/a.DONE"],
    ...["a.csv.md5", "x/Thumbs.db", "thumbs.db"],
  ];
  for (const name of leftAlone) {
    assert.equal(classifyName(name, byDefault), "left_alone", name);
    assert.equal(classifyName(name), "unsupported", name);
  }
  assert.equal(classifyName("a.csv", byDefault), "csv");
  assert.equal(classifyName("done/a.csv", byDefault), "csv");
  assert.equal(classifyName("a.ok.csv.gz", byDefault), "gzip");
  const given = ignoring(["old/**", "test_*.csv"]);
  assert.equal(classifyName("old/x/a.csv", given), "left_alone");
  assert.equal(classifyName("x/test_1.csv", given), "left_alone");
  assert.equal(classifyName("a.done", given), "unsupported");
  assert.equal(classifyName("a.part", ignoring([])), "left_alone");
});

Deno.test("explainName() says what to do about a name, when it is that of no source file", () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ["s/a.xlsx", /spreadsheet/],
    ["s/a.csv.zip", /unpacked/],
    ["s/a.tar", /unpacked/],
    ["s/a.gz", /call it \.csv\.gz/],
    ["s/a.TXT", /call it \.csv$/],
    ["s/a.csv ", /blank/],
    ["s/a.csv.1", /landing\.ignore/],
    ["s.d/sales", /no ending/],
    ["s/a.docx", /nor in \.csv\.gz$/],
  ];
  for (const [name, hint] of table) {
    assert.match(explainName(name), hint, name);
    assert.match(explainName(name), /^the name ends neither in \.csv nor in \.csv\.gz/, name);
  }
});
