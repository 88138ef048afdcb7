/**
 * What a failed query says, on DuckDB's own errors: no value of any row, and what a developer needs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { inspect } from "node:util";
import { Duckdb } from "../../lib/duckdb/duckdb.ts";
import { withoutValues } from "../../lib/duckdb/errors.ts";
import { AccessError } from "../../lib/errors.ts";
import { literal } from "../../lib/sql.ts";
import { end, removeAtEnd } from "../support/ending.ts";

/** A text that nobody may see, as hard to cut out as its writer could make it. */
const TEXT =
  `Canary 'x' "y" z\nLINE 1: 'canary"\nOriginal Line: Permission denied, No space left on device 'canary`;
/** Numbers that nobody may see either. */
const NUMBER = "18446744073709551615", DECIMAL = "9753197531975319.75";
const CANARY = /canary|18446744073709551615|975319/i;

/** A DuckDB that may use a new folder, with a table of one row. */
async function openTemporary() {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "duckdb-errors-" }));
  const db = await Duckdb.open({
    allowedFolders: [folder],
    spillFolder: join(folder, "spill"),
    resources: { memoryLimit: "256MiB", threads: 1 },
  });
  await db.query("CREATE TABLE k (id VARCHAR PRIMARY KEY)");
  await db.query("CREATE TABLE t (name VARCHAR, id UBIGINT, price DECIMAL(18,2), size DOUBLE)");
  await db.query("INSERT INTO t VALUES ($1, $2::UBIGINT, $3::DECIMAL(18,2), $3::DOUBLE)", [
    TEXT,
    NUMBER,
    DECIMAL,
  ]);
  return {
    folder,
    db,
    async [Symbol.asyncDispose]() {
      await end(() => db[Symbol.asyncDispose]());
      await removeAtEnd(folder);
    },
  };
}

/** Queries that fail for what is in the row, and all that they say of it. */
const ABOUT_ROWS: readonly (readonly [sql: string, says: string])[] = [
  [
    "SELECT CAST(name AS BIGINT) FROM t",
    "Conversion Error: Could not convert string '…' to INT64 when casting from source column name",
  ],
  [
    "SELECT CAST(split_part(name, chr(10), 1) AS BIGINT) FROM t",
    "Conversion Error: Could not convert string '…' to INT64",
  ],
  [
    "SELECT CAST(split_part(name, chr(10), 1) AS DATE) FROM t",
    'Conversion Error: invalid date field format: "…", expected format is (YYYY-MM-DD)',
  ],
  [
    "SELECT CAST(id AS BIGINT) FROM t",
    "Conversion Error: Type UINT64 with value … can't be cast because the value is out of range for the destination " +
    "type INT64 when casting from source column id",
  ],
  [
    "SELECT CAST(price AS DECIMAL(4,2)) FROM t",
    'Conversion Error: Casting value "…" to type DECIMAL(4,2) failed: value is out of range! ' +
    "when casting from source column price",
  ],
  [
    "SELECT CAST(size AS DECIMAL(10,2)) FROM t",
    "Conversion Error: Could not cast value … to DECIMAL(10,2) when casting from source column size",
  ],
  ["SELECT id * id FROM t", "Out of Range Error: Overflow in multiplication of UINT64 (… * …)!"],
  [
    "INSERT INTO k SELECT unnest([name, name]) FROM t",
    'Constraint Error: PRIMARY KEY or UNIQUE constraint violation: duplicate key "…"',
  ],
  [
    "SELECT from_json(name, '[\"VARCHAR\"]') FROM t",
    "Invalid Input Error: Malformed JSON at byte … of input",
  ],
  ["SELECT regexp_matches(name, '(' || name) FROM t", "Invalid Input Error: missing )"],
  ["SELECT strptime(name, '%Y') FROM t", "Invalid Input Error: Could not parse string"],
];

Deno.test("query() says what went wrong and quotes no value of a row, when DuckDB does", async (test) => {
  await using under = await openTemporary();
  const cases = [...ABOUT_ROWS];
  const file = literal(join(under.folder, "a.csv"));
  await Deno.writeTextFile(join(under.folder, "a.csv"), "id\n1\nCanary\n");
  cases.push([`FROM read_csv(${file}, columns = {id: 'BIGINT'})`, "Conversion Error: CSV Error on Line: …"]);
  for (const [sql, says] of cases) {
    await test.step(sql, async () => {
      const error = await under.db.query(sql).then(() => assert.fail("it did not fail"), (thrown) => thrown);
      assert.equal(error.message, says);
      assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), CANARY);
    });
  }
});

