import assert from "node:assert/strict";
import { join } from "node:path";
import type { Database } from "../../lib/database/database.ts";
import { type MysqlDatabaseOptions, openMysqlDatabase } from "../../lib/database/mysql/database.ts";
import { MysqlConnection, type MysqlTarget } from "../../lib/database/mysql/connection.ts";
import { MysqlFault } from "../../lib/database/mysql/errors.ts";
import type { Commit, ReportingTable, TableTotals } from "../../lib/database/records.ts";
import {
  AccessError,
  ConfigError,
  DataError,
  InterruptedError,
  messageOf,
  PipelineError,
  UnavailableError,
} from "../../lib/errors.ts";
import { Secret } from "../../lib/secrets/secret.ts";
import { end, removeAtEnd } from "../support/ending.ts";
import { finished, until } from "../support/waiting.ts";
import { testDatabase } from "../database/conformance.ts";
import { CUSTOMER_TABLE, DIMENSIONS, SALES_TABLE } from "../database/fixtures.ts";
import { assertVersion2Kept } from "../database/migration.ts";
import { MYSQL_VERSION_2 } from "../database/mysql/version2.ts";
import { readParquet, select, sqlText, withDuckdb } from "../support/duckdb.ts";
import { assertSameRows, type Row } from "../support/rows.ts";
import { FaultProxy } from "./fault_proxy.ts";
import { freePort } from "./free_port.ts";
import { type FreshDatabase, MysqlServer } from "./mysql_server.ts";

let server: MysqlServer;
Deno.test.beforeAll(async () => {
  server = await MysqlServer.start();
});
Deno.test.afterAll(() => server?.[Symbol.asyncDispose]());

testDatabase("mysql", () => openFresh());

/** A database of its own with a folder that goes when it does; the client may go by another way to the server. */
async function openFresh(options: Partial<MysqlDatabaseOptions> = {}) {
  const fresh = await server.freshDatabase();
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "mysql-database-" }));
  const database = openAt(fresh, folder, options);
  return {
    fresh,
    folder,
    database,
    sql: fresh.sql,
    quote: (name: string) => `\`${name}\``,
    exact: "COLLATE utf8mb4_bin",
    version2: MYSQL_VERSION_2,
    async [Symbol.asyncDispose]() {
      await end(() => database[Symbol.asyncDispose]());
      await fresh[Symbol.asyncDispose]();
      await removeAtEnd(folder);
    },
  };
}

type Under = Awaited<ReturnType<typeof openFresh>>;

function openAt(
  { name, account }: FreshDatabase,
  folder: string,
  options: Partial<MysqlDatabaseOptions> = {},
): Database {
  return openMysqlDatabase({
    ...account,
    password: new Secret(account.password),
    database: name,
    workDir: folder,
    resources: { memoryLimit: "256MiB", threads: 1 },
    newId: () => crypto.randomUUID(),
    ...options,
  });
}

const RUN = "20230401T020000Z-0001";
const OWNER = { owner: "work dir of ann", holder: "process 11", runId: RUN };
/** Seconds; longer than any test. */
const LONG = 900;

const CUSTOMERS = `SELECT i::BIGINT AS customer_id, 'Ann ' || i AS full_name, NULL::VARCHAR AS address,
  '055' || i AS phone_number, '2023-03' AS sales_month, (i + 0.01)::DECIMAL(28,2) AS total_sales FROM range(1, 4) r(i)`;
const SALES = `SELECT 121::BIGINT AS store_id, i::BIGINT AS sales_person_id, 'Ada' AS full_name,
  '2023-03' AS sales_month, (i * 100)::DECIMAL(28,2) AS total_sales FROM range(1, 3) r(i)`;

/** The month on its way to the server. */
const MONTH = new TextEncoder().encode("2023-03").toHex().toUpperCase();

/** Writes the rows of a query as totals of a table that adds up `total_sales`. */
async function totalsOf(folder: string, table: ReportingTable, query: string): Promise<TableTotals> {
  const file = join(folder, `${crypto.randomUUID()}.parquet`);
  return await withDuckdb(":memory:", async (connection) => {
    await connection.run(`COPY (${query}) TO ${sqlText(file)} (FORMAT parquet)`);
    const sums = "count(*), CAST(sum(total_sales) AS DECIMAL(28,2))";
    const { rows } = await select(connection, `SELECT ${sums} FROM read_parquet(${sqlText(file)})`);
    const [rowCount, total] = rows[0] ?? [];
    return { table, files: [file], rowCount: Number(rowCount), sums: { total_sales: String(total) } };
  });
}

async function begin(database: Database, runId = RUN): Promise<number> {
  const answer = await database.acquireLease({ ...OWNER, runId }, LONG);
  assert.ok("token" in answer);
  await database.beginRun({ runId, token: answer.token, configHash: "c0ffee" });
  return answer.token;
}

/** Makes the pipeline's own tables and the shipped reporting tables. */
async function prepare(database: Database): Promise<void> {
  await database.prepare();
  await database.prepareTables([CUSTOMER_TABLE, SALES_TABLE]);
}

/** Prepares the database, begins a run, and gives what it is to commit. */
async function readyToCommit(
  { database, folder }: Under,
  { customers = CUSTOMERS, sales = SALES } = {},
): Promise<Commit> {
  await prepare(database);
  const token = await begin(database);
  return {
    runId: RUN,
    token,
    totals: [
      await totalsOf(folder, CUSTOMER_TABLE, customers),
      await totalsOf(folder, SALES_TABLE, sales),
    ],
    incentivePercent: "1",
    ledger: [],
    moves: [],
  };
}

/** Commits; the run is committed then. */
async function commitAll({ database }: Under, commit: Commit): Promise<void> {
  await database.commit(commit);
  assert.equal(await database.runState(commit.runId), "committed");
}

/** The marts after CUSTOMERS and SALES have been added so often. */
async function assertAdded({ sql }: Under, times: number): Promise<void> {
  const customers = await sql("SELECT COUNT(*), COALESCE(SUM(total_sales), 0) FROM customers_data_mart");
  assert.deepEqual(customers, times === 0 ? [["0", "0.00"]] : [["3", (times * 6.03).toFixed(2)]]);
  const sales = await sql("SELECT total_sales, incentive FROM sales_team_data_mart ORDER BY sales_person_id");
  assert.deepEqual(
    sales,
    times === 0 ? [] : [[`${times * 100}.00`, "0.00"], [
      `${times * 200}.00`,
      `${times * 2}.00`,
    ]],
  );
}

