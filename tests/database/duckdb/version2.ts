/**
 * A database as version 2 of the tables made it (b05def4), in DuckDB, with the rows that `../migration.ts` describes.
 *
 * @module
 */
import { sha256 } from "../fixtures.ts";
import { VERSION_2 } from "../migration.ts";

const { id, token, published, committed } = VERSION_2;

/** The statements that make it in an empty file. */
export const DUCKDB_VERSION_2: readonly string[] = [
  "CREATE TABLE pipeline_schema (version INTEGER, database_id VARCHAR, bound BOOLEAN)",
  `CREATE TABLE pipeline_lease (owner VARCHAR, holder VARCHAR, run_id VARCHAR, token BIGINT, acquired_at TIMESTAMP,
    expires_at TIMESTAMP)`,
  `CREATE TABLE pipeline_run (run_id VARCHAR, token BIGINT, state VARCHAR, config_hash VARCHAR, started_at TIMESTAMP,
    committed_at TIMESTAMP, finished_at TIMESTAMP)`,
  `CREATE TABLE source_file (run_id VARCHAR, object_key VARCHAR, etag VARCHAR, size_bytes BIGINT, last_modified VARCHAR,
    sha256 VARCHAR, status VARCHAR, reason VARCHAR, rows_read BIGINT, rows_accepted BIGINT, rows_rejected BIGINT,
    destination VARCHAR)`,
  `CREATE TABLE pending_move (id BIGINT, run_id VARCHAR, kind VARCHAR, from_key VARCHAR, to_key VARCHAR, etag VARCHAR,
    size_bytes BIGINT, last_modified VARCHAR, local_copy VARCHAR, outcome VARCHAR)`,
  `CREATE TABLE customers_data_mart (customer_id BIGINT, full_name VARCHAR, address VARCHAR, phone_number VARCHAR,
    sales_month VARCHAR, total_sales DECIMAL(28,2))`,
  `CREATE TABLE sales_team_data_mart (store_id BIGINT, sales_person_id BIGINT, full_name VARCHAR, sales_month VARCHAR,
    total_sales DECIMAL(28,2), incentive DECIMAL(28,2))`,
  `CREATE TABLE replayed_file (run_id VARCHAR, number BIGINT, kind VARCHAR, source_run VARCHAR, source_key VARCHAR,
    landing_key VARCHAR, line_count BIGINT, sha256 VARCHAR)`,
  "CREATE TABLE replayed_row (source_run VARCHAR, source_key VARCHAR, line BIGINT, run_id VARCHAR)",
  "CREATE SEQUENCE pending_move_id",
  `INSERT INTO pipeline_schema VALUES (2, '${id}', TRUE)`,
  `INSERT INTO pipeline_lease VALUES (NULL, NULL, NULL, ${token}, NULL, NULL)`,
  `INSERT INTO pipeline_run VALUES
    ('${published}', 1, 'published', 'c0ffee', '2023-04-03 02:00:00', '2023-04-03 02:01:00', '2023-04-03 02:02:00'),
    ('${committed}', 2, 'committed', 'c0ffee', '2023-04-04 02:00:00', '2023-04-04 02:01:00', NULL)`,
  `INSERT INTO source_file VALUES
    ('${published}', 'known.csv', 'etag', 17, '2023-04-01T01:00:00Z', '${
    sha256("known.csv")
  }', 'accepted', NULL,
      2, 2, 0, 'to/known.csv'),
    ('${published}', 'partly.csv', 'etag', 17, '2023-04-01T01:00:00Z', '${
    sha256("partly.csv")
  }', 'accepted', NULL,
      5, 2, 3, 'to/partly.csv'),
    ('${committed}', 'whole.csv', 'etag', 17, '2023-04-01T01:00:00Z', NULL, 'rejected', 'empty_file',
      0, 0, 0, 'to/whole.csv')`,
  `INSERT INTO pending_move VALUES
    (nextval('pending_move_id'), '${published}', 'archive', 'known.csv', 'to/known.csv', 'etag', 17,
      '2023-04-01T01:00:00Z', NULL, 'done'),
    (nextval('pending_move_id'), '${committed}', 'archive', 'whole.csv', 'error/whole.csv', 'etag', 0,
      '2023-04-01T01:00:00Z', NULL, NULL)`,
  "INSERT INTO customers_data_mart VALUES (1, 'Ann Lee', '1 Elm St', NULL, '2023-03', 5.00)",
  "INSERT INTO sales_team_data_mart VALUES (121, 1, 'Ada', '2023-03', 5.00, 0.05)",
  `INSERT INTO replayed_file VALUES ('${committed}', 0, 'rows', '${published}', 'partly.csv', 'landing.csv', 1,
    '${sha256("composed")}')`,
  `INSERT INTO replayed_row VALUES ('${published}', 'partly.csv', 2, '${committed}')`,
];
