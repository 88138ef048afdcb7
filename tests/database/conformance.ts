/**
 * What every database must do, as cases that run on any of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { OWN_TABLES } from "../../lib/database/tables.ts";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Database } from "../../lib/database/database.ts";
import type {
  Commit,
  LeaseOwner,
  LedgerEntry,
  MoveOrder,
  PendingMove,
  ReplayedFile,
  RunState,
  TableTotals,
} from "../../lib/database/records.ts";
import { readParquet } from "../support/duckdb.ts";
import { assertSameRows, sortRows } from "../support/rows.ts";
import {
  acquire,
  ANN,
  archive,
  begin,
  BEN,
  commitRun,
  CUSTOMER_TABLE,
  type DatabaseUnderTest,
  dataError,
  DIMENSIONS,
  FIRST,
  ledgerEntry,
  LONG,
  lost,
  newCommit,
  publish,
  readCustomers,
  readSalesTeam,
  type RegisterCase,
  type RunContent,
  RUNS,
  SALES_TABLE,
  type SalesTotal,
  SECOND,
  sha256,
  THIRD,
  writeTotals,
} from "./fixtures.ts";
import { testMigration } from "./migration.ts";
import { testOwnTables } from "./own_tables.ts";

/** Registers the cases for one kind of database. */
export function testDatabase(kind: string, open: () => Promise<DatabaseUnderTest>): void {
  const test: RegisterCase = (name, body) => {
    Deno.test(`${kind}: ${name}`, async () => {
      await using under = await open();
      await under.database.prepare();
      await under.database.prepareTables([CUSTOMER_TABLE, SALES_TABLE]);
      await body(under);
    });
  };

  test("prepare() and prepareTables() keep everything, when they are repeated", async (under) => {
    await loadDimensions(under);
    await commitRun(under, FIRST, { customers: [[1, "Ann Lee", null, null, "2023-03", "5.00"]] });
    await under.database.bind();
    const before = await look(under, FIRST);
    const binding = await under.database.binding();
    await under.database.prepare();
    await under.database.prepareTables([CUSTOMER_TABLE, SALES_TABLE]);
    assert.deepEqual(await look(under, FIRST), before);
    assert.deepEqual(await under.database.binding(), binding);
    assert.deepEqual(await under.sql("SELECT count(*) FROM customer"), [["3"]]);
  });

  test("prepareTables() makes the reporting tables, when they are missing", async (under) => {
    assert.deepEqual(await readCustomers(under), []);
    assert.deepEqual(await readSalesTeam(under), []);
  });

  test("binding() gives one id for ever, and says whether bind() was called", async ({ database }) => {
    const { id, bound } = await database.binding();
    assert.ok(id.length >= 16, `the id ${id} may be another database's too`);
    assert.equal(bound, false);
    for (let i = 0; i < 2; i++) {
      await database.bind();
      assert.deepEqual(await database.binding(), { id, bound: true });
    }
  });

  test("acquireLease() gives a token, when the lease is free", async ({ database }) => {
    const token = await acquire(database, ANN);
    assert.ok(token > 0);
  });

  test("acquireLease() gives a newer token, when the same owner asks again", async ({ database }) => {
    const first = await acquire(database, ANN);
    const second = await acquire(database, { ...ANN, holder: "process 12", runId: SECOND });
    assert.ok(second > first);
    assert.equal(await database.renewLease(first, LONG), false, "the older token is worth something");
    assert.equal(await database.renewLease(second, LONG), true);
    const { holder, runId } = await refused(database, BEN);
    assert.deepEqual({ holder, runId }, { holder: "process 12", runId: SECOND });
  });

  test("acquireLease() says who has the lease since when and until when, when another has it", async ({ database }) => {
    const startMs = Date.now();
    const token = await acquire(database, ANN);
    for (let i = 0; i < 2; i++) {
      const { holder, runId, since, until } = await refused(database, BEN);
      assert.deepEqual({ holder, runId }, { holder: ANN.holder, runId: ANN.runId });
      const sinceMs = Date.parse(since);
      assert.ok(sinceMs > startMs - 60_000 && sinceMs < Date.now() + 60_000, `since ${since}`);
      assert.equal(Date.parse(until) - sinceMs, LONG * 1000);
    }
    assert.equal(await database.renewLease(token, LONG), true, "asking in vain took it away");
  });

  test("acquireLease() gives a newer token, when the lease of another has expired", async ({ database }) => {
    const first = await acquire(database, ANN, 0);
    const second = await acquire(database, BEN);
    assert.ok(second > first);
    assert.equal((await refused(database, ANN)).holder, BEN.holder);
  });

  test("acquireLease() gives a newer token to anybody, when the lease was released", async ({ database }) => {
    const first = await acquire(database, ANN);
    for (let i = 0; i < 2; i++) await database.releaseLease(first);
    const second = await acquire(database, BEN);
    assert.ok(second > first);
  });

  test("renewLease() extends the lease, also when it has expired or was released and nobody took it", async ({ database }) => {
    const expired = await acquire(database, ANN, 0);
    assert.equal(await database.renewLease(expired, LONG), true);
    await refused(database, BEN);
    await database.releaseLease(expired);
    assert.equal(await database.renewLease(expired, LONG), true);
    await refused(database, BEN);
    assert.equal(await database.renewLease(expired, 0), true, "nothing is left of it");
    await acquire(database, BEN);
  });

  test("renewLease() and releaseLease() do nothing, when another has taken the lease", async ({ database }) => {
    const stale = await acquire(database, ANN, 0);
    await acquire(database, BEN);
    const held = await refused(database, ANN);
    assert.equal(await database.renewLease(stale, 10 * LONG), false);
    await database.releaseLease(stale);
    assert.deepEqual(await refused(database, ANN), held);
  });

  test("beginRun() registers a run, also when it is repeated", async ({ database }) => {
    assert.equal(await database.runState(FIRST), null);
    const token = await acquire(database, ANN);
    for (let i = 0; i < 2; i++) {
      await database.beginRun({ runId: FIRST, token, configHash: "c0ffee" });
      assert.equal(await database.runState(FIRST), "open");
    }
  });

  test("beginRun() abandons the other open runs and no others", async (under) => {
    const { database } = under;
    await commitRun(under, FIRST);
    const token = await begin(database, SECOND);
    await database.beginRun({ runId: THIRD, token, configHash: "c0ffee" });
    assert.deepEqual(await states(database), ["committed", "abandoned", "open"]);
  });

  test("beginRun() counts the runs since the last one that left nothing to do", async (under) => {
    const { database } = under;
    let nth = 0;
    /** Begins another run, of any owner; gives its id and which try it is. */
    const tryAgain = async (owner = ANN) => {
      const runId = `20230404T02000${nth++}Z-0000`;
      const token = await acquire(database, { ...owner, runId }, 0);
      const attempt = await database.beginRun({ runId, token, configHash: "c0ffee" });
      return { runId, token, attempt };
    };
    assert.equal((await tryAgain()).attempt, 1);
    const second = await tryAgain();
    assert.equal(second.attempt, 2);
    assert.equal(await database.beginRun({ ...second, configHash: "c0ffee" }), 2, "it counted itself twice");
    const third = await tryAgain(BEN);
    assert.equal(third.attempt, 3);
    await database.finishRun(third.runId, "nothing-to-do");
    const first = await tryAgain();
    assert.equal(first.attempt, 1);
    const moves = [archive("a.csv")];
    await database.commit(await newCommit(under, first.runId, first.token, { moves }));
    assert.equal((await tryAgain()).attempt, 2, "a committed run is not over");
    await database.finishRun(first.runId, "published");
    assert.equal((await tryAgain()).attempt, 3, "it has a move to make");
    const [open] = await database.pendingMoves("archive");
    assert.ok(open);
    await database.settleMoves([{ id: open.id, outcome: "done" }]);
    assert.equal((await tryAgain()).attempt, 3, "only those that were begun since count");
    const last = await tryAgain();
    await database.finishRun(last.runId, "recovered");
    assert.equal((await tryAgain()).attempt, 1);
  });

  test("beginRun() changes nothing, when the token is not the newest", async ({ database }) => {
    const token = await begin(database, FIRST);
    await acquire(database, { ...ANN, runId: SECOND });
    await lost(() => database.beginRun({ runId: SECOND, token, configHash: "c0ffee" }));
    assert.deepEqual(await states(database), ["open", null, null]);
  });

  test("runStates() gives the states of those of the ids that the database has", async (under) => {
    const { database } = under;
    await commitRun(under, FIRST);
    await begin(database, SECOND);
    const asked = [SECOND, "20230101T000000Z-ffff", FIRST, "it's 1"];
    const expected: [string, RunState][] = [[FIRST, "committed"], [SECOND, "open"]];
    assert.deepEqual(await database.runStates(asked), new Map(expected));
    assert.deepEqual(await database.runStates([]), new Map());
  });

  test("finishRun() ends a run that committed nothing, or says that a committed one is published", async (under) => {
    const { database } = under;
    for (const state of ["nothing-to-do", "recovered"] as const) {
      const runId = `${state}-run`;
      await begin(database, runId);
      await database.finishRun(runId, "published");
      assert.equal(await database.runState(runId), "open", "it never was committed");
      for (let i = 0; i < 2; i++) {
        await database.finishRun(runId, state);
        assert.equal(await database.runState(runId), state);
      }
    }
    await commitRun(under, FIRST);
    for (const state of ["nothing-to-do", "recovered"] as const) {
      await database.finishRun(FIRST, state);
      assert.equal(await database.runState(FIRST), "committed", "what is committed cannot be undone");
    }
    for (let i = 0; i < 2; i++) {
      await database.finishRun(FIRST, "published");
      assert.equal(await database.runState(FIRST), "published");
    }
  });

  test("unfinishedRuns() gives committed runs with something to do, in the order of their commits", async (under) => {
    const { database } = under;
    assert.deepEqual(await database.unfinishedRuns(), []);
    const moves = [publish("a"), publish("b"), archive("c")];
    await commitRun(under, FIRST, { moves });
    await commitRun(under, SECOND, { moves: moves.slice(2) });
    await begin(database, THIRD);
    const open = [
      { runId: FIRST, openPublishes: 2, openArchives: 1, published: false },
      { runId: SECOND, openPublishes: 0, openArchives: 1, published: false },
    ];
    assert.deepEqual(await database.unfinishedRuns(), open);

    await settle(database, "publish");
    await database.finishRun(FIRST, "published");
    await settle(database, "archive", SECOND);
    assert.deepEqual(await database.unfinishedRuns(), [
      { runId: FIRST, openPublishes: 0, openArchives: 1, published: true },
      { runId: SECOND, openPublishes: 0, openArchives: 0, published: false },
    ]);
    await settle(database, "archive");
    await database.finishRun(SECOND, "published");
    assert.deepEqual(await database.unfinishedRuns(), []);
  });

  /** What another program may have made under a name of the pipeline's own, and what is said of it. */
  const FOREIGN: readonly (readonly [table: string, statement: string, says: RegExp])[] = [
    [
      "source_file",
      "CREATE TABLE source_file (id BIGINT, path VARCHAR(20))",
      /it has no column run_id, which must be/,
    ],
    [
      "pipeline_run",
      "CREATE TABLE pipeline_run (run_id BIGINT)",
      /its column run_id is bigint, and must be varchar/,
    ],
    ["pipeline_schema", "CREATE TABLE pipeline_schema (name VARCHAR(20))", /it has no column version/],
    [
      "pipeline_schema",
      "CREATE TABLE pipeline_schema (version VARCHAR(20))",
      /its column version is varchar/,
    ],
    ["pending_move", "CREATE VIEW pending_move AS SELECT 1 AS id", /it is a view/],
  ];

  test("prepare() refuses a table of another program under a name of its own, and makes nothing", async (under) => {
    await under.sql(...OWN_TABLES.map((table) => `DROP TABLE ${table}`));
    for (const [table, statement, says] of FOREIGN) {
      await under.sql(statement);
      const { code, message } = await dataError(() => under.database.prepare());
      assert.equal(code, "table_differs");
      assert.match(message, new RegExp(`Cannot use the table ${table} of `));
      assert.match(message, says);
      await assert.rejects(async () => await under.sql("SELECT 1 FROM pipeline_lease"));
      await under.sql(`DROP ${statement.split(" ")[1]} ${table}`);
    }
    await under.database.prepare();
    // What one lacks is made again, and a column that somebody added is in nobody's way.
    await under.sql("ALTER TABLE source_file ADD COLUMN note VARCHAR(20)", "DROP TABLE replayed_row");
    await under.database.prepare();
    await under.sql("SELECT 1 FROM replayed_row");
  });

  test("snapshot() writes ids as BIGINT and the rest as text, with NULL, blanks and every letter", async (under) => {
    await loadDimensions(under);
    const snapshot = await under.database.snapshot(under.folder, DIMENSIONS);
    assert.deepEqual(
      Object.entries(snapshot).map(([name, { rowCount }]) => [name, rowCount]),
      [["customer", 3], ["store", 1], ["product", 2], ["sales_team", 2]],
    );
    for (const [name, expected] of Object.entries(SNAPSHOTS)) {
      const { columns, rows } = await readParquet([snapshot[name]!.file]);
      assert.deepEqual(columns, expected.columns);
      assertSameRows(rows, expected.rows, name);
    }
  });

  test("snapshot() replaces what is there, and gives no rows of empty tables", async (under) => {
    await loadDimensions(under);
    await under.database.snapshot(under.folder, DIMENSIONS);
    await under.sql(...Object.keys(DIMENSION_TABLES).map((table) => `DELETE FROM ${table}`));
    const { customer } = await under.database.snapshot(under.folder, DIMENSIONS);
    assert.equal(customer!.rowCount, 0);
    assert.deepEqual(await readParquet([customer!.file]), { columns: SNAPSHOTS.customer.columns, rows: [] });
  });

  test("snapshot() keeps ids at both ends of 64 bits", async (under) => {
    await loadDimensions(under);
    const ids = ["-9223372036854775808", "9223372036854775807"];
    await under.sql("DELETE FROM store", ...ids.map((id) => `INSERT INTO store VALUES (${id}, NULL, NULL)`));
    const { store } = await under.database.snapshot(under.folder, DIMENSIONS);
    assert.deepEqual(sortRows((await readParquet([store!.file])).rows), ids.map((id) => [id, null]));
  });

  test("snapshot() takes bytes for the text that they are, and names table, column and key where they are none", async (under) => {
    await loadDimensions(under);
    await under.sql(
      "ALTER TABLE store DROP COLUMN store_manager_name",
      "ALTER TABLE store ADD COLUMN store_manager_name BLOB",
      "DELETE FROM store",
      "INSERT INTO store (id, store_manager_name) VALUES (7, CAST('Ann' AS BINARY)), (8, NULL)",
    );
    const { store } = await under.database.snapshot(under.folder, DIMENSIONS);
    assert.deepEqual(sortRows((await readParquet([store!.file])).rows), [["7", "Ann"], ["8", null]]);
    await under.sql("UPDATE store SET store_manager_name = unhex('e9') WHERE id = 8");
    const { code, message } = await dataError(() => under.database.snapshot(under.folder, DIMENSIONS));
    assert.equal(code, "dimension_no_text");
    assert.match(message, /store\.store_manager_name of .* key "8"/);
  });

  test("snapshot() finds columns whatever the case of their names is, and gives them as the model has them", async (under) => {
    await loadDimensions(under);
    await under.sql(
      "DROP TABLE store",
      `CREATE TABLE store (${under.quote("ID")} BIGINT, ${under.quote("Store_Manager_Name")} VARCHAR(50))`,
      "INSERT INTO store VALUES (7, 'Ann')",
    );
    const { store } = await under.database.snapshot(under.folder, DIMENSIONS);
    const { columns, rows } = await readParquet([store!.file]);
    assert.deepEqual(columns, SNAPSHOTS.store.columns);
    assert.deepEqual(rows, [["7", "Ann"]]);
  });

  test("snapshot() names every table that is missing", async (under) => {
    await loadDimensions(under);
    await under.sql("DROP TABLE store", "DROP TABLE sales_team");
    const { code, message } = await dataError(() => under.database.snapshot(under.folder, DIMENSIONS));
    assert.equal(code, "missing_dimension_table");
    assert.match(message, /\bstore\b.*\bsales_team\b/);
    assert.doesNotMatch(message, /\b(customer|product)\b/);
  });

  test("snapshot() names the column, when it is missing or its type cannot hold ids", async (under) => {
    await loadDimensions(under);
    for (const [table, column, type] of UNFIT_COLUMNS) {
      await under.sql(
        `ALTER TABLE ${table} DROP COLUMN ${column}`,
        ...type === null ? [] : [`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`],
      );
      const { code, message } = await dataError(() => under.database.snapshot(under.folder, DIMENSIONS));
      assert.equal(code, type === null ? "missing_dimension_column" : "dimension_key_type");
      assert.match(message, new RegExp(`\\b${table}\\b.*\\b${column}\\b`), `${table} ${column} ${type}`);
      await under.sql(`DROP TABLE ${table}`);
      await loadDimensions(under, table);
    }
    await under.database.snapshot(under.folder, DIMENSIONS);
  });

  test("acceptedContent() gives what was accepted with rows, and nothing else", async (under) => {
    const { database } = under;
    const entry = (content: string, change: Partial<LedgerEntry>) => ledgerEntry(content, change);
    await commitRun(under, FIRST, {
      ledger: [
        entry("accepted", {}),
        entry("partly", { rowsAccepted: 1, rowsRejected: 1 }),
        entry("none-good", { rowsAccepted: 0, rowsRejected: 2 }),
        entry("header-only", { rowsRead: 0, rowsAccepted: 0 }),
        entry("rejected", { status: "rejected", reason: "too_many_rejects", rowsAccepted: 0 }),
        entry("duplicate", { status: "duplicate", reason: "same_content", rowsRead: 0, rowsAccepted: 0 }),
        entry("unread", {
          sha256: null,
          status: "rejected",
          reason: "bad_gzip",
          rowsRead: 0,
          rowsAccepted: 0,
        }),
      ],
    });
    const asked = [
      "accepted",
      "partly",
      "none-good",
      "header-only",
      "rejected",
      "duplicate",
      "unread",
      "new",
    ];
    assert.deepEqual(
      await database.acceptedContent("sales", asked.map(sha256)),
      new Set(["accepted", "partly", "none-good"].map(sha256)),
    );
    assert.deepEqual(
      await database.acceptedContent("sales", [sha256("new"), sha256("accepted")]),
      new Set([sha256("accepted")]),
    );
    assert.deepEqual(await database.acceptedContent("sales", []), new Set());
  });

  test("acceptedContent() knows content for the dataset that it was accepted for", async (under) => {
    const { database } = under;
    const content = { sha256: sha256("content") };
    const accepted = async (dataset: string) =>
      (await database.acceptedContent(dataset, [content.sha256])).size > 0;
    await commitRun(under, FIRST, {
      ledger: [
        ledgerEntry("a.csv", { ...content, dataset: "returns" }),
        ledgerEntry("b.csv", {
          ...content,
          dataset: "sales",
          status: "rejected",
          reason: "too_many_rejects",
        }),
      ],
    });
    assert.deepEqual([await accepted("returns"), await accepted("sales")], [true, false]);
    assert.deepEqual([await accepted("Returns"), await accepted("returns ")], [false, false]);
    await commitRun(under, SECOND, { ledger: [ledgerEntry("c.csv", content)] });
    assert.deepEqual([await accepted("returns"), await accepted("sales")], [true, true]);
    const [rejected] = await database.rejectedFiles({ runId: FIRST, key: "b.csv" });
    assert.equal(rejected?.dataset, "sales");
  });

  test("earlierVersions() gives the newest version with accepted rows, else the newest", async (under) => {
    const { database } = under;
    const version = (key: string, rowsAccepted: number) =>
      ledgerEntry(key, {
        status: rowsAccepted > 0 ? "accepted" : "rejected",
        rowsRead: 9,
        rowsAccepted,
        rowsRejected: 9 - rowsAccepted,
        sha256: sha256(`${key} ${rowsAccepted}`),
      });
    const first = [version("a.csv", 1), version("bad.csv", 0), version("A.csv", 8)];
    await commitRun(under, FIRST, { ledger: first });
    await commitRun(under, SECOND, { ledger: [version("a.csv", 2), version("bad.csv", 0)] });
    await commitRun(under, THIRD, { ledger: [version("a.csv", 0)] });
    const of = (runId: string, rowsAccepted: number) => ({ runId, rowsRead: 9, rowsAccepted });
    assert.deepEqual(
      await database.earlierVersions(["new.csv", "a.csv", "bad.csv", "A.csv"]),
      new Map([["bad.csv", of(SECOND, 0)], ["A.csv", of(FIRST, 8)], ["a.csv", of(SECOND, 2)]]),
    );
    assert.deepEqual(await database.earlierVersions([]), new Map());
  });

  test("commit() adds totals in one row, when two runs have the same key and month", async (under) => {
    await commitRun(under, FIRST, {
      customers: [[1, "Ann Lee", "1 Elm St", "555", "2023-03", "100.10"], [
        2,
        null,
        null,
        null,
        "2023-03",
        "1.00",
      ]],
      sales: [[121, 1, "Ada", "2023-03", "100.10"], [121, 2, null, "2023-03", "1.00"]],
    });
    await commitRun(under, SECOND, {
      customers: [[1, "Ann Lee", "1 Elm St", "555", "2023-03", "0.95"], [
        1,
        "Ann Lee",
        "1 Elm St",
        "555",
        "2023-04",
        "-7.00",
      ]],
      sales: [[121, 1, "Ada", "2023-03", "0.95"], [122, 1, "Ada", "2023-03", "3.00"]],
    });
    assertSameRows(await readCustomers(under), [
      ["1", "Ann Lee", "1 Elm St", "555", "2023-03", "101.05"],
      ["1", "Ann Lee", "1 Elm St", "555", "2023-04", "-7.00"],
      ["2", null, null, null, "2023-03", "1.00"],
    ], "customers_data_mart");
    assertSameRows(await readSalesTeam(under), [
      ["121", "1", "Ada", "2023-03", "101.05", "1.01"],
      ["121", "2", null, "2023-03", "1.00", "0.00"],
      ["122", "1", "Ada", "2023-03", "3.00", "0.03"],
    ], "sales_team_data_mart");
  });

  test("commit() takes the newest name, address and number into the rows that it adds to, and only there", async (under) => {
    await commitRun(under, FIRST, {
      customers: ["2023-02", "2023-03"].map((month) => [1, "Ann Lee", "1 Elm St", "555", month, "1.00"]),
      sales: ["2023-02", "2023-03"].map((month) => [121, 1, "Ada", month, "1.00"]),
    });
    await commitRun(under, SECOND, {
      customers: [[1, "Ann Ray", null, "556", "2023-03", "1.00"]],
      sales: [[121, 1, null, "2023-03", "1.00"]],
    });
    assertSameRows(await readCustomers(under), [
      ["1", "Ann Lee", "1 Elm St", "555", "2023-02", "1.00"],
      ["1", "Ann Ray", null, "556", "2023-03", "2.00"],
    ], "customers_data_mart");
    assertSameRows(await readSalesTeam(under), [
      ["121", "1", "Ada", "2023-02", "1.00", "0.01"],
      ["121", "1", null, "2023-03", "2.00", "0.02"],
    ], "sales_team_data_mart");
  });

  test("commit() gives the incentive to the first of a store and month, to all who tie, to none at 0 or less", async (under) => {
    await commitRun(under, FIRST, {
      sales: [
        [121, 1, "first", "2023-03", "200.00"],
        [121, 2, "second", "2023-03", "199.99"],
        [121, 3, "third", "2023-03", "-1.00"],
        [121, 2, "second", "2023-04", "10.00"],
        [122, 1, "ties", "2023-03", "50.00"],
        [122, 3, "ties", "2023-03", "50.00"],
        [122, 2, "behind", "2023-03", "49.99"],
        [123, 1, "nothing sold", "2023-03", "0.00"],
        [123, 2, "all returned", "2023-03", "-5.00"],
        [124, 2, "all returned", "2023-03", "-5.00"],
      ],
    });
    assertSameRows(await readSalesTeam(under), [
      ["121", "1", "first", "2023-03", "200.00", "2.00"],
      ["121", "2", "second", "2023-03", "199.99", "0.00"],
      ["121", "3", "third", "2023-03", "-1.00", "0.00"],
      ["121", "2", "second", "2023-04", "10.00", "0.10"],
      ["122", "1", "ties", "2023-03", "50.00", "0.50"],
      ["122", "3", "ties", "2023-03", "50.00", "0.50"],
      ["122", "2", "behind", "2023-03", "49.99", "0.00"],
      ["123", "1", "nothing sold", "2023-03", "0.00", "0.00"],
      ["123", "2", "all returned", "2023-03", "-5.00", "0.00"],
      ["124", "2", "all returned", "2023-03", "-5.00", "0.00"],
    ], "sales_team_data_mart");
  });

  test("commit() moves the incentive within the stores and months that it adds to, and leaves the others", async (under) => {
    await commitRun(under, FIRST, {
      sales: [
        [121, 1, "Ada", "2023-03", "100.00"],
        [121, 2, "Bob", "2023-03", "90.00"],
        [121, 1, "Ada", "2023-02", "100.00"],
        [122, 3, "Cat", "2023-03", "100.00"],
        [123, 4, "Dan", "2023-03", "100.00"],
        [124, 5, "Eve", "2023-03", "100.00"],
      ],
    });
    await commitRun(under, SECOND, {
      incentivePercent: "2",
      sales: [
        [121, 2, "Bob", "2023-03", "20.00"],
        [122, 6, "Fay", "2023-03", "100.00"],
        [123, 4, "Dan", "2023-03", "-100.00"],
      ],
    });
    assertSameRows(await readSalesTeam(under), [
      ["121", "1", "Ada", "2023-03", "100.00", "0.00"],
      ["121", "2", "Bob", "2023-03", "110.00", "2.20"],
      ["121", "1", "Ada", "2023-02", "100.00", "1.00"],
      ["122", "3", "Cat", "2023-03", "100.00", "2.00"],
      ["122", "6", "Fay", "2023-03", "100.00", "2.00"],
      ["123", "4", "Dan", "2023-03", "0.00", "0.00"],
      ["124", "5", "Eve", "2023-03", "100.00", "1.00"],
    ], "sales_team_data_mart");
  });

  test("commit() rounds the incentive half up, at any percent", async (under) => {
    for (const [i, [incentivePercent, incentives]] of Object.entries(INCENTIVES).entries()) {
      // Each is the first of a store of its own.
      const sales = incentives.map((
        [total],
        store,
      ): SalesTotal => [store, 1, "Ada", `2023-0${i + 1}`, total]);
      await commitRun(under, `run-${i}`, { incentivePercent, sales });
    }
    const expected = Object.values(INCENTIVES).flatMap((incentives, i) =>
      incentives.map((
        [total, incentive],
        store,
      ) => [`${store}`, "1", "Ada", `2023-0${i + 1}`, total, incentive])
    );
    assertSameRows(await readSalesTeam(under), expected, "sales_team_data_mart");
  });

  test("commit() reads all files of a total", async (under) => {
    const parts = await Promise.all([
      writeTotals(under, CUSTOMER_TABLE, [[1, "Ann Lee", null, null, "2023-03", "1.50"]]),
      writeTotals(under, CUSTOMER_TABLE, [[2, "Ben Roy", null, null, "2023-03", "2.25"]]),
    ]);
    const files = parts.flatMap((part) => part.files);
    const totals = { table: CUSTOMER_TABLE, files, rowCount: 2, sums: { total_sales: "3.75" } };
    await commitRun(under, FIRST, { totals: [totals] });
    assert.equal((await readCustomers(under)).length, 2);
  });

  test("commit() changes nothing more, when it is repeated, also after the run is published", async (under) => {
    const commit = await commitRun(under, FIRST, FULL_RUN);
    const once = await look(under, FIRST);
    assert.equal(once.customers.length, 3);
    assert.equal(once.archives.length, 1);
    await under.database.commit(commit);
    assert.deepEqual(await look(under, FIRST), once);
    await under.database.finishRun(FIRST, "published");
    const published = await look(under, FIRST);
    await under.database.commit(commit);
    assert.deepEqual(await look(under, FIRST), published);
  });

  test("commit() succeeds, when the lease has expired and nobody has taken it", async (under) => {
    const token = await begin(under.database, FIRST);
    await under.database.renewLease(token, 0);
    await under.database.commit(await newCommit(under, FIRST, token, FULL_RUN));
    assert.equal(await under.database.runState(FIRST), "committed");
  });

  test("commit() fails and changes nothing, when another has taken the lease", async (under) => {
    const token = await begin(under.database, FIRST);
    const commit = await newCommit(under, FIRST, token, FULL_RUN);
    await under.database.renewLease(token, 0);
    await acquire(under.database, BEN);
    const before = await look(under, FIRST);
    await lost(() => under.database.commit(commit));
    assert.deepEqual(await look(under, FIRST), before);
    assert.equal(before.state, "open");
  });

  for (
    const [what, end] of [
      [
        "was abandoned",
        (database: Database, token: number) =>
          database.beginRun({ runId: SECOND, token, configHash: "c0ffee" }),
      ],
      ["has found nothing to do", (database: Database) => database.finishRun(FIRST, "nothing-to-do")],
    ] as const
  ) {
    test(`commit() fails and changes nothing, when the run ${what}`, async (under) => {
      const token = await begin(under.database, FIRST);
      await end(under.database, token);
      const before = await look(under, FIRST);
      await assert.rejects(async () =>
        await under.database.commit(await newCommit(under, FIRST, token, FULL_RUN))
      );
      assert.deepEqual(await look(under, FIRST), before);
    });
  }

  test("commit() fails and changes nothing, when the database does not know the run", async (under) => {
    const token = await acquire(under.database, ANN);
    const before = await look(under, FIRST);
    await assert.rejects(async () =>
      await under.database.commit(await newCommit(under, FIRST, token, FULL_RUN))
    );
    assert.deepEqual(await look(under, FIRST), before);
    assert.equal(before.state, null);
  });

  for (const { name } of [CUSTOMER_TABLE, SALES_TABLE]) {
    test(`commit() fails and changes nothing, when the totals of ${name} are not as they were announced`, async (under) => {
      const token = await begin(under.database, FIRST);
      const commit = await newCommit(under, FIRST, token, FULL_RUN);
      const attempt = (wrong: Partial<TableTotals>) => {
        const totals = commit.totals.map((part) => part.table.name === name ? { ...part, ...wrong } : part);
        return under.database.commit({ ...commit, totals });
      };
      const before = await look(under, FIRST);
      for (const wrong of [{ rowCount: 2 }, { sums: { total_sales: "8.01" } }]) {
        assert.equal((await dataError(() => attempt(wrong))).code, "totals_changed", JSON.stringify(wrong));
      }
      await assert.rejects(attempt({ files: [join(under.folder, "missing.parquet")] }));
      assert.deepEqual(await look(under, FIRST), before);
      await under.database.commit(commit);
    });
  }

  test("commit() takes a run that accepted nothing", async (under) => {
    const ledger = [ledgerEntry("bad.csv", { status: "rejected", reason: "empty_file", sha256: null })];
    await commitRun(under, FIRST, { ledger });
    assert.equal(await under.database.runState(FIRST), "committed");
    assert.deepEqual(await readCustomers(under), []);
    assert.deepEqual([...(await under.database.earlierVersions(["bad.csv"])).keys()], ["bad.csv"]);
  });

  test("runFiles() gives the files that a run has taken", async (under) => {
    const files = (["accepted", "rejected", "duplicate"] as const).map((status) => ({
      key: status,
      dataset: "sales",
      status,
    }));
    await commitRun(under, FIRST, { ledger: files.map(({ key, status }) => ledgerEntry(key, { status })) });
    await commitRun(under, SECOND, { ledger: [ledgerEntry("other.csv")] });
    const found = await under.database.runFiles(FIRST);
    assert.deepEqual(
      found.toSorted((a, b) => a.key < b.key ? -1 : 1),
      files.toSorted((a, b) => a.key < b.key ? -1 : 1),
    );
    assert.deepEqual(await under.database.runFiles("20230101T000000Z-ffff"), []);
  });

  test("rejectedFiles() gives what is not all in the marts, of a run or key, oldest run first", async (under) => {
    const { database } = under;
    await commitRun(under, FIRST, { ledger: REJECTED_LEDGER });
    await commitRun(under, SECOND, { ledger: REJECTED_LEDGER.slice(0, 2) });
    const all = await database.rejectedFiles({ runId: null, key: null });
    assert.deepEqual(all.map(({ runId, key }) => [runId, key]), [
      [FIRST, "partly.csv"],
      [FIRST, "twin.csv"],
      [FIRST, "whole.csv"],
      [SECOND, "whole.csv"],
    ]);
    assert.deepEqual(all[0], {
      runId: FIRST,
      key: "partly.csv",
      dataset: "sales",
      status: "accepted",
      reason: null,
      rowsRead: 5,
      rowsRejected: 3,
      destination: "sales_data_processed/RUN/partly.csv",
      replayedCount: 0,
      lineageSha256: null,
    });
    const keysOf = async (of: { runId: string | null; key: string | null }) =>
      (await database.rejectedFiles(of)).map(({ runId, key }) => `${runId} ${key}`);
    assert.deepEqual(await keysOf({ runId: SECOND, key: null }), [`${SECOND} whole.csv`]);
    assert.deepEqual(await keysOf({ runId: null, key: "whole.csv" }), [
      `${FIRST} whole.csv`,
      `${SECOND} whole.csv`,
    ]);
    assert.deepEqual(await keysOf({ runId: SECOND, key: "partly.csv" }), []);
  });

  test("commit() notes what is replayed, line by line, also when it is repeated", async (under) => {
    const { database } = under;
    await commitRun(under, FIRST, { ledger: REJECTED_LEDGER });
    const commit = await commitReplay(under, SECOND, [{ ...BAD_ROWS, lines: [2, 7] }, {
      ...BAD_FILE,
      lines: [0],
    }]);
    await database.commit(commit);
    assert.deepEqual(await replayedCounts(database), { "partly.csv": 2, "twin.csv": 0, "whole.csv": 1 });
    assert.deepEqual(await database.replayedLines(BAD_ROWS, 0), [2, 7]);
    assert.deepEqual(await database.replayedLines(BAD_ROWS, 2), [7]);
    assert.deepEqual(await database.replayedLines({ ...BAD_ROWS, runId: SECOND }, 0), []);
    assert.deepEqual(await database.replayedLines(BAD_FILE, -1), [0]);

    await commitReplay(under, THIRD, [{ ...BAD_ROWS, lines: [4] }]);
    assert.deepEqual(await replayedCounts(database), { "partly.csv": 3, "twin.csv": 0, "whole.csv": 1 });
    assert.deepEqual(await database.replayedLines(BAD_ROWS, 0), [2, 4, 7]);
  });

  for (
    const [what, again] of [["a row", { ...BAD_ROWS, lines: [4, 7] }], ["a file", {
      ...BAD_FILE,
      lines: [0],
    }]] as const
  ) {
    test(`commit() fails and changes nothing, when ${what} was replayed before`, async (under) => {
      const { database } = under;
      await commitRun(under, FIRST, { ledger: REJECTED_LEDGER });
      await commitReplay(under, SECOND, [{ ...BAD_ROWS, lines: [2, 7] }, { ...BAD_FILE, lines: [0] }]);
      const token = await begin(database, THIRD);
      const commit = await newReplay(under, THIRD, token, [again], [publish("x")]);
      const before = [await look(under, THIRD), await lookAtReplays(under)];
      assert.equal((await dataError(() => database.commit(commit))).code, "already_replayed");
      assert.deepEqual([await look(under, THIRD), await lookAtReplays(under)], before);
      await acquire(database, { ...ANN, runId: "taken over" });
      await lost(() => database.commit(commit));
      assert.deepEqual([await look(under, THIRD), await lookAtReplays(under)], before);
    });
  }

  test("commit() fails and changes nothing, when the lines to replay are not as they were announced", async (under) => {
    const { database } = under;
    const token = await begin(database, FIRST);
    const commit = await newReplay(under, FIRST, token, [{ ...BAD_ROWS, lines: [2, 7] }]);
    const before = await lookAtReplays(under);
    for (const lineCount of [1, 3]) {
      const wrong = { ...commit, replayed: { ...commit.replayed!, lineCount } };
      assert.equal((await dataError(() => database.commit(wrong))).code, "lines_changed");
    }
    await assert.rejects(
      database.commit({
        ...commit,
        replayed: { ...commit.replayed!, linesFile: join(under.folder, "missing") },
      }),
    );
    assert.deepEqual(await lookAtReplays(under), before);
    await database.commit(commit);
  });

  test("newByLineage() knows replayed content by its key, until a run has taken it", async (under) => {
    const { database } = under;
    await commitRun(under, FIRST, { ledger: REJECTED_LEDGER });
    await commitReplay(under, SECOND, [{ ...BAD_ROWS, lines: [2] }, { ...BAD_FILE, lines: [0] }]);
    const rows = { key: landingKey(SECOND, BAD_ROWS), sha256: sha256("composed") };
    const asked = [
      rows,
      { key: landingKey(SECOND, BAD_FILE), sha256: sha256("composed") },
      { key: "sales_data/other.csv", sha256: sha256("composed") },
    ];
    assert.deepEqual(await database.newByLineage(asked), new Set([rows.key]));
    assert.deepEqual(await database.newByLineage([]), new Set());
    assert.deepEqual(
      await database.newByLineage([{ ...rows, sha256: sha256("other") }]),
      new Set(),
      "other content under its key",
    );
    await commitRun(under, THIRD, {
      ledger: [ledgerEntry("of the same content", { sha256: rows.sha256 })],
    });
    assert.deepEqual(await database.newByLineage([rows]), new Set([rows.key]));
    await commitRun(under, "taker", {
      ledger: [ledgerEntry(rows.key, { sha256: rows.sha256, status: "rejected" })],
    });
    assert.deepEqual(await database.newByLineage([rows]), new Set());
    const [taken] = await database.rejectedFiles({ runId: "taker", key: null });
    assert.equal(taken?.lineageSha256, rows.sha256, "it can be replayed whole, and is still known to be new");
  });

  test("newByLineage() knows a whole file that holds replayed rows, unless that was accepted after all", async (under) => {
    const { database } = under;
    const content = sha256("composed");
    const parent = { runId: FIRST, key: "replayed.csv", kind: "file", lines: [0], sha256: content } as const;
    const whole = { key: landingKey(SECOND, parent), sha256: content };
    await commitRun(under, FIRST, {
      ledger: [ledgerEntry(parent.key, { status: "rejected", sha256: content })],
    });
    await commitReplay(under, SECOND, [parent]);
    assert.deepEqual(await database.newByLineage([whole]), new Set([whole.key]));
    await commitRun(under, THIRD, { ledger: [ledgerEntry(parent.key, { sha256: content })] });
    assert.deepEqual(await database.newByLineage([whole]), new Set());
  });

  test("newByLineage() knows rows, when their file was accepted with the same content", async (under) => {
    const { database } = under;
    const only = { runId: FIRST, key: "one bad row.csv", kind: "rows", lines: [2] } as const;
    await commitRun(under, FIRST, {
      ledger: [ledgerEntry(only.key, { sha256: sha256("composed"), rowsRejected: 1 })],
    });
    await commitReplay(under, SECOND, [only]);
    const rows = { key: landingKey(SECOND, only), sha256: sha256("composed") };
    assert.deepEqual(await database.newByLineage([rows]), new Set([rows.key]));
  });

  test("commit() takes replays of 250,000 rows, which are read a page at a time", async (under) => {
    const { database } = under;
    const lines = Array.from({ length: 250_000 }, (_, i) => 2 * i + 2);
    await commitReplay(under, FIRST, [{ ...BAD_ROWS, lines }, {
      ...BAD_ROWS,
      key: "other.csv",
      lines: [3, 5],
    }]);
    const found: number[] = [];
    let pages = 0;
    for (let page = await database.replayedLines(BAD_ROWS, 0); page.length > 0; pages++) {
      found.push(...page);
      page = await database.replayedLines(BAD_ROWS, found.at(-1) ?? 0);
    }
    assert.equal(pages, 3);
    assert.ok(isDeepStrictEqual(found, lines), "other lines");
  });

  test("pendingMoves() gives the open moves of a kind as they were committed, oldest run first", async (under) => {
    const { database } = under;
    const publishes = [publish("one"), publish("two")];
    const archives = [archive("one"), { ...archive("two"), localCopy: null, sizeBytes: 2 ** 53 - 1 }];
    await commitRun(under, FIRST, { moves: [...publishes, ...archives] });
    await commitRun(under, SECOND, { moves: archives });
    await begin(database, THIRD);
    const found = await database.pendingMoves("archive");
    assert.deepEqual(found.map(({ runId }) => runId), [FIRST, FIRST, SECOND, SECOND]);
    for (const runId of [FIRST, SECOND]) {
      assert.deepEqual(
        sortMoves(found.filter((move) => move.runId === runId).map(orderOf)),
        sortMoves(archives),
      );
    }
    assert.deepEqual(sortMoves((await database.pendingMoves("publish")).map(orderOf)), sortMoves(publishes));
    const ids = [...found, ...await database.pendingMoves("publish")].map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  test("settleMoves() takes moves off the list, done or lost, also when it is repeated", async (under) => {
    const { database } = under;
    await commitRun(under, FIRST, { moves: ["a", "b", "c"].map(archive) });
    const [a, b, c] = await database.pendingMoves("archive");
    await database.settleMoves([]);
    assert.equal((await database.pendingMoves("archive")).length, 3);
    for (let i = 0; i < 2; i++) {
      await database.settleMoves([{ id: a!.id, outcome: "done" }, { id: c!.id, outcome: "lost" }]);
      assert.deepEqual(await database.pendingMoves("archive"), [b]);
    }
  });

  test("publishedObjects() gives what a run published, settled or not", async (under) => {
    const { database } = under;
    const moves = [publish("a"), { ...publish("b"), sizeBytes: 0 }, archive("c")];
    await commitRun(under, FIRST, { moves });
    await commitRun(under, SECOND, { moves: [publish("d")] });
    const [first] = await database.pendingMoves("publish");
    await database.settleMoves([{ id: first!.id, outcome: "done" }]);
    const found = await database.publishedObjects(FIRST);
    const byKey = found.toSorted((a, b) => a.key < b.key ? -1 : 1);
    const expected = moves.slice(0, 2).map(({ to, sizeBytes }) => ({ key: to, sizeBytes }));
    assert.deepEqual(byKey, expected.toSorted((a, b) => a.key < b.key ? -1 : 1));
    assert.deepEqual(await database.publishedObjects("20230101T000000Z-ffff"), []);
  });

  test("keys are bytes: none is altered, and none is taken for another", async (under) => {
    const { database } = under;
    // Each has a neighbour that a careless comparison takes for it.
    const known = ODD_KEYS.filter((_, i) => i % 2 === 0), other = ODD_KEYS.filter((_, i) => i % 2 === 1);
    const moves = known.map((key): MoveOrder => ({
      ...archive("x"),
      from: key,
      to: `to/${key}`,
      localCopy: key,
    }));
    const ledger = known.map((key) => ledgerEntry(key, { destination: `to/${key}` }));
    await commitRun(under, FIRST, { moves, ledger });
    assert.deepEqual(
      sortMoves((await database.pendingMoves("archive")).map(orderOf)),
      sortMoves(moves),
    );
    const versions = await database.earlierVersions([...known, ...other]);
    assert.deepEqual(new Set(versions.keys()), new Set(known));
    await database.settleMoves(
      (await database.pendingMoves("archive")).map(({ id }) => ({ id, outcome: "done" })),
    );

    await commitRun(under, SECOND, { moves: moves.map((move) => ({ ...move, kind: "publish" })) });
    const published = await database.publishedObjects(SECOND);
    assert.deepEqual(published.map(({ key }) => key).sort(), known.map((key) => `to/${key}`).sort());

    const files = known.map((key) => ({ kind: "rows" as const, runId: FIRST, key, lines: [2] }));
    await commitReplay(under, THIRD, files);
    for (const key of known) {
      assert.deepEqual(await database.replayedLines({ runId: FIRST, key }, 0), [2], key);
    }
    for (const key of other) {
      assert.deepEqual(await database.replayedLines({ runId: FIRST, key }, 0), [], key);
    }
    const landed = [...known, ...other].map((key) => ({
      key: landingKey(THIRD, { key }),
      sha256: sha256("composed"),
    }));
    assert.deepEqual(
      await database.newByLineage(landed),
      new Set(landed.slice(0, known.length).map(({ key }) => key)),
    );
  });

  test("commit() takes 20,000 files, and their moves are settled at once", async (under) => {
    const { database } = under;
    const names = Array.from({ length: 20_000 }, (_, i) => `sales_data/store-${i % 1000}/${i}.csv`);
    await commitRun(under, FIRST, {
      moves: names.map(archive),
      ledger: names.map((key) => ledgerEntry(key)),
    });
    const pending = await database.pendingMoves("archive");
    assert.equal(pending.length, names.length);
    assert.equal((await database.earlierVersions(names)).size, names.length);
    assert.equal((await database.acceptedContent("sales", names.map(sha256))).size, names.length);
    await database.settleMoves(pending.map(({ id }) => ({ id, outcome: "done" })));
    assert.deepEqual(await database.pendingMoves("archive"), []);
  });

  testOwnTables(test);
  testMigration(kind, open, test);
}

/** By percent: a total and its incentive. */
const INCENTIVES: Readonly<Record<string, readonly (readonly [total: string, incentive: string])[]>> = {
  "0": [["46463.50", "0.00"], ["0.01", "0.00"]],
  "1": [
    ["46463.50", "464.64"],
    ["46463.49", "464.63"],
    ["0.50", "0.01"],
    ["0.49", "0.00"],
    // The nearest floating point numbers of these are below the half.
    ["100.50", "1.01"],
    ["114.50", "1.15"],
  ],
  "1.2345": [
    ["3000.00", "37.04"],
    ["2000.00", "24.69"],
    ["0.01", "0.00"],
    ["12345678901234567890123456.78", "152407406035740740603574.07"],
  ],
  "0.0001": [["4999.99", "0.00"], ["5000.00", "0.01"]],
  "12.5": [["0.04", "0.01"], ["0.03", "0.00"]],
  "100": [["99999999999999999999999999.98", "99999999999999999999999999.98"], ["0.01", "0.01"]],
};

/** Pairs of a key and one that it must not be taken for. */
const ODD_KEYS: readonly string[] = [
  ["A.csv", "a.csv"],
  ["trailing spaces.csv  ", "trailing spaces.csv"],
  [" leading.csv", "leading.csv"],
  ['it\'s "quoted" `here`.csv', `it''s "quoted" \`here\`.csv`],
  ["line\nend\r\n.csv", "line\\nend\\r\\n.csv"],
  ["tab\t.csv", "tab .csv"],
  ["back\\slash\\.csv", "backslash.csv"],
  ["\\N", "NULL"],
  ["caf\u00e9.csv", "cafe\u0301.csv"],
  ["stra\u00dfe.csv", "strasse.csv"],
  ["\u{1f600}/\u{20000}.csv", "\u{1f601}/\u{20000}.csv"],
  ["100%_[a]*?.csv", "100x_a.csv"],
  ['{"json": ["$1", "?", null]}', '{"json":["$1","?",null]}'],
  ["null", ""],
  ["0012", "12"],
  ["/a//b/../c.csv", "a/c.csv"],
  // With "to/" before it this is as long as a key may be.
  ["x".repeat(1021), "x".repeat(1020)],
].flat();

/** The dimension tables, with columns that the pipeline does not use, and other types than it writes. */
const DIMENSION_TABLES: Readonly<
  Record<string, { readonly columns: string; readonly rows: readonly string[] }>
> = {
  customer: {
    columns: `first_name VARCHAR(100), customer_id INTEGER, last_name VARCHAR(100), address VARCHAR(200),
      pincode INTEGER, phone_number VARCHAR(20), customer_joining_date DATE`,
    rows: [
      "'Ann', 1, 'Lee', '1 Elm St', 110001, '0555', DATE '2020-02-29'",
      "NULL, NULL, NULL, NULL, NULL, NULL, NULL",
      "' It''s \u00c5sa\u{1f600} ', 2, '', '', 7, 'x', NULL",
    ],
  },
  store: {
    columns: "id BIGINT, store_manager_name VARCHAR(100), reviews VARCHAR(200)",
    rows: ["121, 'Mo', NULL"],
  },
  product: { columns: "name VARCHAR(100), id SMALLINT", rows: ["'sugar', 1", "'Sugar ', 1"] },
  sales_team: {
    columns: `id DECIMAL(18,0), first_name VARCHAR(100), last_name VARCHAR(100), manager_id INTEGER,
      is_manager VARCHAR(1), address VARCHAR(200), pincode VARCHAR(10), joining_date DATE`,
    rows: ["1, 'Ada', NULL, 10, 'N', NULL, '01', NULL", "10, 'Mo', NULL, NULL, 'Y', NULL, NULL, NULL"],
  },
};

/** Columns that a snapshot needs, with a type that does not do, or `null` for a column that is missing. */
const UNFIT_COLUMNS: readonly (readonly [table: string, column: string, type: string | null])[] = [
  ["sales_team", "pincode", null],
  ["customer", "customer_id", null],
  ["customer", "customer_id", "VARCHAR(20)"],
  ["store", "id", "DECIMAL(10,2)"],
  ["sales_team", "manager_id", "DOUBLE"],
];

/** What a snapshot has of them. */
const SNAPSHOTS = {
  customer: {
    columns: [
      "customer_id BIGINT",
      "first_name VARCHAR",
      "last_name VARCHAR",
      "address VARCHAR",
      "pincode VARCHAR",
      "phone_number VARCHAR",
    ],
    rows: [
      ["1", "Ann", "Lee", "1 Elm St", "110001", "0555"],
      [null, null, null, null, null, null],
      ["2", " It's \u00c5sa\u{1f600} ", "", "", "7", "x"],
    ],
  },
  store: { columns: ["id BIGINT", "store_manager_name VARCHAR"], rows: [["121", "Mo"]] },
  product: { columns: ["id BIGINT", "name VARCHAR"], rows: [["1", "sugar"], ["1", "Sugar "]] },
  sales_team: {
    columns: [
      "id BIGINT",
      "manager_id BIGINT",
      "first_name VARCHAR",
      "last_name VARCHAR",
      "is_manager VARCHAR",
      "address VARCHAR",
      "pincode VARCHAR",
    ],
    rows: [["1", "10", "Ada", null, "N", null, "01"], ["10", null, "Mo", null, "Y", null, null]],
  },
} as const;

/** A run that has something of everything, whose totals are 3 rows of 8.00. */
const FULL_RUN: RunContent = {
  customers: [
    [1, "Ann Lee", "1 Elm St", "555", "2023-03", "1.00"],
    [1, "Ann Lee", "1 Elm St", "555", "2023-04", "3.00"],
    [2, "Ben Roy", null, null, "2023-04", "4.00"],
  ],
  sales: [
    [121, 1, "Ada", "2023-03", "1.00"],
    [121, 1, "Ada", "2023-04", "3.00"],
    [121, 2, "Bob", "2023-04", "4.00"],
  ],
  ledger: [ledgerEntry("known.csv")],
  moves: [publish("part-0.parquet"), archive("known.csv")],
};

/** Makes and fills the dimension tables, or one of them, as somebody else does. */
async function loadDimensions({ sql }: DatabaseUnderTest, only?: string): Promise<void> {
  const wanted = Object.entries(DIMENSION_TABLES).filter(([table]) => table === (only ?? table));
  await sql(...wanted.flatMap(([table, { columns, rows }]) => [
    `CREATE TABLE ${table} (${columns})`,
    `INSERT INTO ${table} VALUES ${rows.map((row) => `(${row})`).join(", ")}`,
  ]));
}

/** Asks for the lease, which must be refused; gives who has it. */
async function refused(database: Database, owner: LeaseOwner) {
  const answer = await database.acquireLease(owner, LONG);
  assert.ok("heldBy" in answer, `${owner.owner} got the lease`);
  return answer.heldBy;
}

/** A run's ledger: a file all of whose rows are in the marts, and everything that is not. */
const REJECTED_LEDGER: readonly LedgerEntry[] = [
  ledgerEntry("whole.csv", { status: "rejected", reason: "missing_columns", rowsRead: 0, rowsAccepted: 0 }),
  ledgerEntry("good.csv"),
  ledgerEntry("partly.csv", { rowsRead: 5, rowsAccepted: 2, rowsRejected: 3 }),
  ledgerEntry("twin.csv", { status: "duplicate", reason: "same_content", rowsRead: 0, rowsAccepted: 0 }),
];
const BAD_ROWS = { kind: "rows", runId: FIRST, key: "partly.csv" } as const;
const BAD_FILE = { kind: "file", runId: FIRST, key: "whole.csv" } as const;

/** What a replay puts back of a file. */
interface ReplayContent extends Pick<ReplayedFile, "kind" | "runId" | "key"> {
  readonly lines: readonly number[];
  /** Left out: that of `composed` for rows, none for a whole file. */
  readonly sha256?: string;
}

function landingKey(runId: string, { key }: { key: string }): string {
  return `r/${runId}/${key}`;
}

/** What a replay commits; like a run it may have moves. */
async function newReplay(
  under: DatabaseUnderTest,
  runId: string,
  token: number,
  contents: readonly ReplayContent[],
  moves: readonly MoveOrder[] = [],
): Promise<Commit> {
  const linesFile = join(under.folder, `${crypto.randomUUID()}.lines`);
  const lines = contents.flatMap((content, i) => content.lines.map((line) => `${2 * i}\t${line}\n`));
  await Deno.writeTextFile(linesFile, lines.join(""));
  const files = contents.map(({ lines, ...content }, i): ReplayedFile => ({
    number: 2 * i,
    sha256: content.kind === "rows" ? sha256("composed") : null,
    ...content,
    landingKey: landingKey(runId, content),
    lineCount: lines.length,
  }));
  const replayed = { files, linesFile, lineCount: lines.length };
  return { ...await newCommit(under, runId, token, { moves }), replayed };
}

async function commitReplay(
  under: DatabaseUnderTest,
  runId: string,
  contents: readonly ReplayContent[],
): Promise<Commit> {
  const commit = await newReplay(under, runId, await begin(under.database, runId), contents);
  await under.database.commit(commit);
  return commit;
}

async function replayedCounts(database: Database): Promise<Record<string, number>> {
  const files = await database.rejectedFiles({ runId: FIRST, key: null });
  return Object.fromEntries(files.map(({ key, replayedCount }) => [key, replayedCount]));
}

async function lookAtReplays({ sql }: DatabaseUnderTest) {
  return {
    files: await sql(
      "SELECT run_id, number, kind, source_run, line_count, sha256 FROM replayed_file ORDER BY 1, 2",
    ),
    rows: await sql("SELECT source_run, line, run_id FROM replayed_row ORDER BY 1, 2"),
  };
}

/** A pending move as it was ordered. */
function orderOf({ id: _id, runId: _runId, ...order }: PendingMove): MoveOrder {
  return order;
}

function sortMoves(moves: readonly MoveOrder[]): MoveOrder[] {
  return moves.toSorted((a, b) => Buffer.compare(Buffer.from(a.from), Buffer.from(b.from)));
}

/** Settles all open moves of a kind, or those of one run. */
async function settle(database: Database, kind: MoveOrder["kind"], runId?: string): Promise<void> {
  const open = (await database.pendingMoves(kind)).filter((move) =>
    runId === undefined || move.runId === runId
  );
  await database.settleMoves(open.map(({ id }) => ({ id, outcome: "done" })));
}

async function states(database: Database) {
  return await Promise.all(RUNS.map((runId) => database.runState(runId)));
}

/** Everything that a commit changes, as far as the contract shows it. */
async function look(under: DatabaseUnderTest, runId: string) {
  const { database } = under;
  return {
    state: await database.runState(runId),
    unfinished: await database.unfinishedRuns(),
    publishes: await database.pendingMoves("publish"),
    archives: await database.pendingMoves("archive"),
    published: await database.publishedObjects(runId),
    known: await database.earlierVersions(["known.csv"]),
    accepted: await database.acceptedContent("sales", [sha256("known.csv")]),
    customers: await readCustomers(under),
    salesTeam: await readSalesTeam(under),
  };
}