/** Runs `act`, which must fail in this way; neither message nor causes may tell the password. */
async function fails<E extends PipelineError>(
  type: new (...args: never[]) => E,
  code: string,
  says: RegExp,
  act: () => Promise<unknown>,
): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(error instanceof type, `failed with ${error instanceof Error ? error.stack : error}`);
    assert.equal(error.code, code);
    assert.match(error.message, says);
    assert.doesNotMatch(messageOf(error) + Deno.inspect(error), /canary/);
    return true;
  });
}

/** Waits until a transaction waits for a lock. */
function untilOneWaits(): Promise<void> {
  return until("a transaction waits for a lock", isOneWaiting);
}

async function isOneWaiting(): Promise<boolean> {
  // InnoDB does not look anew at its transactions where it was asked less than 100 ms ago.
  await new Promise((done) => setTimeout(done, 150));
  const waiting = await server.sql(
    "SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'",
  );
  return waiting.length > 0;
}

/** A connection of another program, with the rights of the case's account. */
function openOther({ fresh }: Under): Promise<MysqlConnection> {
  return MysqlConnection.open(targetOf(fresh));
}

function targetOf({ name, account }: FreshDatabase): MysqlTarget {
  return { ...account, password: new Secret(account.password), database: name, tls: null, readOnly: false };
}

/** Takes a snapshot of the shipped dimensions. */
async function takeSnapshot({ database, folder }: Pick<Under, "database" | "folder">) {
  const { customer, sales_team } = await database.snapshot(folder, DIMENSIONS);
  assert.ok(customer && sales_team);
  return { customer, sales_team };
}

/** Begins a query that has the numbers from 1 as `i` of `numbers`. */
function numbersTo(last: number): string {
  return `WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${last})`;
}

async function makeDimensions({ sql }: Under, customers = 1): Promise<void> {
  await sql(
    `CREATE TABLE customer (customer_id BIGINT, first_name VARCHAR(50), last_name VARCHAR(50), address VARCHAR(100),
       pincode VARCHAR(10), phone_number VARCHAR(20))`,
    `INSERT INTO customer ${
      numbersTo(customers)
    } SELECT i, CONCAT('Ann ', i), 'Lee', REPEAT('Elm St ', 10), '110001', '0555' FROM numbers`,
    "CREATE TABLE store (id BIGINT, store_manager_name VARCHAR(50))",
    "CREATE TABLE product (id BIGINT, name VARCHAR(50))",
    `CREATE TABLE sales_team (id BIGINT, manager_id BIGINT, first_name VARCHAR(50), last_name VARCHAR(50),
       is_manager VARCHAR(1), address VARCHAR(50), pincode VARCHAR(10))`,
  );
}

Deno.test("snapshot() shows all dimensions as of one moment, when they are changed meanwhile", async () => {
  await using under = await openFresh();
  await makeDimensions(under, 30_000);
  const other = await openOther(under);
  let isOver = false;
  const change = (async () => {
    for (let id = -1; !isOver; id--) {
      await other.run("START TRANSACTION");
      await other.run("INSERT INTO customer (customer_id) VALUES (?)", [id]);
      await other.run("INSERT INTO sales_team (id) VALUES (?)", [id]);
      await other.run("COMMIT");
    }
  })();
  const { customer, sales_team } = await takeSnapshot(under).finally(() => isOver = true);
  await change;
  await other.close();
  const after = await under.sql("SELECT COUNT(*) FROM sales_team");
  assert.ok(Number(after[0]?.[0]) > sales_team.rowCount, "nothing was changed meanwhile");
  assert.equal(customer.rowCount - 30_000, sales_team.rowCount);
});

Deno.test("snapshot() takes values as the database has them, whatever they look like", async () => {
  await using under = await openFresh();
  await makeDimensions(under);
  await under.sql(
    "DELETE FROM customer",
    "ALTER TABLE customer MODIFY first_name DATE, MODIFY last_name DECIMAL(20,10), MODIFY address TEXT",
    "ALTER TABLE customer MODIFY pincode ENUM('a', 'B'), MODIFY phone_number DATETIME(6)",
    String
      .raw`INSERT INTO customer VALUES (9007199254740993, '0001-01-01', 0.1, 'NULL', 'B', '2023-03-26 02:30:00'),
       (2, NULL, NULL, '', NULL, NULL), (3, NULL, NULL, '\\N\n\r\t"\'', NULL, NULL),
       (4, NULL, NULL, CONCAT(CHAR(0xFEFF USING utf16), 'x '), NULL, NULL)`,
  );
  const { customer } = await takeSnapshot(under);
  assertSameRows((await readParquet([customer.file])).rows, [
    ["9007199254740993", "0001-01-01", "0.1000000000", "NULL", "B", "2023-03-26 02:30:00.000000"],
    ["2", null, null, "", null, null],
    ["3", null, null, "\\N\n\r\t\"'", null, null],
    ["4", null, null, "x ", null, null],
  ], "customer");
  // The tests' DuckDB driver drops a leading U+FEFF when it reads.
  const bytes = await withDuckdb(":memory:", (connection) =>
    select(
      connection,
      `SELECT hex(encode(address)) FROM read_parquet(${sqlText(customer.file)}) WHERE customer_id = 4`,
    ));
  assert.deepEqual(bytes.rows, [["EFBBBF7820"]]);
});

Deno.test("snapshot() gives bits as numbers, and bytes as the text that they are", async () => {
  await using under = await openFresh();
  await makeDimensions(under);
  await under.sql(
    "DELETE FROM customer",
    "ALTER TABLE customer MODIFY first_name BIT(1), MODIFY last_name BIT(64), MODIFY address BLOB",
    "ALTER TABLE customer MODIFY pincode VARBINARY(20), MODIFY phone_number SET('a', 'b')",
    "INSERT INTO customer VALUES (1, b'1', 0xFFFFFFFFFFFFFFFF, 'Zo\u00eb', '', 'a,b'), (2, b'0', b'0', NULL, ' x', '')",
  );
  const { customer } = await takeSnapshot(under);
  assertSameRows((await readParquet([customer.file])).rows, [
    ["1", "1", "18446744073709551615", "Zo\u00eb", "", "a,b"],
    ["2", "0", "0", null, " x", ""],
  ], "customer");
});

