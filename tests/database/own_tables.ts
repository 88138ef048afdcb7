/**
 * Reporting tables and dimensions that are none of the shipped ones, as cases that run on any database.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Dimensions, ReportingTable, TableTotals } from "../../lib/database/records.ts";
import { readParquet } from "../support/duckdb.ts";
import { assertSameRows, type Row, sortRows } from "../support/rows.ts";
import {
  begin,
  commitRun,
  CUSTOMER_TABLE,
  type DatabaseUnderTest,
  dataError,
  FIRST,
  newCommit,
  readCustomers,
  type RegisterCase,
  SALES_TABLE,
  SECOND,
  THIRD,
  writeTotals,
} from "./fixtures.ts";

/** Money and a count, by a date and a text. */
const RETURNS: ReportingTable = {
  name: "customer_returns",
  columns: {
    full_name: "text",
    return_date: "date",
    reason: "text",
    return_count: "integer",
    amount: "decimal(18,2)",
  },
  key: ["return_date", "reason"],
  add: ["amount", "return_count"],
  latest: ["full_name"],
  incentive: null,
};

/** Counts only, nothing of which follows the newest run. */
const DAYS: ReportingTable = {
  name: "Daily_Counts2",
  columns: { day: "date", row_count: "integer" },
  key: ["day"],
  add: ["row_count"],
  latest: [],
  incentive: null,
};

/** Every name is a word of SQL, or one that a statement of the pipeline might use for itself. */
const WORDS: ReportingTable = {
  name: "order",
  columns: {
    select: "text",
    group: "char(2)",
    total: "decimal(28,4)",
    m: "integer",
    best: "text",
    t: "date",
  },
  key: ["group", "select"],
  add: ["total", "m"],
  latest: ["best", "t"],
  incentive: { column: "where", of: "total", within: ["group"] },
};

/** A bonus by a count. */
const BEST: ReportingTable = {
  name: "best",
  columns: { day: "date", person: "integer", sold: "integer" },
  key: ["day", "person"],
  add: ["sold"],
  latest: [],
  incentive: { column: "bonus", of: "sold", within: ["day"] },
};

/** Values that are nearly too large for their columns. */
const TIGHT: ReportingTable = {
  name: "tight",
  columns: { id: "integer", amount: "decimal(5,2)", seen: "integer" },
  key: ["id"],
  add: ["amount", "seen"],
  latest: [],
  incentive: null,
};

/** Texts of a key of which a careless comparison takes two for one. */
const TEXT_KEYS = [
  "",
  " ",
  "broken",
  "Broken",
  "broken ",
  "caf\u00e9",
  "cafe\u0301",
  "stra\u00dfe",
  "strasse",
  "\u{1f600}",
  "\\N",
  "NULL",
  'it\'s `a` "key"\t\n',
  "x".repeat(255),
];

