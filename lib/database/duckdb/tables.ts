/**
 * The pipeline's own tables and the reporting tables in DuckDB, and how a file gets them.
 *
 * A migration is one transaction. There is no key index: at millions of totals a MERGE by join takes a fifth of the time
 * and less than half of the space.
 *
 * @module
 */
import type { Duckdb } from "../../duckdb/duckdb.ts";
import { sqlType as columnSqlType } from "../../column_type.ts";
import { identifier, literal } from "../../sql.ts";
import { newerSchema } from "../errors.ts";
import { isMissing, isUnknownColumn } from "./errors.ts";
import type { ReportingTable } from "../records.ts";
import { FIRST_DATASET, OWN_TABLES, parseTableType, type TableType } from "../tables.ts";
import { requireFit, requireOwn } from "../fitting.ts";
import { describeTable, GIVEN } from "./rows.ts";

/** Bumped with every change to the pipeline's own tables. */
const SCHEMA_VERSION = 3;

/** The pipeline's own tables as the newest version has them. */
const TABLES: Readonly<Record<string, string>> = {
  pipeline_schema: "version INTEGER, database_id VARCHAR, bound BOOLEAN",
  pipeline_lease: `owner VARCHAR, holder VARCHAR, run_id VARCHAR, token BIGINT, acquired_at TIMESTAMP,
    expires_at TIMESTAMP`,
  pipeline_run: `run_id VARCHAR, token BIGINT, state VARCHAR, config_hash VARCHAR, started_at TIMESTAMP,
    committed_at TIMESTAMP, finished_at TIMESTAMP`,
  source_file: `run_id VARCHAR, object_key VARCHAR, etag VARCHAR, size_bytes BIGINT, last_modified VARCHAR,
    sha256 VARCHAR, status VARCHAR, reason VARCHAR, rows_read BIGINT, rows_accepted BIGINT, rows_rejected BIGINT,
    destination VARCHAR, dataset VARCHAR`,
  pending_move: `id BIGINT, run_id VARCHAR, kind VARCHAR, from_key VARCHAR, to_key VARCHAR, etag VARCHAR,
    size_bytes BIGINT, last_modified VARCHAR, local_copy VARCHAR, outcome VARCHAR`,
  replayed_file: `run_id VARCHAR, number BIGINT, kind VARCHAR, source_run VARCHAR, source_key VARCHAR,
    landing_key VARCHAR, line_count BIGINT, sha256 VARCHAR`,
  // Line 0 for a whole file.
  replayed_row: "source_run VARCHAR, source_key VARCHAR, line BIGINT, run_id VARCHAR",
};

/**
 * Brings the pipeline's own tables to the newest version, within a transaction.
 *
 * @param name The database's name, for messages.
 * @param newId Gives the database its id if it has none.
 * @throws {DataError} `newer_schema`, or `table_differs` for a table of another program.
 */
export async function migrate(db: Duckdb, name: string, newId: () => string): Promise<void> {
  const version = await schemaVersion(db);
  if (version === SCHEMA_VERSION) return;
  if (version > SCHEMA_VERSION) throw newerSchema(name);
  await requireOwnTables(db, name);
  for (const [table, columns] of Object.entries(TABLES)) {
    await db.query(`CREATE TABLE IF NOT EXISTS ${table} (${columns})`);
  }
  await db.query("CREATE SEQUENCE IF NOT EXISTS pending_move_id");
  await db.query(
    `INSERT INTO pipeline_schema SELECT ${SCHEMA_VERSION}, $1, FALSE
     WHERE NOT EXISTS (SELECT 1 FROM pipeline_schema)`,
    [newId()],
  );
  await db.query(
    `INSERT INTO pipeline_lease SELECT NULL, NULL, NULL, 0, NULL, NULL
     WHERE NOT EXISTS (SELECT 1 FROM pipeline_lease)`,
  );
  await db.query(
    `ALTER TABLE source_file ADD COLUMN IF NOT EXISTS dataset VARCHAR DEFAULT ${literal(FIRST_DATASET)}`,
  );
  await db.query(`UPDATE pipeline_schema SET version = ${SCHEMA_VERSION}`);
}

/** Asserts that those of the names that are taken are taken by the pipeline's own tables. */
async function requireOwnTables(db: Duckdb, name: string): Promise<void> {
  const views = new Set(
    (await db.query(
      "SELECT lower(view_name) AS name FROM duckdb_views() WHERE database_name = current_database()",
    ))
      .map((view) => view.name),
  );
  const plainType = (type: string) => type.toLowerCase();
  for (const [table, ddl] of Object.entries(TABLES)) {
    const described = await describeTable(db, table);
    if (described === null) continue;
    const columns = described.map(({ column_name, column_type, null: isNullable, default: value }) => ({
      name: String(column_name),
      type: String(column_type),
      isRequired: isNullable === "NO" && value === null,
    }));
    const other = views.has(table) ? "a view" : null;
    requireOwn(table, ddl, { other, columns, key: null }, { database: name, plainType });
  }
}