/** Columns without text: type, what is in it in the row with the key 2, and what the message says. */
const NO_TEXTS: readonly (readonly [type: string, value: string, says: RegExp])[] = [
  ["BLOB", "0xE9", /customer\.address of .* no UTF-8 text, .* key "2"/],
  ["VARBINARY(20)", "'a\\0'", /customer\.address of .* no UTF-8 text, .* key "2"/],
  ["BINARY(8)", "'padded'", /customer\.address of .* no UTF-8 text, .* key "2"/],
  ["POINT", "POINT(1, 2)", /customer\.address of .* is point, which has no text/],
];

Deno.test("snapshot() refuses what has no text, and names table, column and key", async () => {
  await using under = await openFresh();
  await makeDimensions(under);
  for (const [type, value, says] of NO_TEXTS) {
    await under.sql(
      "DELETE FROM customer",
      "ALTER TABLE customer DROP COLUMN address",
      `ALTER TABLE customer ADD COLUMN address ${type}`,
      `INSERT INTO customer (customer_id, address) VALUES (1, NULL), (2, ${value})`,
    );
    await fails(DataError, "dimension_no_text", says, () => takeSnapshot(under));
  }
});

Deno.test("snapshot() says which id is too large, when a key does not fit into 64 bits", async () => {
  await using under = await openFresh();
  await makeDimensions(under);
  await under.sql(
    "ALTER TABLE product MODIFY id BIGINT UNSIGNED",
    "INSERT INTO product VALUES (9223372036854775808, 'x')",
  );
  await fails(DataError, "dimension_key_type", /product\.id/, () => takeSnapshot(under));
});

Deno.test("snapshot() keeps its memory bounded, when there are 500,000 rows", async () => {
  await using under = await openFresh({ resources: { memoryLimit: "64MiB", threads: 1 } });
  await makeDimensions(under, 500_000);
  const before = Deno.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => peak = Math.max(peak, Deno.memoryUsage().rss), 50);
  const { customer } = await takeSnapshot(under).finally(() => clearInterval(timer));
  assert.equal(customer.rowCount, 500_000);
  const grownMib = Math.round((peak - before) / 2 ** 20);
  assert.ok(grownMib < 200, `it grew by ${grownMib} MiB`);
});

/** Runs `act` while the server forbids LOAD DATA LOCAL. */
async function withoutLocalInfile(act: () => Promise<void>): Promise<void> {
  await server.sql("SET GLOBAL local_infile = OFF");
  try {
    await act();
  } finally {
    await server.sql("SET GLOBAL local_infile = ON");
  }
}

/** Texts that a careless way of loading would change. */
const ODD_TEXTS: readonly (string | null)[] = [
  null,
  "",
  "NULL",
  "\\N",
  "N",
  "back\\slash\\",
  "tab\tline\nend\r\nreturn\r",
  '"quoted" \'quoted\' ""',
  " blanks ",
  "\u{1f600} caf\u00e9 cafe\u0301 \uFEFF",
  "nul\0byte\x1a",
  "\uFEFF? $1 :name",
  "'); DROP TABLE customers_data_mart; -- \" */ #",
  "{placeholder} ${HOME} %s enc:v1:x [redacted]",
  "=cmd|' /C calc'!A0",
  "../../x",
  "x".repeat(60_000),
];

for (const [what, way] of [["by LOAD DATA", undefined], ["by INSERT", withoutLocalInfile]] as const) {
  Deno.test(`commit() takes every text as it is, when totals are loaded ${what}`, async () => {
    await using under = await openFresh();
    const rows = ODD_TEXTS.map((text, i) =>
      `(${i}, ${
        text === null ? "NULL" : text.split("\0").map(sqlText).join(" || chr(0) || ")
      }, '2023-03', ${i}.10)`
    );
    const given = `(VALUES ${rows.join(", ")}) v(customer_id, full_name, sales_month, total_sales)`;
    const commit = await readyToCommit(under, {
      customers: `SELECT customer_id::BIGINT AS customer_id, full_name, full_name AS address,
        full_name AS phone_number, sales_month, total_sales::DECIMAL(28,2) AS total_sales FROM ${given}`,
    });
    await (way ?? ((act) => act()))(async () => {
      await commitAll(under, commit);
    });
    const found = await under.sql("SELECT full_name, address FROM customers_data_mart ORDER BY customer_id");
    assert.deepEqual(found, ODD_TEXTS.map((text) => [text, text]));
  });

  Deno.test(`commit() fails and changes nothing, when a value does not fit and totals are loaded ${what}`, async () => {
    await using under = await openFresh();
    const commit = await readyToCommit(under);
    const long = "repeat('canary', 20000)";
    const tooLong = CUSTOMERS.replace("NULL::VARCHAR", `CASE WHEN i = 2 THEN ${long} END`);
    const totals = [await totalsOf(under.folder, CUSTOMER_TABLE, tooLong)];
    await (way ?? ((act) => act()))(async () => {
      await fails(
        DataError,
        "value_too_large",
        /customers_data_mart|column/,
        () => under.database.commit({ ...commit, totals }),
      );
    });
    await assertAdded(under, 0);
    assert.equal(await under.database.runState(RUN), "open");
    await under.database.commit(commit);
    await assertAdded(under, 1);
  });
}

for (const [what, way] of [["by LOAD DATA", undefined], ["by INSERT", withoutLocalInfile]] as const) {
  Deno.test(`commit() fails and changes nothing, when a key occurs twice and totals are loaded ${what}`, async () => {
    await using under = await openFresh();
    const commit = await readyToCommit(under);
    const totals = [await totalsOf(under.folder, CUSTOMER_TABLE, `${CUSTOMERS} UNION ALL ${CUSTOMERS}`)];
    await (way ?? ((act) => act()))(async () => {
      await fails(
        DataError,
        "duplicate_key",
        /twice/,
        () => under.database.commit({ ...commit, totals }),
      );
    });
    await assertAdded(under, 0);
  });
}