Deno.test("appendText() tells why it fails and quotes no value of a row, when that is found out at once, or at the end", async () => {
  await using under = await openTemporary();
  const failure = new Error("the rows end early");
  const batches = async function* (atEnd: () => void) {
    yield await Promise.resolve([["a"], ["a"], [TEXT], [TEXT]]);
    atEnd();
  };
  const append = (atEnd: () => void) => under.db.appendText("k", 1, batches(atEnd));
  await assert.rejects(append(() => {}), (error: Error) => {
    assert.match(error.message, /Constraint|constraint/);
    assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), CANARY);
    return true;
  });
  const early = append(() => {
    throw failure;
  });
  await assert.rejects(early, failure);
});

Deno.test("query() keeps the names of tables, columns and paths, when these are what is wrong", async () => {
  await using under = await openTemporary();
  const missing = join(under.folder, "no such folder", "a.csv");
  const cases = [
    ["SELECT nme FROM t", 'Binder Error: Referenced column "nme" not found in FROM clause!'],
    ["FROM u", "Catalog Error: Table with name u does not exist!"],
    ["SELEC 1", 'Failed to extract statements: Parser Error: syntax error at or near "SELEC"'],
    [
      "COPY t TO '/a.csv'",
      'Permission Error: Cannot access file "/a.csv" - file system operations are disabled',
    ],
    [`COPY t TO ${literal(missing)}`, `IO Error: Cannot open file "${missing}": No such file or directory`],
  ] as const;
  for (const [sql, says] of cases) {
    await assert.rejects(under.db.query(sql), ({ message }: Error) => {
      assert.ok(message.startsWith(says), message);
      assert.doesNotMatch(message, /LINE/);
      return true;
    });
  }
});

Deno.test("describe() gives the types of a SELECT, and DuckDB's whole text when it does not bind", async () => {
  await using under = await openTemporary();
  assert.deepEqual(
    await under.db.describe("SELECT id, id > 1 AS large FROM t"),
    [["id", "UBIGINT"], ["large", "BOOLEAN"]],
  );
  const says = /^Invalid Input Error: missing \): \(canary/;
  const broken = under.db.describe("SELECT regexp_matches(name, '(canary') FROM t");
  await assert.rejects(broken, ({ message }: Error) => says.test(message));
});

Deno.test("withoutValues() keeps what wrapSystemError() goes by, and gives it no value to go by", async () => {
  const full = new Error(
    'TransactionContext Error: Failed to commit: Could not write file "/w": No space left on device',
  );
  assert.equal(
    (withoutValues(full) as Error).message,
    'TransactionContext Error: Failed to commit: Could not write file "…": No space left on device',
  );
  await using under = await openTemporary();
  const hostile = under.db.query("SELECT CAST('Permission denied' || name AS DATE) FROM t");
  await assert.rejects(hostile, (error) => !(error instanceof AccessError));
});

Deno.test("withoutValues() takes a time that grows with the text only, when a value is long", () => {
  const values = [
    "'".repeat(2e6),
    "\n".repeat(2e6),
    "1 ".repeat(1e6),
    ": ".repeat(1e6),
    "\"'".repeat(1e6),
    "DECIMAL(1,".repeat(2e5),
  ];
  const start = performance.now();
  for (const value of values) {
    for (const kind of ["Conversion", "Invalid Input"]) {
      withoutValues(new Error(`${kind} Error: Could not convert string '${value}`));
      withoutValues(new Error(`${kind} Error: Could not convert ${value} to INT64`));
    }
  }
  // One second; were it the square of the text's length, hours.
  assert.ok(performance.now() - start < 60_000);
});

Deno.test("withoutValues() leaves what is no error of DuckDB alone", () => {
  for (
    const thrown of [new TypeError("x is not a function"), new Error("a 'b'"), "Conversion Error: 'a'", null]
  ) {
    assert.equal(withoutValues(thrown), thrown);
  }
});
