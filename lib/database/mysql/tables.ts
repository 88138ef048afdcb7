/**
 * The pipeline's own tables and the two reporting tables in MySQL, and how a database gets them.
 *
 * Every DDL statement commits by itself, so that a migration is a list of statements each of which may be repeated, and
 * the version that says that they are done is written last: a migration that was killed is simply done again, also by
 * two processes at once.
 *
 * @module
 */
import { DataError } from "../../errors.ts";
import type { MysqlConnection } from "./connection.ts";
import { MysqlFault } from "./errors.ts";

/** Compares as bytes; names and texts differ where one letter's case does. */
const TABLE_OPTIONS =
  "ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin";
/** Bytes of a key: 1,024 in S3; a folder store has PATH_MAX (limits.h). */
const KEY = "VARBINARY(4096)";
const MONTH = "CHAR(7) CHARACTER SET ascii COLLATE ascii_bin NOT NULL";
const MONEY = "DECIMAL(28,2) NOT NULL";

/** What the month totals add up in; the staging tables have the same columns, but for the incentive. */
export const TOTALS = {
  customers_data_mart: {
    columns: {
      customer_id: "BIGINT NOT NULL",
      full_name: "TEXT",
      address: "TEXT",
      phone_number: "TEXT",
      sales_month: MONTH,
      total_sales: MONEY,
    },
    key: ["customer_id", "sales_month"],
  },
  sales_team_data_mart: {
    columns: {
      store_id: "BIGINT NOT NULL",
      sales_person_id: "BIGINT NOT NULL",
      full_name: "TEXT",
      sales_month: MONTH,
      total_sales: MONEY,
    },
    key: ["store_id", "sales_person_id", "sales_month"],
  },
} as const;

/** A reporting table. */
export type MartName = keyof typeof TOTALS;

/** The columns of a reporting table as DDL, others after them, and its key. */
export function totalsColumns(mart: MartName, ...others: readonly string[]): string {
  const { columns, key } = TOTALS[mart];
  return [
    ...Object.entries(columns).map(([name, type]) => `${name} ${type}`),
    ...others,
    `PRIMARY KEY (${key.join(", ")})`,
  ].join(", ");
}

/** Tables of version 1. */
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
    size_bytes BIGINT NOT NULL, last_modified VARCHAR(64) NOT NULL,
    sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin, status VARCHAR(20) NOT NULL, reason VARCHAR(64),
    rows_read BIGINT NOT NULL, rows_accepted BIGINT NOT NULL, rows_rejected BIGINT NOT NULL,
    destination ${KEY} NOT NULL, KEY by_key (key_hash), KEY by_content (sha256), KEY by_run (run_id)`,
  pending_move: `id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, run_id VARCHAR(255) NOT NULL,
    kind VARCHAR(20) NOT NULL, from_key ${KEY} NOT NULL, to_key ${KEY} NOT NULL, etag VARCHAR(1024) NOT NULL,
    size_bytes BIGINT NOT NULL, last_modified VARCHAR(64), local_copy ${KEY}, outcome VARCHAR(20),
    KEY by_run (run_id, kind), KEY open_moves (outcome, kind)`,
  customers_data_mart: totalsColumns("customers_data_mart"),
  // The incentives of a store and month are worked out anew without reading its other months.
  sales_team_data_mart: `${totalsColumns("sales_team_data_mart", `incentive ${MONEY}`)},
    KEY by_month (store_id, sales_month)`,
};

/** Tables of version 2. */
const REPLAY_TABLES: Readonly<Record<string, string>> = {
  replayed_file: `run_id VARCHAR(255) NOT NULL, number INT NOT NULL, kind VARCHAR(20) NOT NULL,
    source_run VARCHAR(255) NOT NULL, key_hash BINARY(32) NOT NULL, source_key ${KEY} NOT NULL,
    landing_hash BINARY(32) NOT NULL, landing_key ${KEY} NOT NULL, line_count BIGINT NOT NULL,
    sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin, PRIMARY KEY (run_id, number),
    KEY by_source (source_run, key_hash), KEY by_landing (landing_hash)`,
  // Line 0 for a whole file. Its key is what keeps anything from being put back twice.
  replayed_row: `source_run VARCHAR(255) NOT NULL, key_hash BINARY(32) NOT NULL, line BIGINT NOT NULL,
    run_id VARCHAR(255) NOT NULL, PRIMARY KEY (source_run, key_hash, line)`,
};

/** For each version the statements that lead to it, each of which may be repeated. */
const MIGRATIONS: readonly (readonly string[])[] = [
  [
    ...createTables(TABLES),
    "INSERT INTO pipeline_lease (id, token) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id",
  ],
  createTables(REPLAY_TABLES),
];

function createTables(tables: Readonly<Record<string, string>>): string[] {
  return Object.entries(tables).map(([table, columns]) =>
    `CREATE TABLE IF NOT EXISTS ${table} (${columns}) ${TABLE_OPTIONS}`
  );
}

/**
 * Brings the tables to the newest version.
 *
 * @param name Of the database, for messages.
 * @param newId Becomes the database's id where it has none.
 * @throws {DataError} `newer_schema`
 */
export async function migrate(connection: MysqlConnection, name: string, newId: () => string): Promise<void> {
  const version = await schemaVersion(connection);
  if (version === MIGRATIONS.length) return;
  if (version > MIGRATIONS.length) {
    throw new DataError(
      "newer_schema",
      `Cannot use the database ${name}: a newer version of nightly-marts has migrated it; use that version`,
    );
  }
  for (const statement of MIGRATIONS.slice(version).flat()) await connection.run(statement);
  await connection.run(
    `INSERT INTO pipeline_schema (id, version, database_id, bound) VALUES (1, ?, ?, FALSE)
     ON DUPLICATE KEY UPDATE version = GREATEST(version, ?)`,
    [MIGRATIONS.length, newId(), MIGRATIONS.length],
  );
}

/** 0 where there is none, or a table is missing: then everything is made again that is not there. */
async function schemaVersion(connection: MysqlConnection): Promise<number> {
  const tables = Object.keys({ ...TABLES, ...REPLAY_TABLES });
  const found = await readOrEmpty(connection, "SELECT version FROM pipeline_schema WHERE id = 1");
  const version = Number(found[0]?.[0] ?? 0);
  if (version !== MIGRATIONS.length) return version;
  const [count] = await connection.query(
    `SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${
      tables.map(() => "?").join(", ")
    })`,
    tables,
  );
  return Number(count?.[0]) === tables.length ? version : 0;
}

/** The rows of a query; none where a table that it names does not exist. */
export async function readOrEmpty(
  connection: MysqlConnection,
  ...query: Parameters<MysqlConnection["query"]>
): ReturnType<MysqlConnection["query"]> {
  try {
    return await connection.query(...query);
  } catch (error) {
    if (error instanceof MysqlFault && error.kind === "missing_table") return [];
    throw error;
  }
}