Deno.test("commit() fails and changes nothing, when a sum does not fit", async () => {
  await using under = await openFresh();
  const commit = await readyToCommit(under);
  await under.database.commit(commit);
  await under.sql("UPDATE customers_data_mart SET total_sales = 99999999999999999999999999.99");
  const token = await begin(under.database, "run-2");
  await fails(
    DataError,
    "total_too_large",
    /does not fit/,
    () => under.database.commit({ ...commit, runId: "run-2", token }),
  );
  assert.equal(await under.database.runState("run-2"), "open");
});

Deno.test("commit() leaves no table behind that was not prepared", async () => {
  await using under = await openFresh();
  await prepare(under.database);
  const tables = await under.sql("SHOW TABLES");
  await under.database.commit(await readyToCommit(under));
  assert.deepEqual(await under.sql("SHOW TABLES"), tables);
  const files = await Array.fromAsync(Deno.readDir(under.folder), ({ name }) => name);
  assert.deepEqual(files.filter((name) => name.endsWith(".tsv")), []);
});

Deno.test("commit() begins its transaction again, when it is the victim of a deadlock", async () => {
  await using under = await openFresh();
  const commit = await readyToCommit(under);
  await under.sql("INSERT INTO customers_data_mart VALUES (1, NULL, NULL, NULL, '2023-03', 0)");
  await under.sql(`CREATE TABLE weight AS ${numbersTo(10_000)} SELECT i FROM numbers`);
  const other = await openOther(under);
  await other.run("START TRANSACTION");
  // InnoDB ends the transaction that has changed less.
  await other.run("UPDATE weight SET i = i + 20000");
  await other.query("SELECT token FROM pipeline_lease FOR UPDATE");
  const loads = () => server.sql("SHOW GLOBAL STATUS LIKE 'Com_load'");
  const [before] = await loads();
  const committed = under.database.commit(commit);
  await untilOneWaits();
  await other.run("UPDATE customers_data_mart SET full_name = 'other' WHERE customer_id = 1");
  await other.run("COMMIT");
  await other.close();
  await committed;
  assert.equal(await under.database.runState(RUN), "committed");
  await assertAdded(under, 1);
  const [after] = await loads();
  assert.equal(Number(after?.[1]) - Number(before?.[1]), 2, "the totals were loaded again too");
});

Deno.test("renewLease() does not wait, when a commit waits for rows", async () => {
  await using under = await openFresh();
  const commit = await readyToCommit(under);
  await under.sql("INSERT INTO customers_data_mart VALUES (1, NULL, NULL, NULL, '2023-03', 0)");
  const other = await openOther(under);
  await other.run("START TRANSACTION");
  await other.run("UPDATE customers_data_mart SET full_name = 'other'");
  const committed = under.database.commit(commit);
  await untilOneWaits();
  assert.equal(await under.database.renewLease(commit.token, LONG), true);
  assert.ok(await isOneWaiting(), "the commit was over before");
  await other.run("COMMIT");
  await other.close();
  await committed;
  assert.equal(await under.database.runState(RUN), "committed");
});

for (const then of ["cut", "strand", "lose answer"] as const) {
  Deno.test(`commit() commits once, when the connection fails at COMMIT: ${then}`, async () => {
    await using proxy = await FaultProxy.start(server);
    await using under = await openFresh({ port: proxy.port });
    const commit = await readyToCommit(under);
    proxy.fault = { direction: "up", at: server.kind.commitPacket, then, times: 1 };
    await commitAll(under, commit);
    assert.equal(proxy.happened, 1);
    await assertAdded(under, 1);
    assert.equal(await under.database.runState(RUN), "committed");
  });

  Deno.test(`commit() says try again and may be repeated, when the server is not reachable after COMMIT: ${then}`, async () => {
    await using proxy = await FaultProxy.start(server);
    await using under = await openFresh({ port: proxy.port });
    const commit = await readyToCommit(under);
    proxy.fault = { direction: "up", at: server.kind.commitPacket, then, thenRefuses: true };
    await fails(UnavailableError, "database_unavailable", /run again/, () => under.database.commit(commit));
    assert.equal(proxy.happened, 1);
    proxy.fault = null;
    proxy.refuses = false;
    if (then === "strand") proxy.cutAll();
    await commitAll(under, commit);
    await assertAdded(under, 1);
  });
}

Deno.test("commit() begins anew, when the connection is cut while the totals are loaded", async () => {
  await using proxy = await FaultProxy.start(server);
  await using under = await openFresh({ port: proxy.port });
  const commit = await readyToCommit(under);
  proxy.fault = { direction: "up", at: MONTH, then: "cut", times: 1 };
  await commitAll(under, commit);
  assert.equal(proxy.happened, 1);
  await assertAdded(under, 1);
});

for (const isAllowed of [true, false]) {
  Deno.test(`commit() notes 12,000 replayed rows, when LOAD DATA is ${isAllowed ? "cut" : "forbidden"}`, async () => {
    await using proxy = await FaultProxy.start(server);
    await using under = await openFresh({ port: proxy.port });
    await under.database.prepare();
    const token = await begin(under.database);
    const lines = Array.from({ length: 12_000 }, (_, i) => i + 2);
    const linesFile = join(under.folder, "lines.tsv");
    await Deno.writeTextFile(linesFile, lines.map((line) => `7\t${line}\n`).join(""));
    const file = { runId: "origin", key: "a.csv" };
    const replayed = {
      ...file,
      number: 7,
      kind: "rows",
      landingKey: "b",
      lineCount: 12_000,
      sha256: "c0ffee",
    } as const;
    const commit: Commit = {
      runId: RUN,
      token,
      totals: [],
      incentivePercent: "1",
      ledger: [],
      moves: [],
      replayed: { files: [replayed], linesFile, lineCount: 12_000 },
    };
    if (isAllowed) {
      proxy.fault = { direction: "up", at: "7\t9000\n", then: "cut", times: 1 };
      await commitAll(under, commit);
      assert.equal(proxy.happened, 1);
    } else {
      await withoutLocalInfile(async () => void await under.database.commit(commit));
    }
    assert.deepEqual(await under.database.replayedLines(file, 0), lines);
  });
}