/** 0 if there is none, or a table is missing: then everything is looked at, and made that is not there. */
async function schemaVersion(db: Duckdb): Promise<number> {
  const version = await readVersion(db);
  if (version !== SCHEMA_VERSION) return version;
  const [found] = await db.query(
    `SELECT count(*) AS tables FROM duckdb_tables()
     WHERE database_name = current_database() AND table_name IN ${GIVEN}`,
    [JSON.stringify(OWN_TABLES)],
  );
  return Number(found?.tables) === OWN_TABLES.length ? version : 0;
}

/** 0 if there is no such table, or another program's. */
async function readVersion(db: Duckdb): Promise<number> {
  try {
    const [schema] = await db.query("SELECT version FROM pipeline_schema");
    const version = Number(schema?.version ?? 0);
    return Number.isInteger(version) ? version : 0;
  } catch (error) {
    if (isMissing(error) || isUnknownColumn(error)) return 0;
    throw error;
  }
}

/**
 * Lets a file that may not be changed look like one of the newest version: what it lacks of the pipeline's own tables
 * stands before it as something temporary.
 */
export async function shadowOldTables(db: Duckdb): Promise<void> {
  const found = await db.query(
    `SELECT table_name, database_name, list_contains(
       (SELECT list(column_name) FROM duckdb_columns() c WHERE c.table_oid = t.table_oid), 'dataset') AS has_dataset
     FROM duckdb_tables() t WHERE database_name = current_database()`,
  );
  const present = new Map(found.map((row) => [String(row.table_name), row]));
  for (const [table, columns] of Object.entries(TABLES)) {
    if (!present.has(table)) await db.query(`CREATE TEMP TABLE IF NOT EXISTS ${table} (${columns})`);
  }
  const ledger = present.get("source_file");
  if (ledger && ledger.has_dataset !== true) {
    await db.query(
      `CREATE OR REPLACE TEMP VIEW source_file AS
       SELECT *, ${literal(FIRST_DATASET)} AS dataset FROM ${
        identifier(String(ledger.database_name))
      }.source_file`,
    );
  }
}

/** Creates a reporting table if it is missing. */
export async function createReportingTable(
  db: Duckdb,
  { name, columns, incentive }: ReportingTable,
): Promise<void> {
  const defined = Object.entries(columns).map(([column, type]) =>
    `${identifier(column)} ${sqlType(parseTableType(type))}`
  );
  if (incentive) defined.push(`${identifier(incentive.column)} ${INCENTIVE_TYPE}`);
  await db.query(`CREATE TABLE IF NOT EXISTS ${identifier(name)} (${defined.join(", ")})`);
}

/** Asserts that those of the tables that are there can be added to. */
export async function requireReportingTables(
  db: Duckdb,
  tables: readonly ReportingTable[],
  database: string,
): Promise<void> {
  const present = await db.query(
    "SELECT lower(table_name) AS name FROM duckdb_tables() WHERE database_name = current_database()",
  );
  const names = new Set(present.map(({ name }) => name));
  for (const table of tables) {
    const described = await describeTable(db, table.name);
    if (described === null) continue;
    const columns = described.map(({ column_name, column_type, null: isNullable, default: value }) => ({
      name: String(column_name),
      type: String(column_type),
      ...kindOf(String(column_type)),
      isRequired: isNullable === "NO" && value === null,
      isLoose: false,
    }));
    const other = names.has(table.name.toLowerCase()) ? null : "a view";
    // An index that refuses a key twice is not asked for: a commit looks for it.
    requireFit(table, { other, columns, key: null }, database);
  }
}

function kindOf(type: string): { takes: TableType["kind"] | null; scale: number } {
  const [, scale] = /^DECIMAL\(\d+,(\d+)\)$/.exec(type) ?? [];
  if (scale !== undefined) return { takes: "decimal", scale: Number(scale) };
  const kinds: Readonly<Record<string, TableType["kind"]>> = {
    BIGINT: "integer",
    HUGEINT: "integer",
    DATE: "date",
    VARCHAR: "text",
  };
  return { takes: kinds[type] ?? null, scale: 0 };
}

/** The type of every incentive's column. */
export const INCENTIVE_TYPE = "DECIMAL(28,2)";

function sqlType(type: TableType): string {
  return type.kind === "char" ? "VARCHAR" : columnSqlType(type);
}
