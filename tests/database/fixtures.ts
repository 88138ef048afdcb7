/**
 * What the cases for databases share: the shipped tables as the tests know them, runs, totals and ledgers.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Database } from "../../lib/database/database.ts";
import { LeaseLostError } from "../../lib/database/errors.ts";
import type {
  Commit,
  Dimensions,
  LeaseOwner,
  LedgerEntry,
  MoveOrder,
  ReportingTable,
  TableTotals,
} from "../../lib/database/records.ts";
import { DataError } from "../../lib/errors.ts";
import { sqlText, withDuckdb } from "../support/duckdb.ts";
import { type Row, sortRows } from "../support/rows.ts";

/** An empty database of its own for one case. */
export interface DatabaseUnderTest extends AsyncDisposable {
  readonly database: Database;
  /** A folder that the database may read totals from and write snapshots to. */
  readonly folder: string;
  /** Runs statements as another program would, while no method is at work; gives the last one's rows, values as text. */
  sql(...statements: readonly string[]): Promise<readonly Row[]>;
  /** A name as an identifier of the database's SQL. */
  quote(name: string): string;
  /** What makes a text's type one in which texts that differ are different. */
  readonly exact: string;
  /** Statements that make an empty database what version 2 made it, with the content of `VERSION_2` in `migration.ts`. */
  readonly version2: readonly string[];
}

/** Registers a case that gets a database that is prepared, with the shipped reporting tables. */
export type RegisterCase = (name: string, body: (under: DatabaseUnderTest) => Promise<void>) => void;

/** Run ids in the order in which the cases begin them; the clock was set back after the first. */
export const RUNS = ["20230403T020000Z-0001", "20230401T020000Z-0002", "20230402T020000Z-0003"] as const;
export const [FIRST, SECOND, THIRD] = RUNS;

export const ANN: LeaseOwner = { owner: "work dir of ann", holder: "process 11", runId: FIRST };
export const BEN: LeaseOwner = { owner: "work dir of ben", holder: "process 22", runId: SECOND };

/** Seconds; longer than any test. */
export const LONG = 900;

/** The customers' totals of a month. */
export const CUSTOMER_TABLE: ReportingTable = {
  name: "customers_data_mart",
  columns: {
    customer_id: "integer",
    full_name: "text",
    address: "text",
    phone_number: "text",
    sales_month: "char(7)",
    total_sales: "decimal(28,2)",
  },
  key: ["customer_id", "sales_month"],
  add: ["total_sales"],
  latest: ["full_name", "address", "phone_number"],
  incentive: null,
};

/** The sales people's totals of a store and month. */
export const SALES_TABLE: ReportingTable = {
  name: "sales_team_data_mart",
  columns: {
    store_id: "integer",
    sales_person_id: "integer",
    full_name: "text",
    sales_month: "char(7)",
    total_sales: "decimal(28,2)",
  },
  key: ["store_id", "sales_person_id", "sales_month"],
  add: ["total_sales"],
  latest: ["full_name"],
  incentive: { column: "incentive", of: "total_sales", within: ["store_id", "sales_month"] },
};

/** The dimensions of the shipped model. */
export const DIMENSIONS: Dimensions = {
  customer: {
    key: "customer_id",
    ids: ["customer_id"],
    text: ["first_name", "last_name", "address", "pincode", "phone_number"],
  },
  store: { key: "id", ids: ["id"], text: ["store_manager_name"] },
  product: { key: "id", ids: ["id"], text: ["name"] },
  sales_team: {
    key: "id",
    ids: ["id", "manager_id"],
    text: ["first_name", "last_name", "is_manager", "address", "pincode"],
  },
};

/** customer_id, full_name, address, phone_number, sales_month, total_sales */
export type CustomerTotal = [number, string | null, string | null, string | null, string, string];
/** store_id, sales_person_id, full_name, sales_month, total_sales */
export type SalesTotal = [number, number, string | null, string, string];

/** What a run commits; nothing for what is left out. */
export interface RunContent extends Partial<Omit<Commit, "runId" | "token">> {
  readonly customers?: readonly CustomerTotal[];
  readonly sales?: readonly SalesTotal[];
}

/** Takes the lease, which must be free for the owner; gives the token. */
export async function acquire(database: Database, owner: LeaseOwner, ttlSeconds = LONG): Promise<number> {
  const answer = await database.acquireLease(owner, ttlSeconds);
  assert.ok("token" in answer, `the lease was refused: ${JSON.stringify(answer)}`);
  return answer.token;
}

/** Takes the lease, always as the same owner, and begins a run; gives the token. */
export async function begin(database: Database, runId: string): Promise<number> {
  const token = await acquire(database, { ...ANN, runId });
  await database.beginRun({ runId, token, configHash: "c0ffee" });
  return token;
}