Deno.test("every method goes on, when idle connections were closed", async () => {
  await using proxy = await FaultProxy.start(server);
  await using under = await openFresh({ port: proxy.port });
  await under.database.prepare();
  proxy.cutAll();
  const token = await begin(under.database);
  const ids = await server.sql(
    `SELECT id FROM information_schema.PROCESSLIST WHERE user = '${under.fresh.name}'`,
  );
  await server.sql(...ids.map(([id]) => `KILL ${id}`));
  assert.equal(await under.database.renewLease(token, LONG), true);
});

Deno.test("a signal ends a commit that waits, at once and on the server, and the lease can be given back", async () => {
  const controller = new AbortController();
  await using under = await openFresh({ signal: controller.signal });
  const commit = await readyToCommit(under);
  const other = await openOther(under);
  await other.run("START TRANSACTION");
  await other.query("SELECT token FROM pipeline_lease FOR UPDATE");
  const committed = under.database.commit(commit);
  await untilOneWaits();
  const reason = new InterruptedError("SIGTERM");
  controller.abort(reason);
  // Nothing that the server says can come before the next turn of the event loop.
  const nextTurn = new Promise((done) => setTimeout(done, 0, "it waited for something"));
  assert.equal(await Promise.race([committed.catch((error) => error), nextTurn]), reason);
  await assert.rejects(under.database.runState(RUN), reason);
  await other.run("COMMIT");
  await other.close();
  await under.database.releaseLease(commit.token);
  await under.database[Symbol.asyncDispose]();
  await assertAdded(under, 0);
  assert.deepEqual(
    await server.sql(`SELECT 1 FROM information_schema.PROCESSLIST WHERE user = '${under.fresh.name}'`),
    [],
  );
  await using next = openAt(under.fresh, under.folder);
  assert.ok("token" in await next.acquireLease({ ...OWNER, owner: "another" }, LONG), "it was not released");
});

Deno.test("a signal ends a snapshot that is under way", async () => {
  await using proxy = await FaultProxy.start(server);
  const controller = new AbortController();
  await using under = await openFresh({ signal: controller.signal, port: proxy.port });
  await makeDimensions(under, 50_000);
  proxy.fault = { direction: "down", at: 200_000, then: "stall" };
  const taken = takeSnapshot(under);
  await until("the answer stalls", () => proxy.happened > 0, taken);
  const reason = new InterruptedError("SIGINT");
  controller.abort(reason);
  await assert.rejects(taken, reason);
});

Deno.test("snapshot() begins anew, when the connection is cut while rows arrive", async () => {
  await using proxy = await FaultProxy.start(server);
  await using under = await openFresh({ port: proxy.port });
  await makeDimensions(under, 50_000);
  proxy.fault = { direction: "down", at: 200_000, then: "cut", times: 1 };
  const { customer } = await takeSnapshot(under);
  assert.equal(proxy.happened, 1);
  assert.equal(customer.rowCount, 50_000);
});

Deno.test("openMysqlDatabase() says what to do, when it cannot connect or log in", async (test) => {
  await using under = await openFresh();
  await server.sql(`GRANT ALL ON nowhere.* TO ${under.fresh.name}@'%'`);
  const cases = [
    [
      "the password is wrong",
      { password: new Secret("canary") },
      AccessError,
      "access_denied",
      /account case_\d+/,
    ],
    ["the database is unknown", { database: "nowhere" }, ConfigError, "database_missing", /nowhere/],
    ["the database is another's", { database: "mysql" }, AccessError, "access_denied", /mysql/],
    ["nobody listens", { port: await freePort() }, UnavailableError, "database_unavailable", /127\.0\.0\.1:/],
    [
      "the host is unknown",
      { host: "no.invalid", tls: { mode: "off" } },
      UnavailableError,
      "database_unavailable",
      /no\.invalid/,
    ],
    [
      "the CA file is missing",
      { host: "localhost", tls: { mode: "required", caFile: "/no/ca.pem" } },
      ConfigError,
      "ca_file_missing",
      /\/no\/ca\.pem/,
    ],
  ] as const;
  for (const [what, options, type, code, says] of cases) {
    await test.step(what, async () => {
      await using database = openAt(under.fresh, under.folder, options);
      await fails<PipelineError>(type, code, says, () => database.prepare());
    });
  }
});

Deno.test("openMysqlDatabase() gives up, when the server accepts connections and says nothing", async () => {
  await using proxy = await FaultProxy.start(server);
  await using under = await openFresh({ port: proxy.port });
  proxy.fault = { direction: "down", at: 0, then: "stall" };
  const given = fails(
    UnavailableError,
    "database_unavailable",
    /in time/,
    () => under.database.runState(RUN),
  );
  await finished("the connecting", given);
});

Deno.test("MysqlConnection cuts the connection, when a statement takes longer than it may", async () => {
  await using proxy = await FaultProxy.start(server);
  await using under = await openFresh();
  const connection = await MysqlConnection.open({ ...targetOf(under.fresh), port: proxy.port });
  proxy.fault = { direction: "up", at: 0, then: "stall" };
  const isTimeout = (error: unknown) => error instanceof MysqlFault && error.kind === "timeout";
  await assert.rejects(connection.run("DO 1", [], { timeoutMs: 300 }), isTimeout);
  assert.equal(connection.isUsable, false);
});

Deno.test("openMysqlDatabase() checks certificate and host name, when TLS is required", async () => {
  await using under = await openFresh();
  const { caFile } = server;
  const open = (options: Partial<MysqlDatabaseOptions>) => openAt(under.fresh, under.folder, options);
  await server.sql(`ALTER USER ${under.fresh.name}@'%' REQUIRE SSL`);
  {
    await using database = open({ host: "localhost", tls: { mode: "required", caFile } });
    await database.prepare();
    assert.equal((await database.binding()).bound, false);
  }
  await using plain = open({});
  await fails(AccessError, "access_denied", /account/, () => plain.prepare());
  await using untrusting = open({ host: "localhost", tls: { mode: "required" } });
  await fails(ConfigError, "tls_refused", /certificate.*localhost/, () => untrusting.prepare());
  await server.certifyFor("other.example");
  try {
    await using other = open({ host: "localhost", tls: { mode: "required", caFile } });
    await fails(ConfigError, "tls_refused", /certificate.*localhost/, () => other.prepare());
  } finally {
    await server.certifyFor("localhost");
  }
});

