/**
 * Reads what the pipeline wrote, with types, by a DuckDB of the tests' own: nothing of the product is used to judge it.
 *
 * @module
 */
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import assert from "node:assert/strict";
import type { Row } from "./rows.ts";

/** The result of a query: columns as `name TYPE`, in order, and the rows' values as text. */
export interface Relation {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/**
 * Opens a database file for as long as `use` takes; `:memory:` for none. One process at a time can have it open, so
 * that a task must not run meanwhile.
 */
export async function withDuckdb<T>(
  path: string,
  use: (connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  const instance = await DuckDBInstance.create(path);
  try {
    const connection = await instance.connect();
    try {
      return await use(connection);
    } finally {
      connection.disconnectSync();
    }
  } finally {
    instance.closeSync();
  }
}

/** Runs a SELECT on an open connection. */
export async function select(connection: DuckDBConnection, sql: string): Promise<Relation> {
  const reader = await connection.runAndReadAll(sql);
  const types = reader.columnTypes();
  return {
    columns: reader.columnNames().map((name, i) => `${name} ${types[i]}`),
    // The JSON converters are the only ones that keep DECIMAL and BIGINT exact.
    rows: reader.getRowsJson().map((row) => row.map((value) => value === null ? null : String(value))),
  };
}

/** All rows of a table of a database file. */
export function readTable(path: string, table: string): Promise<Relation> {
  return withDuckdb(path, (connection) => select(connection, `SELECT * FROM ${table}`));
}

/** Every table of a database file, for comparing before and after. */
export function dumpDatabase(path: string): Promise<Record<string, Relation>> {
  return withDuckdb(path, async (connection) => {
    const tables = await select(connection, "SELECT table_name FROM duckdb_tables() ORDER BY table_name");
    const dump: Record<string, Relation> = {};
    for (const [table] of tables.rows) {
      dump[String(table)] = await select(connection, `SELECT * FROM "${table}"`);
    }
    return dump;
  });
}

/**
 * The rows of Parquet files that all have the same columns; at least one file.
 *
 * @param partitions Columns to take from the path, as `name TYPE`; they come after those in the files.
 */
export function readParquet(files: readonly string[], partitions: readonly string[] = []): Promise<Relation> {
  return withDuckdb(":memory:", async (connection) => {
    const [first, ...others] = await Promise.all(
      files.map((file) => select(connection, `SELECT * FROM ${source([file])} LIMIT 0`)),
    );
    assert.ok(first, "there is no Parquet file to read");
    others.forEach(({ columns }, i) =>
      assert.deepEqual(columns, first.columns, `columns of ${files[i + 1]}`)
    );
    return await select(connection, `SELECT * FROM ${source(files, partitions)}`);
  });
}

function source(files: readonly string[], partitions: readonly string[] = []): string {
  const types = partitions.map((column) => column.replace(" ", ": ")).join(", ");
  // Off unless asked for: DuckDB would take any NAME=VALUE folder, `run_id=…` too, for a column.
  const hive = partitions.length > 0
    ? `hive_partitioning = true, hive_types = {${types}}`
    : "hive_partitioning = false";
  return `read_parquet([${files.map(sqlText).join(", ")}], ${hive})`;
}

/** A text as an SQL literal. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
