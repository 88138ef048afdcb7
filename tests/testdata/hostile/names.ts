/**
 * Names of objects: which are taken, left alone or of no known type, and what a name must not do.
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { bytes, fault, file, type HostileCase, read, rejected, row, sale } from "./spelling.ts";

/** A file with an accepted and a rejected row, and a product of its own, so that it is no duplicate. */
function fileOf(key: string) {
  const values = { product_name: encodeURIComponent(key) }, bad = row({ ...values, store_id: "9" });
  return {
    bytes: bytes(file(row(values), bad)),
    becomes: read(
      sale(values, { warnings: ["unknown_product"] }),
      fault(3, "unknown_store_id", "store_id", bad),
    ),
  };
}

function taken(key: string): HostileCase {
  return { name: `the name ${JSON.stringify(key)} is taken`, key, ...fileOf(key) };
}

function leftAlone(key: string): HostileCase {
  return {
    name: `the name ${JSON.stringify(key)} is left alone`,
    key,
    bytes: fileOf(key).bytes,
    becomes: null,
  };
}

function unsupported(key: string): HostileCase {
  return {
    name: `the name ${JSON.stringify(key)} is of no known type`,
    key,
    bytes: fileOf(key).bytes,
    content: null,
    becomes: rejected("unsupported_type"),
  };
}

const TWIN = bytes(file(row({ quantity: "8", total_cost: "12" })));
const FAULTY_TWIN = bytes(file(...Array(12).fill(row({ quantity: "-8" }))));

function twins(name: string, keys: readonly string[], content: Uint8Array): HostileCase[] {
  const first = read({
    values: ["1", "121", "apple", "2023-03-01", "1", "1.50", "8", "12.00", null],
    warnings: [],
  });
  return keys.map((key, i) => ({
    name: `${name}: ${JSON.stringify(key)}`,
    key,
    bytes: key.endsWith(".gz") ? gzipSync(content) : content,
    content,
    becomes: i === 0 ? first : { status: "duplicate" },
  }));
}

/** To be delivered with the default settings. */
export const NAMES: readonly HostileCase[] = [
  ...[
    "UPPER.CSV",
    "Mixed.cSv",
    "a.b.csv",
    "a..csv",
    "two words.csv",
    " blank first.csv",
    "ümläut.csv",
    "u\u0308mla\u0308ut.csv",
    "😀.csv",
  ].map(taken),
  ...[
    "it's.csv",
    'a "quoted" name.csv',
    "*.csv",
    "[a-z].csv",
    "{a,b}.csv",
    "a?.csv",
    "%41.csv",
    "100%.csv",
    "$HOME.csv",
    "; rm -rf x.csv",
  ].map(taken),
  ...[
    "`x`.csv",
    "a&b.csv",
    "#1.csv",
    "a=b.csv",
    "-rf.csv",
    "--help.csv",
    "~.csv",
    "a,b.csv",
    "a;b.csv",
    "a\tb.csv",
    "a\nb.csv",
    "a:b.csv",
  ].map(taken),
  ...[
    "run_id=1/price=2/x.csv",
    "deep/er/and/deep/er/x.csv",
    "folder.csv/x.csv",
    "folder.csv.gz/x.csv",
    "NULL.csv",
    "con.csv",
    "csv.csv",
  ].map(taken),
  ...[
    "tmp/x.csv",
    "x.part.csv",
    "x.tmp.csv",
    "part/x.csv",
    `${"long".repeat(62)}.csv`,
    "\u202egnp.csv",
    "\ufeff.csv",
    "\u2028.csv",
  ].map(taken),
  ...[
    ".csv",
    ".hidden.csv",
    ".hidden/x.csv",
    "a/.b/x.csv",
    "a/.b.csv",
    "x.csv.part",
    "x.csv.PART",
    "x.csv.tmp",
    "x.Tmp",
    "x.part",
    "...csv",
    ".x/y.txt",
  ].map(leftAlone),
  ...[
    "x.txt",
    "x",
    "csv",
    "x.csv.bak",
    "x.csv.zip",
    "x.gz",
    "x.csv.gz.gz",
    "x.csv ",
    "x.csv\n",
    "x.csvx",
    "x.xcsv",
    "x.cs",
    "x.csv~",
    "x.tsv",
    "x.parquet",
  ].map(unsupported),
  ...["folder.txt.csv/y", "xcsv", "x.partial", "x.csv.gzip", "x.ｃｓｖ", "x.csv.tmp.bak"].map(unsupported),
  {
    name: "an empty file of no known type is of no known type",
    key: "empty.txt",
    bytes: bytes(),
    content: null,
    becomes: rejected("unsupported_type"),
  },

  ...twins(
    "the same content is taken once, first by name",
    ["twin a.csv", "twin b.csv", "twin c.csv.gz"],
    TWIN,
  ),
  ...["faulty twin a.csv", "faulty twin b.csv"].map((key): HostileCase => ({
    name: `the same content that is rejected is judged again: ${key}`,
    key,
    bytes: FAULTY_TWIN,
    becomes: read(
      ...Array.from(
        { length: 12 },
        (_, i) => fault(i + 2, "rule", "quantity_positive", row({ quantity: "-8" })),
      ),
    ),
  })),
  // In UTF-16, which JavaScript sorts by, the emoji would come first.
  ...twins(
    "the first name is the first by its bytes",
    ["twins/\uffee.csv", "twins/😀.csv"],
    bytes(file(row({ quantity: "8", total_cost: "12.0" }))),
  ),
];
