/**
 * The pipeline's own tables and the reporting tables in MySQL, and how a database gets them.
 *
 * Every DDL statement commits by itself, so that a migration is a list of statements each of which may be repeated, and
 * the version that says that they are done is written last: a migration that was killed is simply done again, also by
 * two processes at once.
 *
 * @module
 */
import { literal } from "../../sql.ts";
import { newerSchema } from "../errors.ts";
import { requireOwnTables } from "./found_tables.ts";
import type { ReportingTable } from "../records.ts";
import { FIRST_DATASET, OWN_TABLES, parseTableType, type TableType } from "../tables.ts";
import { BULK_TIMEOUT_MS, type MysqlConnection, type SqlParameter, type SqlRow } from "./connection.ts";
import { MysqlFault } from "./errors.ts";
import { quoted, quotedList } from "./rows.ts";

/** Bumped with every change to the pipeline's own tables: 2 brought replays, 3 datasets. */
const SCHEMA_VERSION = 3;

/** Compares as bytes: texts differ if one letter's case does. A key may have 3,072 bytes, whatever the server's defaults are. */
export const TABLE_OPTIONS =
  "ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin";
/** Bytes of a key: 1,024 in S3; a folder store has PATH_MAX (limits.h). */
const KEY = "VARBINARY(4096)";
const SHA256 = "CHAR(64) CHARACTER SET ascii COLLATE ascii_bin";
/**
 * Bytes, so that blanks at the end count. The default is what the rows from before version 3 have, and those that an
 * upload of version 2 still adds if another process migrates the database meanwhile.
 */
const DATASET = `VARBINARY(255) NOT NULL DEFAULT ${literal(FIRST_DATASET)}`;

/** Characters of a text in a reporting table's key: three such columns fit into the 3,072 bytes of a key. */
const KEY_CHARACTERS = 255;

/** The pipeline's own tables as the newest version has them. */
const TABLES: Readonly<Record<string, string>> = {
  // One row, as its key says.
  pipeline_schema: `id TINYINT NOT NULL PRIMARY KEY, version INT NOT NULL, database_id VARCHAR(64) NOT NULL,
    bound BOOLEAN NOT NULL`,
  // One row.
  pipeline_lease: `id TINYINT NOT NULL PRIMARY KEY, owner TEXT, holder TEXT, run_id VARCHAR(255),
    token BIGINT NOT NULL, acquired_at DATETIME(6), expires_at DATETIME(6)`,
  pipeline_run: `run_id VARCHAR(255) NOT NULL PRIMARY KEY, token BIGINT NOT NULL, state VARCHAR(20) NOT NULL,
    config_hash VARCHAR(255) NOT NULL, started_at DATETIME(6) NOT NULL, committed_at DATETIME(6),
    finished_at DATETIME(6), KEY by_state (state)`,
  // Keys are too long for an index: it has their SHA-256.
  source_file: `id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, run_id VARCHAR(255) NOT NULL,
    key_hash BINARY(32) NOT NULL, object_key ${KEY} NOT NULL, etag VARCHAR(1024) NOT NULL,
    size_bytes BIGINT NOT NULL, last_modified VARCHAR(64) NOT NULL, sha256 ${SHA256},
    status VARCHAR(20) NOT NULL, reason VARCHAR(64), rows_read BIGINT NOT NULL, rows_accepted BIGINT NOT NULL,
    rows_rejected BIGINT NOT NULL, destination ${KEY} NOT NULL, dataset ${DATASET},
    KEY by_key (key_hash), KEY by_content (sha256), KEY by_run (run_id)`,
  pending_move: `id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, run_id VARCHAR(255) NOT NULL,
    kind VARCHAR(20) NOT NULL, from_key ${KEY} NOT NULL, to_key ${KEY} NOT NULL, etag VARCHAR(1024) NOT NULL,
    size_bytes BIGINT NOT NULL, last_modified VARCHAR(64), local_copy ${KEY}, outcome VARCHAR(20),
    KEY by_run (run_id, kind), KEY open_moves (outcome, kind)`,
  replayed_file: `run_id VARCHAR(255) NOT NULL, number INT NOT NULL, kind VARCHAR(20) NOT NULL,
    source_run VARCHAR(255) NOT NULL, key_hash BINARY(32) NOT NULL, source_key ${KEY} NOT NULL,
    landing_hash BINARY(32) NOT NULL, landing_key ${KEY} NOT NULL, line_count BIGINT NOT NULL, sha256 ${SHA256},
    PRIMARY KEY (run_id, number), KEY by_source (source_run, key_hash), KEY by_landing (landing_hash)`,
  // Line 0 for a whole file. Its key is what keeps anything from being put back twice.
  replayed_row: `source_run VARCHAR(255) NOT NULL, key_hash BINARY(32) NOT NULL, line BIGINT NOT NULL,
    run_id VARCHAR(255) NOT NULL, PRIMARY KEY (source_run, key_hash, line)`,
};

