/**
 * A database as version 2 of the tables made it (b05def4), in MySQL, with the rows that `../migration.ts` describes.
 *
 * @module
 */
import { sha256 } from "../fixtures.ts";
import { VERSION_2 } from "../migration.ts";

const { id, token, published, committed } = VERSION_2;

const OPTIONS = "ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin";

/** Columns and keys by table. */
const TABLES: Readonly<Record<string, string>> = {
  pipeline_schema: `id TINYINT NOT NULL PRIMARY KEY, version INT NOT NULL, database_id VARCHAR(64) NOT NULL,
    bound BOOLEAN NOT NULL`,
  pipeline_lease: `id TINYINT NOT NULL PRIMARY KEY, owner TEXT, holder TEXT, run_id VARCHAR(255),
    token BIGINT NOT NULL, acquired_at DATETIME(6), expires_at DATETIME(6)`,
  pipeline_run: `run_id VARCHAR(255) NOT NULL PRIMARY KEY, token BIGINT NOT NULL, state VARCHAR(20) NOT NULL,
    config_hash VARCHAR(255) NOT NULL, started_at DATETIME(6) NOT NULL, committed_at DATETIME(6),
    finished_at DATETIME(6), KEY by_state (state)`,
  source_file: `id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, run_id VARCHAR(255) NOT NULL,
    key_hash BINARY(32) NOT NULL, object_key VARBINARY(4096) NOT NULL, etag VARCHAR(1024) NOT NULL,
    size_bytes BIGINT NOT NULL, last_modified VARCHAR(64) NOT NULL,
    sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin, status VARCHAR(20) NOT NULL, reason VARCHAR(64),
    rows_read BIGINT NOT NULL, rows_accepted BIGINT NOT NULL, rows_rejected BIGINT NOT NULL,
    destination VARBINARY(4096) NOT NULL, KEY by_key (key_hash), KEY by_content (sha256), KEY by_run (run_id)`,
  pending_move: `id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, run_id VARCHAR(255) NOT NULL,
    kind VARCHAR(20) NOT NULL, from_key VARBINARY(4096) NOT NULL, to_key VARBINARY(4096) NOT NULL,
    etag VARCHAR(1024) NOT NULL, size_bytes BIGINT NOT NULL, last_modified VARCHAR(64),
    local_copy VARBINARY(4096), outcome VARCHAR(20), KEY by_run (run_id, kind), KEY open_moves (outcome, kind)`,
  customers_data_mart: `customer_id BIGINT NOT NULL, full_name TEXT, address TEXT, phone_number TEXT,
    sales_month CHAR(7) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, total_sales DECIMAL(28,2) NOT NULL,
    PRIMARY KEY (customer_id, sales_month)`,
  sales_team_data_mart: `store_id BIGINT NOT NULL, sales_person_id BIGINT NOT NULL, full_name TEXT,
    sales_month CHAR(7) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, total_sales DECIMAL(28,2) NOT NULL,
    incentive DECIMAL(28,2) NOT NULL, PRIMARY KEY (store_id, sales_person_id, sales_month),
    KEY by_month (store_id, sales_month)`,
  replayed_file: `run_id VARCHAR(255) NOT NULL, number INT NOT NULL, kind VARCHAR(20) NOT NULL,
    source_run VARCHAR(255) NOT NULL, key_hash BINARY(32) NOT NULL, source_key VARBINARY(4096) NOT NULL,
    landing_hash BINARY(32) NOT NULL, landing_key VARBINARY(4096) NOT NULL, line_count BIGINT NOT NULL,
    sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin, PRIMARY KEY (run_id, number),
    KEY by_source (source_run, key_hash), KEY by_landing (landing_hash)`,
  replayed_row: `source_run VARCHAR(255) NOT NULL, key_hash BINARY(32) NOT NULL, line BIGINT NOT NULL,
    run_id VARCHAR(255) NOT NULL, PRIMARY KEY (source_run, key_hash, line)`,
};

const hash = (key: string) => `X'${sha256(key)}'`;

/** The statements that make it in an empty schema. */
export const MYSQL_VERSION_2: readonly string[] = [
  ...Object.entries(TABLES).map(([table, columns]) => `CREATE TABLE ${table} (${columns}) ${OPTIONS}`),
  `INSERT INTO pipeline_schema VALUES (1, 2, '${id}', TRUE)`,
  `INSERT INTO pipeline_lease (id, token) VALUES (1, ${token})`,
  `INSERT INTO pipeline_run VALUES
    ('${published}', 1, 'published', 'c0ffee', '2023-04-03 02:00:00', '2023-04-03 02:01:00', '2023-04-03 02:02:00'),
    ('${committed}', 2, 'committed', 'c0ffee', '2023-04-04 02:00:00', '2023-04-04 02:01:00', NULL)`,
  `INSERT INTO source_file VALUES
    (1, '${published}', ${hash("known.csv")}, 'known.csv', 'etag', 17, '2023-04-01T01:00:00Z',
      '${sha256("known.csv")}', 'accepted', NULL, 2, 2, 0, 'to/known.csv'),
    (2, '${published}', ${hash("partly.csv")}, 'partly.csv', 'etag', 17, '2023-04-01T01:00:00Z',
      '${sha256("partly.csv")}', 'accepted', NULL, 5, 2, 3, 'to/partly.csv'),
    (3, '${committed}', ${hash("whole.csv")}, 'whole.csv', 'etag', 17, '2023-04-01T01:00:00Z',
      NULL, 'rejected', 'empty_file', 0, 0, 0, 'to/whole.csv')`,
  `INSERT INTO pending_move VALUES
    (1, '${published}', 'archive', 'known.csv', 'to/known.csv', 'etag', 17, '2023-04-01T01:00:00Z', NULL, 'done'),
    (2, '${committed}', 'archive', 'whole.csv', 'error/whole.csv', 'etag', 0, '2023-04-01T01:00:00Z', NULL, NULL)`,
  "INSERT INTO customers_data_mart VALUES (1, 'Ann Lee', '1 Elm St', NULL, '2023-03', 5.00)",
  "INSERT INTO sales_team_data_mart VALUES (121, 1, 'Ada', '2023-03', 5.00, 0.05)",
  `INSERT INTO replayed_file VALUES ('${committed}', 0, 'rows', '${published}', ${
    hash("partly.csv")
  }, 'partly.csv',
    ${hash("landing.csv")}, 'landing.csv', 1, '${sha256("composed")}')`,
  `INSERT INTO replayed_row VALUES ('${published}', ${hash("partly.csv")}, 2, '${committed}')`,
];