Deno.test("nothing depends on the server's own settings", async () => {
  const odd: Readonly<Record<string, string>> = {
    sql_mode: "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
    time_zone: "'+05:00'",
    autocommit: "OFF",
    [server.kind.isolation]: "'SERIALIZABLE'",
    collation_connection: "latin1_swedish_ci",
  };
  const names = Object.keys(odd).map((name) => `@@GLOBAL.${name}`);
  const [before = []] = await server.sql(`SELECT ${names.join(", ")}`);
  try {
    for (const [name, value] of Object.entries(odd)) await server.sql(`SET GLOBAL ${name} = ${value}`);
    await using under = await openFresh();
    const commit = await readyToCommit(under);
    const key = "back\\slash \"quoted\" 'quoted' caf\u00e9";
    const move = { from: key, to: key, etag: key, sizeBytes: 1, lastModified: null, localCopy: key };
    await under.database.commit({ ...commit, moves: [{ ...move, kind: "publish" }] });
    assert.equal((await under.database.pendingMoves("publish"))[0]?.localCopy, key);
    const answer = await under.database.acquireLease({ ...OWNER, owner: "another" }, LONG);
    assert.ok("heldBy" in answer && Math.abs(Date.parse(answer.heldBy.since) - Date.now()) < 60_000);
    await assertAdded(under, 1);
  } finally {
    for (const [i, name] of Object.keys(odd).entries()) {
      const value = /^\d+$/.test(before[i] ?? "") ? before[i] : sqlText(before[i] ?? "");
      await server.sql(`SET GLOBAL ${name} = ${value}`);
    }
  }
});

for (const [what, before] of [["is empty", []], ["is of version 2", MYSQL_VERSION_2]] as const) {
  Deno.test(`prepare() makes everything once, when several processes run it at once and the database ${what}`, async () => {
    await using under = await openFresh();
    await under.sql(...before);
    const others = Array.from({ length: 5 }, () => openAt(under.fresh, under.folder));
    await Promise.all(others.map(prepare));
    const ids = await Promise.all(others.map(async (database) => (await database.binding()).id));
    assert.equal(new Set(ids).size, 1);
    assert.deepEqual(await under.sql("SELECT COUNT(*) FROM pipeline_lease"), [["1"]]);
    assert.deepEqual(await under.sql("SELECT version FROM pipeline_schema"), [["3"]]);
    if (before.length > 0) await assertVersion2Kept(under);
    await Promise.all(others.map((database) => database[Symbol.asyncDispose]()));
  });
}

Deno.test("prepare() goes on, when an earlier one was killed halfway", async () => {
  await using under = await openFresh();
  await prepare(under.database);
  const tables = await under.sql("SHOW TABLES");
  await under.sql("DELETE FROM pipeline_schema", "DROP TABLE pending_move, customers_data_mart");
  await prepare(under.database);
  assert.deepEqual(await under.sql("SHOW TABLES"), tables);
  await begin(under.database);
});

Deno.test("prepare() goes on, when an earlier one was killed after it had added a column to version 2", async () => {
  await using under = await openFresh();
  await under.sql(...MYSQL_VERSION_2);
  await under.database.prepare();
  await under.sql("UPDATE pipeline_schema SET version = 2");
  await under.database.prepare();
  await assertVersion2Kept(under);
  assert.deepEqual(await under.sql("SELECT version FROM pipeline_schema"), [["3"]]);
});

for (const then of ["cut", "strand", "lose answer"] as const) {
  for (const at of ["ALTER TABLE", "INSERT INTO pipeline_schema"]) {
    Deno.test(`prepare() goes on with version 2, when the connection fails at ${at}: ${then}`, async () => {
      await using proxy = await FaultProxy.start(server);
      await using under = await openFresh({ port: proxy.port });
      await under.sql(...MYSQL_VERSION_2);
      proxy.fault = { direction: "up", at, then, times: 1 };
      await under.database.prepare();
      assert.equal(proxy.happened, 1);
      await assertVersion2Kept(under);
      assert.deepEqual(await under.sql("SELECT version FROM pipeline_schema"), [["3"]]);
    });
  }
}

/** Every column and index of a database. */
async function readSchema({ sql, fresh }: Under): Promise<Row[]> {
  return [
    ...await sql(
      `SELECT TABLE_NAME, ORDINAL_POSITION, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, COLLATION_NAME, EXTRA
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '${fresh.name}' ORDER BY 1, 2`,
    ),
    ...await sql(
      `SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE FROM information_schema.STATISTICS
       WHERE TABLE_SCHEMA = '${fresh.name}' ORDER BY 1, 2, 3`,
    ),
    ...await sql(
      `SELECT TABLE_NAME, ENGINE, ROW_FORMAT, TABLE_COLLATION FROM information_schema.TABLES
       WHERE TABLE_SCHEMA = '${fresh.name}' ORDER BY 1`,
    ),
  ];
}

Deno.test("prepare() and prepareTables() come to the same, when the database is empty or of version 2", async () => {
  await using empty = await openFresh();
  await prepare(empty.database);
  await using old = await openFresh();
  await old.sql(...MYSQL_VERSION_2);
  await prepare(old.database);
  assert.deepEqual(await readSchema(old), await readSchema(empty));
});