/**
 * Brings the tables to the newest version. Tables that are there, and columns that they have, stay as they are.
 *
 * @param name The database's name, for messages.
 * @param newId Becomes the database's id if it has none.
 * @throws {DataError} `newer_schema`, or `table_differs` for a table of another program.
 */
export async function migrate(connection: MysqlConnection, name: string, newId: () => string): Promise<void> {
  const version = await schemaVersion(connection);
  if (version === SCHEMA_VERSION) return;
  if (version > SCHEMA_VERSION) throw newerSchema(name);
  await requireOwnTables(connection, TABLES, name);
  for (const [table, columns] of Object.entries(TABLES)) {
    await connection.run(`CREATE TABLE IF NOT EXISTS ${table} (${columns}) ${TABLE_OPTIONS}`);
  }
  if (!await hasDatasets(connection)) await addDatasets(connection);
  await connection.run(
    "INSERT INTO pipeline_lease (id, token) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id",
  );
  await connection.run(
    `INSERT INTO pipeline_schema (id, version, database_id, bound) VALUES (1, ?, ?, FALSE)
     ON DUPLICATE KEY UPDATE version = GREATEST(version, ?)`,
    [SCHEMA_VERSION, newId(), SCHEMA_VERSION],
  );
}

/** 0 if there is none, or a table is missing: then everything is made again that is not there. */
async function schemaVersion(connection: MysqlConnection): Promise<number> {
  const version = await readVersion(connection);
  if (version !== SCHEMA_VERSION) return version;
  const [count] = await connection.query(
    "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?)",
    [OWN_TABLES],
  );
  return Number(count?.[0]) === OWN_TABLES.length ? version : 0;
}

/** 0 if there is no such table, or another program's. */
async function readVersion(connection: MysqlConnection): Promise<number> {
  try {
    const found = await readOrEmpty(connection, "SELECT version FROM pipeline_schema WHERE id = 1");
    const version = Number(found[0]?.[0] ?? 0);
    return Number.isInteger(version) ? version : 0;
  } catch (error) {
    if (error instanceof MysqlFault && error.kind === "unknown_column") return 0;
    throw error;
  }
}

/** Whether the ledger names datasets; before version 3 it does not. */
async function hasDatasets(connection: MysqlConnection): Promise<boolean> {
  const found = await connection.query(
    `SELECT 1 FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'source_file' AND COLUMN_NAME = 'dataset'`,
  );
  return found.length > 0;
}

/** Adds the column after all others: both servers do that without a copy of the table. */
async function addDatasets(connection: MysqlConnection): Promise<void> {
  const statement = `ALTER TABLE source_file ADD COLUMN dataset ${DATASET}`;
  try {
    await connection.run(statement, [], { timeoutMs: BULK_TIMEOUT_MS });
  } catch (error) {
    // Another process has added it meanwhile. MySQL has no ADD COLUMN IF NOT EXISTS.
    if (!(error instanceof MysqlFault) || error.kind !== "column_exists") throw error;
  }
}