/** What a run commits. */
export async function newCommit(
  under: DatabaseUnderTest,
  runId: string,
  token: number,
  { customers = [], sales = [], ...content }: RunContent,
): Promise<Commit> {
  return {
    runId,
    token,
    totals: [
      await writeTotals(under, CUSTOMER_TABLE, customers),
      await writeTotals(under, SALES_TABLE, sales),
    ],
    incentivePercent: "1",
    ledger: [],
    moves: [],
    ...content,
  };
}

/** Begins and commits a run; gives what it committed. */
export async function commitRun(
  under: DatabaseUnderTest,
  runId: string,
  content: RunContent = {},
): Promise<Commit> {
  const commit = await newCommit(under, runId, await begin(under.database, runId), content);
  await under.database.commit(commit);
  assert.equal(await under.database.runState(runId), "committed");
  return commit;
}

/** Writes totals as a transform would, in another order of the columns than the table's; no file for no rows. */
export async function writeTotals(
  { folder }: Pick<DatabaseUnderTest, "folder">,
  table: ReportingTable,
  rows: readonly (readonly (string | number | null)[])[],
): Promise<TableTotals> {
  const columns = Object.entries(table.columns);
  const sums = Object.fromEntries(table.add.map((column) => {
    const index = columns.findIndex(([name]) => name === column);
    return [column, sum(rows.map((row) => String(row[index])), scaleOf(table.columns[column]))];
  }));
  if (rows.length === 0) return { table, files: [], rowCount: 0, sums };
  const file = join(folder, `${crypto.randomUUID()}.parquet`);
  const values = rows.map((row) =>
    `(${row.map((value) => value === null ? "NULL" : sqlText(String(value))).join(", ")})`
  );
  const selected = columns.map(([name, type], i) => `CAST(column${i} AS ${duckdbType(type)}) AS "${name}"`);
  await withDuckdb(":memory:", async (connection) => {
    const names = columns.map((_, i) => `column${i}`).join(", ");
    await connection.run(
      `COPY (SELECT ${selected.toReversed().join(", ")} FROM (VALUES ${values.join(", ")}) given(${names}))
       TO ${sqlText(file)} (FORMAT parquet)`,
    );
  });
  return { table, files: [file], rowCount: rows.length, sums };
}

function duckdbType(type: string): string {
  if (type === "integer") return "BIGINT";
  return type === "text" || type.startsWith("char") ? "VARCHAR" : type;
}

function scaleOf(type = ""): number {
  return Number(/,(\d+)\)$/.exec(type)?.[1] ?? 0);
}

/** The sum of decimal texts, which all have this many digits after the point. */
function sum(values: readonly string[], scale: number): string {
  const value = values.reduce((total, text) => total + BigInt(text.replace(".", "")), 0n);
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
  const sign = value < 0n ? "-" : "";
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

export function ledgerEntry(key: string, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    key,
    dataset: "sales",
    etag: sha256(`version of ${key}`),
    sizeBytes: 17,
    lastModified: "2023-04-01T01:00:00.123456789Z",
    sha256: sha256(key),
    status: "accepted",
    reason: null,
    rowsRead: 2,
    rowsAccepted: 2,
    rowsRejected: 0,
    destination: `sales_data_processed/RUN/${key}`,
    ...change,
  };
}

export function publish(name: string): MoveOrder {
  return {
    kind: "publish",
    from: `_staging/RUN/${name}`,
    to: `sales_data_mart/run_id=RUN/${name}`,
    etag: sha256(name),
    sizeBytes: 4096,
    lastModified: null,
    localCopy: `sales_data_mart/${name}`,
  };
}

export function archive(name: string): MoveOrder {
  return {
    kind: "archive",
    from: name,
    to: `sales_data_processed/RUN/${name}`,
    etag: sha256(name),
    sizeBytes: 17,
    lastModified: "2023-04-01T01:00:00.123456789Z",
    localCopy: "files/1.csv",
  };
}

export async function readCustomers({ sql }: DatabaseUnderTest): Promise<Row[]> {
  return sortRows(
    await sql(`SELECT customer_id, full_name, address, phone_number, sales_month, total_sales
      FROM customers_data_mart`),
  );
}

export async function readSalesTeam({ sql }: DatabaseUnderTest): Promise<Row[]> {
  return sortRows(
    await sql(`SELECT store_id, sales_person_id, full_name, sales_month, total_sales, incentive
      FROM sales_team_data_mart`),
  );
}

export function sha256(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The DataError that `act` must fail with. */
export async function dataError(act: () => Promise<unknown>): Promise<DataError> {
  try {
    await act();
  } catch (error) {
    assert.ok(error instanceof DataError, `failed with ${error}`);
    return error;
  }
  assert.fail("did not fail");
}

/** Runs `act`, which must fail since another has the lease. */
export async function lost(act: () => Promise<unknown>): Promise<void> {
  await assert.rejects(act, LeaseLostError);
}