Deno.test("prepareTables() refuses a table that MySQL would add totals to in the wrong row, or for good", async () => {
  await using under = await openFresh();
  const { key } = CUSTOMER_TABLE;
  const columns = `customer_id BIGINT NOT NULL, full_name TEXT, address TEXT, phone_number TEXT,
    sales_month CHAR(7) NOT NULL, total_sales DECIMAL(28,2) NOT NULL`;
  const cases: readonly (readonly [ddl: string, says: RegExp])[] = [
    [`(${columns})`, new RegExp(`it has no primary key, and must be ${key.join(", ")}`)],
    [
      `(${columns}, PRIMARY KEY (customer_id))`,
      /its primary key is customer_id, and must be customer_id, sales_month/,
    ],
    [
      `(${columns}, PRIMARY KEY (${key.join(", ")})) ENGINE=MyISAM`,
      /the engine MyISAM, which has no transactions/,
    ],
    [
      `(${columns}, PRIMARY KEY (${key.join(", ")})) COLLATE utf8mb4_general_ci`,
      /its column sales_month is in the key, and its collation takes texts that differ for the same/,
    ],
    [
      `(${columns.replace("BIGINT", "BIGINT UNSIGNED")}, PRIMARY KEY (${
        key.join(", ")
      })) COLLATE utf8mb4_bin`,
      /its column customer_id is bigint(\(20\))? unsigned, and must be integer/,
    ],
  ];
  for (const [ddl, says] of cases) {
    await under.sql(`CREATE TABLE customers_data_mart ${ddl}`);
    await fails(DataError, "table_differs", says, () => under.database.prepareTables([CUSTOMER_TABLE]));
    await under.sql("DROP TABLE customers_data_mart");
  }
  // A server with a binary log lets an administrator alone make one.
  await under.database.prepareTables([CUSTOMER_TABLE]);
  await under.sql(
    "CREATE TRIGGER twice BEFORE INSERT ON customers_data_mart FOR EACH ROW SET NEW.total_sales = 2 * NEW.total_sales",
  );
  await fails(
    DataError,
    "table_differs",
    /it is a table with the trigger twice/,
    () => under.database.prepareTables([CUSTOMER_TABLE]),
  );
});

Deno.test("prepareTables() waits for no other table, when one is locked that is there", async () => {
  await using under = await openFresh();
  await prepare(under.database);
  const other = await openOther(under);
  await other.run("START TRANSACTION");
  await other.run("INSERT INTO customers_data_mart VALUES (1, NULL, NULL, NULL, '2023-03', 0)");
  // If it waited, it would fail: the other transaction is not over before.
  await under.database.prepareTables([CUSTOMER_TABLE, SALES_TABLE]);
  await other.close();
});

Deno.test("prepare() refuses a database that a newer version has migrated, and changes nothing", async () => {
  await using under = await openFresh();
  await under.database.prepare();
  await under.sql("UPDATE pipeline_schema SET version = version + 1", "DROP TABLE pending_move");
  await fails(DataError, "newer_schema", new RegExp(under.fresh.name), () => under.database.prepare());
  assert.deepEqual(await under.sql("SHOW TABLES LIKE 'pending_move'"), []);
});

Deno.test("readOnly changes nothing, and takes own tables that are missing for empty", async () => {
  await using under = await openFresh({ readOnly: true });
  const { database } = under;
  assert.deepEqual(await database.binding(), { id: "", bound: false });
  assert.equal(await database.runState(RUN), null);
  assert.deepEqual(await database.unfinishedRuns(), []);
  assert.deepEqual(await database.pendingMoves("archive"), []);
  assert.deepEqual(await database.earlierVersions(["a.csv"]), new Map());
  assert.deepEqual(await database.acceptedContent("sales", ["c0ffee"]), new Set());
  await fails(DataError, "missing_dimension_table", /store/, () => takeSnapshot(under));
  await makeDimensions(under);
  assert.equal((await takeSnapshot(under)).customer.rowCount, 1);
  await assert.rejects(database.prepare());
  assert.deepEqual((await under.sql("SHOW TABLES")).length, 4);
});

Deno.test("readOnly reads a database of version 2, and leaves it one", async () => {
  await using under = await openFresh({ readOnly: true });
  await under.sql(...MYSQL_VERSION_2);
  const before = await readSchema(under);
  await assertVersion2Kept(under);
  assert.deepEqual(await readSchema(under), before);
});

/** What the account of each stage needs, by table; `*` stands for the whole database. */
const GRANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  download: {
    customer: "SELECT",
    store: "SELECT",
    product: "SELECT",
    sales_team: "SELECT",
    pipeline_schema: "SELECT",
    pipeline_lease: "SELECT, UPDATE",
    pipeline_run: "SELECT, INSERT, UPDATE",
    source_file: "SELECT",
    pending_move: "SELECT",
    customers_data_mart: "SELECT",
    sales_team_data_mart: "SELECT",
    replayed_file: "SELECT",
    replayed_row: "SELECT",
  },
  upload: {
    "*": "CREATE TEMPORARY TABLES",
    pipeline_schema: "SELECT, UPDATE",
    pipeline_lease: "SELECT, UPDATE",
    pipeline_run: "SELECT, UPDATE",
    source_file: "INSERT",
    pending_move: "SELECT, INSERT, UPDATE",
    customers_data_mart: "SELECT, INSERT, UPDATE",
    sales_team_data_mart: "SELECT, INSERT, UPDATE",
  },
  move: {
    pipeline_lease: "SELECT, UPDATE",
    pipeline_run: "SELECT, UPDATE",
    pending_move: "SELECT, UPDATE",
  },
  cleanup: { pipeline_lease: "SELECT, UPDATE", pipeline_run: "SELECT", pending_move: "SELECT" },
  replay: {
    "*": "CREATE TEMPORARY TABLES",
    pipeline_schema: "SELECT, UPDATE",
    pipeline_lease: "SELECT, UPDATE",
    pipeline_run: "SELECT, INSERT, UPDATE",
    source_file: "SELECT",
    pending_move: "SELECT, INSERT, UPDATE",
    replayed_file: "SELECT, INSERT",
    replayed_row: "SELECT, INSERT",
  },
};