/** Creates those of the tables that are missing. */
export async function createMissing(
  connection: MysqlConnection,
  tables: readonly ReportingTable[],
): Promise<void> {
  for (const table of tables) {
    if (!await isMissing(connection, table.name)) continue;
    const parts = await columnsDdl(connection, table);
    const { incentive } = table;
    if (incentive) {
      // The incentives of those who compete are worked out anew without reading the other rows.
      const index = `KEY by_month (${quotedList(incentive.within)})`;
      parts.push(`${quoted(incentive.column)} DECIMAL(28,2) NOT NULL`, index);
    }
    await connection.run(
      `CREATE TABLE IF NOT EXISTS ${quoted(table.name)} (${parts.join(", ")}) ${TABLE_OPTIONS}`,
    );
  }
}

/** The columns and the key as DDL, less the incentive's column: what a staging table has too. */
export async function columnsDdl(
  connection: MysqlConnection,
  { columns, key, add }: ReportingTable,
): Promise<string[]> {
  const types = Object.entries(columns).map(([name, type]) => ({ name, type: parseTableType(type) }));
  const isKeyText = ({ name, type }: (typeof types)[number]) => type.kind === "text" && key.includes(name);
  const collation = types.some(isKeyText) ? await exactCollation(connection) : "";
  return [
    ...types.map((column) => {
      const { name, type } = column;
      const sql = isKeyText(column) ? `VARCHAR(${KEY_CHARACTERS}) COLLATE ${collation}` : sqlType(type);
      return `${quoted(name)} ${sql}${key.includes(name) || add.includes(name) ? " NOT NULL" : ""}`;
    }),
    `PRIMARY KEY (${quotedList(key)})`,
  ];
}

/**
 * The collation in which texts are the same only if all their bytes are: for utf8mb4_bin "tea" and "tea " are the same
 * key. MariaDB and MySQL have other names for it.
 */
async function exactCollation(connection: MysqlConnection): Promise<string> {
  const [found] = await connection.query(
    `SELECT MAX(COLLATION_NAME) FROM information_schema.COLLATIONS
     WHERE COLLATION_NAME IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')`,
  );
  return String(found?.[0]);
}

function sqlType(type: TableType): string {
  switch (type.kind) {
    case "integer":
      return "BIGINT";
    case "date":
      return "DATE";
    case "text":
      return "TEXT";
    case "char":
      return `CHAR(${type.length}) CHARACTER SET ascii COLLATE ascii_bin`;
    case "decimal":
      return `DECIMAL(${type.precision},${type.scale})`;
  }
}

/**
 * Whether there is no such table. The catalogue shows only what the account may read; if it may not, the server says so
 * here.
 */
export async function isMissing(connection: MysqlConnection, table: string): Promise<boolean> {
  try {
    await connection.query(`SELECT 1 FROM ${quoted(table)} LIMIT 0`);
    return false;
  } catch (error) {
    if (error instanceof MysqlFault && error.kind === "missing_table") return true;
    throw error;
  }
}

/**
 * The ledger as a relation: to a connection that may change nothing it looks as if its files from before version 3 named
 * their dataset.
 */
export async function ledgerOf(connection: MysqlConnection): Promise<string> {
  if (!connection.isReadOnly || await hasDatasets(connection)) return "source_file";
  return `(SELECT f.*, CAST(${literal(FIRST_DATASET)} AS BINARY) AS dataset FROM source_file f)`;
}

/** Rows of the pipeline's own tables; to a connection that may change nothing, a table that is missing is empty. */
export async function readOwn(
  connection: MysqlConnection,
  sql: string,
  parameters: readonly SqlParameter[] = [],
): Promise<SqlRow[]> {
  return connection.isReadOnly
    ? await readOrEmpty(connection, sql, parameters)
    : await connection.query(sql, parameters);
}

async function readOrEmpty(
  connection: MysqlConnection,
  sql: string,
  parameters: readonly SqlParameter[] = [],
): Promise<SqlRow[]> {
  try {
    return await connection.query(sql, parameters);
  } catch (error) {
    if (error instanceof MysqlFault && error.kind === "missing_table") return [];
    throw error;
  }
}