/** Registers the cases. */
export function testOwnTables(test: RegisterCase): void {
  test("commit() adds counts and sums by the values of date and text keys", async (under) => {
    await commitTotals(under, FIRST, [RETURNS, [
      ["Ann Lee", "2023-03-01", "broken", 2, "10.10"],
      ["Ann Lee", "2023-03-02", "broken", 1, "-0.10"],
      ["Ben Roy", "0001-01-01", "late", 9, "0.00"],
      [null, "9999-12-31", "late", 0, "1234567890123456.78"],
    ]]);
    await commitTotals(under, SECOND, [RETURNS, [
      ["Ann Ray", "2023-03-01", "broken", 3, "0.95"],
      ["Ben Roy", "2023-03-01", "late", 1, "5.00"],
      [null, "0001-01-01", "late", 1, "-1.00"],
    ]]);
    assertSameRows(await readTable(under, RETURNS), [
      ["Ann Ray", "2023-03-01", "broken", "5", "11.05"],
      ["Ann Lee", "2023-03-02", "broken", "1", "-0.10"],
      [null, "0001-01-01", "late", "10", "-1.00"],
      [null, "9999-12-31", "late", "0", "1234567890123456.78"],
      ["Ben Roy", "2023-03-01", "late", "1", "5.00"],
    ], RETURNS.name);
  });

  test("commit() takes no text of a key for another", async (under) => {
    const rows = TEXT_KEYS.map((text, i) => ["Ann", "2023-03-01", text, i, "1.00"] as const);
    await commitTotals(under, FIRST, [RETURNS, rows]);
    await commitTotals(under, SECOND, [RETURNS, rows.toReversed()]);
    assertSameRows(
      await readTable(under, RETURNS),
      TEXT_KEYS.map((text, i) => ["Ann", "2023-03-01", text, String(2 * i), "2.00"]),
      RETURNS.name,
    );
  });

  test("commit() adds to a table that has nothing but its key and counts", async (under) => {
    await commitTotals(under, FIRST, [DAYS, [["2023-03-01", 5], ["2023-03-02", 7]]]);
    await commitTotals(under, SECOND, [DAYS, [["2023-03-02", 1], ["2023-03-03", 2]]]);
    assertSameRows(await readTable(under, DAYS), [
      ["2023-03-01", "5"],
      ["2023-03-02", "8"],
      ["2023-03-03", "2"],
    ], DAYS.name);
  });

  test("commit() takes words of SQL as names, and gives any column's incentive within any others", async (under) => {
    await commitTotals(under, FIRST, [WORDS, [
      ["ann", "n1", "100.0000", 1, "a", "2023-03-01"],
      ["ben", "n1", "99.9999", 1, null, null],
      ["cat", "n2", "0.4900", 1, "c", "2023-03-01"],
      ["dan", "n2", "0.4900", 1, "d", "2023-03-01"],
      ["eve", "n3", "-1.0000", 1, "e", "2023-03-01"],
      ["fay", "n4", "3.0000", 1, "f", "2023-03-01"],
    ]]);
    await commitTotals(under, SECOND, [WORDS, [
      ["ben", "n1", "0.5000", 4, "b", "2023-03-02"],
      ["cat", "n2", "0.0099", 4, "C", null],
      ["gil", "n3", "0.5000", 4, "g", "2023-03-02"],
    ]]);
    assertSameRows(await readTable(under, WORDS), [
      ["ann", "n1", "100.0000", "1", "a", "2023-03-01", "0.00"],
      ["ben", "n1", "100.4999", "5", "b", "2023-03-02", "1.00"],
      ["cat", "n2", "0.4999", "5", "C", null, "0.00"],
      ["dan", "n2", "0.4900", "1", "d", "2023-03-01", "0.00"],
      ["eve", "n3", "-1.0000", "1", "e", "2023-03-01", "0.00"],
      ["gil", "n3", "0.5000", "4", "g", "2023-03-02", "0.01"],
      ["fay", "n4", "3.0000", "1", "f", "2023-03-01", "0.03"],
    ], WORDS.name);
  });

  test("commit() gives the incentive by a count, to all who tie", async (under) => {
    await commitTotals(under, FIRST, [BEST, [["2023-03-01", 1, 250], ["2023-03-01", 2, 249], [
      "2023-03-02",
      1,
      49,
    ]]]);
    await commitTotals(under, SECOND, [BEST, [["2023-03-01", 2, 1], ["2023-03-03", 2, 50]]]);
    assertSameRows(await readTable(under, BEST), [
      ["2023-03-01", "1", "250", "2.50"],
      ["2023-03-01", "2", "250", "2.50"],
      ["2023-03-02", "1", "49", "0.49"],
      ["2023-03-03", "2", "50", "0.50"],
    ], BEST.name);
  });

  test("commit() adds to several tables at once, each from its own files", async (under) => {
    const month = "2023-03";
    await commitTotals(
      under,
      FIRST,
      [CUSTOMER_TABLE, [[1, "Ann", null, null, month, "1.00"]]],
      [RETURNS, [["Ann", "2023-03-01", "broken", 1, "2.00"]]],
      [SALES_TABLE, []],
      [DAYS, [["2023-03-01", 3]]],
    );
    assertSameRows(
      await readCustomers(under),
      [["1", "Ann", null, null, month, "1.00"]],
      CUSTOMER_TABLE.name,
    );
    assertSameRows(
      await readTable(under, RETURNS),
      [["Ann", "2023-03-01", "broken", "1", "2.00"]],
      RETURNS.name,
    );
    assertSameRows(await readTable(under, DAYS), [["2023-03-01", "3"]], DAYS.name);
  });

  test("commit() fails and changes nothing, when any sum of a table is not as it was announced", async (under) => {
    const { database } = under;
    await database.prepareTables([RETURNS, DAYS]);
    const token = await begin(database, FIRST);
    const totals = [
      await writeTotals(under, DAYS, [["2023-03-01", 3]]),
      await writeTotals(under, RETURNS, [["Ann", "2023-03-01", "broken", 4, "2.00"]]),
    ];
    const [days, returns] = totals as [TableTotals, TableTotals];
    assert.deepEqual(returns.sums, { amount: "2.00", return_count: "4" });
    const commit = { ...await newCommit(under, FIRST, token, {}), totals };
    for (
      const wrong of [
        { ...returns, sums: { ...returns.sums, amount: "2.01" } },
        { ...returns, sums: { ...returns.sums, return_count: "5" } },
        { ...returns, rowCount: 2 },
      ]
    ) {
      const { code, message } = await dataError(() => database.commit({ ...commit, totals: [days, wrong] }));
      assert.equal(code, "totals_changed");
      assert.match(message, /\b1 rows of 2\.00 and 4\b/);
    }
    assert.deepEqual([await readTable(under, DAYS), await readTable(under, RETURNS)], [[], []]);
    await database.commit(commit);
    assert.equal((await readTable(under, DAYS)).length, 1);
  });

  test("commit() fails and changes nothing, when a row of the totals has no key", async (under) => {
    const { database } = under;
    await database.prepareTables([RETURNS]);
    const token = await begin(database, FIRST);
    for (const [day, reason] of [[null, "broken"], ["2023-03-01", null]] as const) {
      const totals = [await writeTotals(under, RETURNS, [["Ann", day, reason, 1, "1.00"]])];
      const commit = { ...await newCommit(under, FIRST, token, {}), totals };
      const { code, message } = await dataError(() => database.commit(commit));
      assert.equal(code, "totals_without_key");
      assert.match(message, /customer_returns\b.*\breturn_date\b.*\breason\b/);
    }
    assert.deepEqual(await readTable(under, RETURNS), []);
    assert.equal(await database.runState(FIRST), "open");
  });

  test("commit() fails and changes nothing, when the totals have a key twice", async (under) => {
    const { database } = under;
    await commitTotals(under, FIRST, [RETURNS, [["Ann", "2023-03-01", "broken", 1, "1.00"]]]);
    const before = await readTable(under, RETURNS);
    const token = await begin(database, SECOND);
    for (const person of ["Ann", "Bea"]) {
      const totals = [
        await writeTotals(under, RETURNS, [
          [person, "2023-03-01", "broken", 1, "5.00"],
          [person, "2023-03-01", "broken", 2, "5.00"],
        ]),
      ];
      const commit = { ...await newCommit(under, SECOND, token, {}), totals };
      assert.equal((await dataError(() => database.commit(commit))).code, "duplicate_key", person);
      assert.deepEqual(await readTable(under, RETURNS), before);
    }
    assert.equal(await database.runState(SECOND), "open");
  });

  test("commit() fails and changes nothing, when a total does not fit into its column", async (under) => {
    const { database } = under;
    await commitTotals(under, FIRST, [TIGHT, [[1, "999.99", 1], [2, "0.00", "9223372036854775807"]]]);
    const before = await readTable(under, TIGHT);
    const token = await begin(database, SECOND);
    for (const row of [[1, "0.01", 1], [2, "0.01", 1]] as const) {
      const totals = [await writeTotals(under, TIGHT, [row])];
      const commit = { ...await newCommit(under, SECOND, token, {}), totals };
      const { code, message } = await dataError(() => database.commit(commit));
      assert.equal(code, "total_too_large");
      assert.match(message, /\btight\b/);
    }
    assert.deepEqual(await readTable(under, TIGHT), before);
    assert.equal(await database.runState(SECOND), "open");
    await commitTotals(under, THIRD, [TIGHT, [[1, "-0.99", 1]]]);
  });

  test("prepareTables() leaves a table as it is, when there is one, and a commit adds to it", async (under) => {
    const q = under.quote;
    await under.sql(
      `CREATE TABLE ${
        q(RETURNS.name)
      } (note VARCHAR(20), amount DECIMAL(20,2) NOT NULL, return_count BIGINT NOT NULL,
         full_name VARCHAR(50), reason VARCHAR(50) ${under.exact} NOT NULL, return_date DATE NOT NULL,
         PRIMARY KEY (return_date, reason))`,
      `INSERT INTO ${q(RETURNS.name)} VALUES ('by hand', 1.00, 1, 'Ann', 'broken', '2023-03-01')`,
    );
    await commitTotals(under, FIRST, [RETURNS, [
      ["Ann Lee", "2023-03-01", "broken", 1, "2.00"],
      ["Ben Roy", "2023-03-01", "late", 1, "4.00"],
    ]]);
    assertSameRows(await readTable(under, RETURNS), [
      ["Ann Lee", "2023-03-01", "broken", "2", "3.00"],
      ["Ben Roy", "2023-03-01", "late", "1", "4.00"],
    ], RETURNS.name);
    assert.deepEqual(sortRows(await under.sql(`SELECT note FROM ${q(RETURNS.name)}`)), [["by hand"], [null]]);
  });

  test("prepareTables() refuses a table to which totals cannot be added as they are, and says why", async (under) => {
    const { database, quote: q } = under;
    const columns = {
      return_date: "DATE NOT NULL",
      reason: `VARCHAR(50) ${under.exact} NOT NULL`,
      full_name: "VARCHAR(50)",
      return_count: "BIGINT NOT NULL",
      amount: "DECIMAL(28,2) NOT NULL",
    };
    const faults: readonly (readonly [changes: Record<string, string | null>, says: RegExp])[] = [
      [
        { amount: "DECIMAL(28,1) NOT NULL" },
        /its column amount is decimal\(28,1\), and must be decimal\(18,2\)/i,
      ],
      [{ amount: "DOUBLE" }, /its column amount is double, and must be/i],
      [{ return_count: "INTEGER" }, /its column return_count is int/i],
      [{ return_date: "TIMESTAMP NOT NULL" }, /its column return_date is timestamp, and must be date/i],
      [{ full_name: "DATE" }, /its column full_name is date, and must be text/i],
      [{ full_name: null, amount: null }, /no column full_name, .*no column amount/],
      [{ region: "VARCHAR(9) NOT NULL" }, /its column region is not known here/],
    ];
    for (const [changes, says] of faults) {
      const all = Object.entries({ ...columns, ...changes }).filter(([, type]) => type !== null);
      const defined = all.map(([name, type]) => `${name} ${type}`).join(", ");
      await under.sql(`CREATE TABLE ${q(RETURNS.name)} (${defined}, PRIMARY KEY (return_date, reason))`);
      const { code, message } = await dataError(() => database.prepareTables([DAYS, RETURNS]));
      assert.equal(code, "table_differs");
      assert.match(message, says);
      await under.sql(`DROP TABLE ${q(RETURNS.name)}`);
    }
    await under.sql(`CREATE VIEW ${q(RETURNS.name)} AS SELECT 1 AS amount`);
    assert.match((await dataError(() => database.prepareTables([RETURNS]))).message, /it is a view/);
    await under.sql(`DROP VIEW ${q(RETURNS.name)}`);
    // What nobody has to give a value for may be there, whatever it is.
    const more = { ...columns, note: "DOUBLE", made_by: "VARCHAR(9) DEFAULT 'us' NOT NULL" };
    const defined = Object.entries(more).map(([name, type]) => `${name} ${type}`).join(", ");
    await under.sql(`CREATE TABLE ${q(RETURNS.name)} (${defined}, PRIMARY KEY (return_date, reason))`);
    await commitTotals(under, FIRST, [RETURNS, [["Ann Lee", "2023-03-01", "broken", 1, "2.00"]]]);
  });

  test("snapshot() writes any dimensions, also with a text as key and words of SQL as names", async (under) => {
    const q = under.quote;
    const dimensions: Dimensions = {
      group: { key: "code", ids: ["rank"], text: ["code", "select"] },
      Region_2: { key: "id", ids: ["id"], text: [] },
    };
    await under.sql(
      `CREATE TABLE ${q("group")} (${q("select")} DATE, ${
        q("rank")
      } SMALLINT, code VARCHAR(20), other INTEGER)`,
      `INSERT INTO ${q("group")} VALUES ('2023-03-01', 1, 'a', 1), (NULL, NULL, 'A ', NULL)`,
      `CREATE TABLE ${q("Region_2")} (id BIGINT)`,
      `INSERT INTO ${q("Region_2")} VALUES (-5)`,
    );
    const { group, Region_2, ...others } = await under.database.snapshot(under.folder, dimensions);
    assert.deepEqual(others, {});
    const groups = await readParquet([group!.file]), regions = await readParquet([Region_2!.file]);
    assert.deepEqual(groups.columns, ["rank BIGINT", "code VARCHAR", "select VARCHAR"]);
    assertSameRows(groups.rows, [["1", "a", "2023-03-01"], [null, "A ", null]], "group");
    assert.deepEqual(regions, { columns: ["id BIGINT"], rows: [["-5"]] });
    assert.deepEqual([group!.rowCount, Region_2!.rowCount], [2, 1]);
    assert.deepEqual(await under.database.snapshot(under.folder, {}), {});
  });
}

/** Makes the tables if they are missing, and commits a run with these rows. */
async function commitTotals(
  under: DatabaseUnderTest,
  runId: string,
  ...tables: readonly (readonly [ReportingTable, readonly (readonly (string | number | null)[])[]])[]
): Promise<void> {
  await under.database.prepareTables(tables.map(([table]) => table));
  const totals: TableTotals[] = [];
  for (const [table, rows] of tables) totals.push(await writeTotals(under, table, rows));
  await commitRun(under, runId, { totals });
}

/** All rows of a table, as text: its columns and its incentive. */
async function readTable(
  { sql, quote }: DatabaseUnderTest,
  { name, columns, incentive }: ReportingTable,
): Promise<Row[]> {
  const names = [...Object.keys(columns), ...incentive ? [incentive.column] : []];
  const texts = names.map((column) => `CAST(${quote(column)} AS CHAR)`);
  return sortRows(await sql(`SELECT ${texts.join(", ")} FROM ${quote(name)}`));
}