Deno.test("the documented grants are enough for every stage, and none is too many", async (test) => {
  await using under = await openFresh();
  const { name, account } = under.fresh;
  await makeDimensions(under);
  const grantTo = (stage: string, leftOut?: string) =>
    Object.entries(GRANTS[stage] ?? {}).flatMap(([table, privileges]) =>
      privileges.split(", ").filter((privilege) => `${privilege} on ${table}` !== leftOut)
        .map((privilege) => `GRANT ${privilege} ON ${name}.${table} TO ${name}_stage@'%'`)
    );
  const withGrants = async (grants: readonly string[], act: (database: Database) => Promise<unknown>) => {
    await server.sql(`CREATE USER ${name}_stage@'%' IDENTIFIED BY 'canary'`, ...grants);
    try {
      await using database = openAt(under.fresh, under.folder, {
        user: `${name}_stage`,
        password: new Secret("canary"),
      });
      await act(database);
    } finally {
      await server.sql(`DROP USER ${name}_stage@'%'`);
    }
  };
  const migration = ["ALTER", "CREATE", "SELECT", "INSERT", "UPDATE"];
  const grantMigration = (leftOut?: string) => [
    `GRANT ${
      migration.filter((privilege) => privilege !== leftOut).join(", ")
    } ON ${name}.* TO ${name}_stage@'%'`,
  ];
  for (const leftOut of migration) {
    await test.step(`migration: not without ${leftOut}`, () =>
      withGrants(grantMigration(leftOut), async (database) => {
        await under.sql(...MYSQL_VERSION_2, "DROP TABLE sales_team_data_mart");
        await fails(AccessError, "access_denied", /lacks/, () => prepare(database));
        await under.sql(`DROP TABLE ${(await under.sql("SHOW TABLES")).flat().filter(isOurs).join(", ")}`);
      }));
  }
  await test.step("migration: enough, for an empty database also without ALTER", async () => {
    await withGrants(grantMigration("ALTER"), prepare);
    await under.sql(`DROP TABLE ${(await under.sql("SHOW TABLES")).flat().filter(isOurs).join(", ")}`);
    await under.sql(...MYSQL_VERSION_2);
    await withGrants(grantMigration(), prepare);
  });
  function isOurs(table: unknown): boolean {
    return !(String(table) in DIMENSIONS);
  }
  let serial = 0;
  const stages: Record<string, (database: Database) => Promise<unknown>> = {
    async download(database) {
      await prepare(database);
      await database.binding();
      const runId = `run-${++serial}`;
      const token = await begin(database, runId);
      await database.runStates([runId]);
      await database.unfinishedRuns();
      await database.pendingMoves("archive");
      await database.acceptedContent("sales", ["c0ffee"]);
      await database.earlierVersions(["a.csv"]);
      await database.newByLineage([{ key: "a.csv", sha256: "c0ffee" }]);
      await database.snapshot(under.folder, DIMENSIONS);
      await database.finishRun(runId, "nothing-to-do");
      await database.releaseLease(token);
    },
    async upload(database) {
      const runId = `run-${++serial}`;
      const token = await begin(under.database, runId);
      await database.renewLease(token, LONG);
      await database.bind();
      await database.binding();
      const move = { from: "a", to: "b", etag: "e", sizeBytes: 1, lastModified: null, localCopy: null };
      const counts = {
        rowsRead: 1,
        rowsAccepted: 1,
        rowsRejected: 0,
        status: "accepted",
        reason: null,
      } as const;
      await database.commit({
        runId,
        token,
        totals: [
          await totalsOf(under.folder, CUSTOMER_TABLE, CUSTOMERS),
          await totalsOf(under.folder, SALES_TABLE, SALES),
        ],
        incentivePercent: "1",
        ledger: [{
          ...move,
          ...counts,
          key: "a",
          dataset: "sales",
          lastModified: "",
          sha256: null,
          destination: "b",
        }],
        moves: [{ ...move, kind: "publish" }],
      });
      await settleAll(database);
      await database.unfinishedRuns();
      await database.publishedObjects(runId);
      await database.finishRun(runId, "published");
    },
    async move(database) {
      await settleAll(database);
      await database.unfinishedRuns();
      await database.finishRun(RUN, "recovered");
      await database.renewLease(1, LONG);
    },
    async cleanup(database) {
      await database.unfinishedRuns();
      await database.renewLease(1, LONG);
      await database.releaseLease(1);
    },
    async replay(database) {
      await database.prepare();
      const runId = `run-${++serial}`;
      const token = await begin(database, runId);
      await database.binding();
      await database.bind();
      await database.runStates([runId]);
      await database.rejectedFiles({ runId: null, key: null });
      const file = { runId, key: "a.csv" };
      await database.runFiles(runId);
      await database.replayedLines(file, 0);
      const linesFile = join(under.folder, "lines.tsv");
      await Deno.writeTextFile(linesFile, "0\t2\n");
      const move = { from: "a", to: "b", etag: "e", sizeBytes: 1, lastModified: null, localCopy: null };
      await database.commit({
        runId,
        token,
        totals: [],
        incentivePercent: "1",
        ledger: [],
        moves: [{ ...move, kind: "publish" }],
        replayed: {
          files: [{ ...file, number: 0, kind: "rows", landingKey: "b", lineCount: 1, sha256: "c0ffee" }],
          linesFile,
          lineCount: 1,
        },
      });
      await settleAll(database);
      await database.unfinishedRuns();
      await database.publishedObjects(runId);
      await database.finishRun(runId, "published");
      await database.renewLease(token, LONG);
      await database.releaseLease(token);
    },
  };
  async function settleAll(database: Database) {
    const ids = (await database.pendingMoves("publish")).map(({ id }) => id);
    await database.settleMoves([0, ...ids].map((id) => ({ id, outcome: "done" as const })));
  }
  for (const [stage, run] of Object.entries(stages)) {
    await test.step(`${stage}: enough`, () => withGrants(grantTo(stage), run));
    for (const [table, privileges] of Object.entries(GRANTS[stage] ?? {})) {
      for (const privilege of privileges.split(", ")) {
        const grant = `${privilege} on ${table}`;
        // The tables are seen by their grants: without one they are taken for missing, and may not be created.
        await test.step(`${stage}: not without ${grant}`, async () => {
          await withGrants(
            grantTo(stage, grant),
            (database) =>
              fails(
                AccessError,
                "access_denied",
                new RegExp(`account ${name}_stage.* lacks`),
                () => run(database),
              ),
          );
        });
      }
    }
  }
  assert.equal(account.user, name);
});
