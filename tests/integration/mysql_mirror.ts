/**
 * A database of a MySQL or MariaDB server as a DuckDB file, for tests that look into the embedded one.
 *
 * @module
 */
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { DIMENSION_TABLES } from "../support/datasets.ts";
import { sqlText, withDuckdb } from "../support/duckdb.ts";
import type { FreshDatabase } from "./mysql_server.ts";

/** Rows of one INSERT. */
const INSERT_ROWS = 1000;

/** What the types that are used here are in DuckDB; others are text there too. */
const DUCKDB_TYPES: Readonly<Record<string, string>> = {
  bigint: "BIGINT",
  int: "INTEGER",
  tinyint: "TINYINT",
  date: "DATE",
  datetime: "TIMESTAMP",
};

/** Makes or replaces the four dimension tables from `NAME.csv` files; an empty field is NULL. */
export async function loadDimensions(database: FreshDatabase, folder: string): Promise<void> {
  for (const [table, columns] of Object.entries(DIMENSION_TABLES)) {
    const types = columns.map((column) => column.replace("VARCHAR", "VARCHAR(500)"));
    await database.sql(
      `DROP TABLE IF EXISTS ${table}`,
      `CREATE TABLE ${table} (${types.join(", ")}) DEFAULT CHARACTER SET utf8mb4`,
    );
    const [, ...rows] = parse(await Deno.readTextFile(join(folder, `${table}.csv`))) as string[][];
    for (let start = 0; start < rows.length; start += INSERT_ROWS) {
      const values = rows.slice(start, start + INSERT_ROWS).map((row) =>
        `(${row.map(valueText).join(", ")})`
      );
      await database.sql(`INSERT INTO ${table} VALUES ${values.join(", ")}`);
    }
  }
}

function valueText(value: string): string {
  return value === "" ? "NULL" : `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/** Writes every table, as it is now, into a new DuckDB file; bytes are shown as the text that they are. */
export async function mirrorDatabase(database: FreshDatabase, file: string): Promise<void> {
  await Deno.remove(file).catch(() => {});
  const columns = await database.sql(
    `SELECT table_name, column_name, data_type, numeric_precision, numeric_scale FROM information_schema.columns
     WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`,
  );
  await withDuckdb(file, async (connection) => {
    for (const [table, found] of Map.groupBy(columns, ([table]) => String(table))) {
      const types = found.map(([, name, type, precision, scale]): readonly [string, string] => {
        const decimal = type === "decimal" ? `DECIMAL(${precision},${scale})` : undefined;
        return [String(name), decimal ?? DUCKDB_TYPES[String(type)] ?? "VARCHAR"];
      });
      await connection.run(
        `CREATE TABLE "${table}" (${types.map(([name, type]) => `"${name}" ${type}`).join(", ")})`,
      );
      const selected = found.map(([, name, type]) =>
        type === "varbinary"
          ? `CONVERT(${name} USING utf8mb4)`
          : type === "binary"
          ? `HEX(${name})`
          : `${name}`
      );
      const rows = await database.sql(`SELECT ${selected.join(", ")} FROM ${table}`);
      const shape = sqlText(JSON.stringify([Object.fromEntries(types.map((_, i) => [`c${i}`, "VARCHAR"]))]));
      const values = rows.map((row) => Object.fromEntries(row.map((value, i) => [`c${i}`, value])));
      await connection.run(
        `INSERT INTO "${table}" SELECT ${types.map(([, type], i) => `CAST(c${i} AS ${type})`).join(", ")}
         FROM (SELECT unnest(from_json($1::JSON, ${shape}), recursive := true))`,
        [JSON.stringify(values)],
      );
    }
  });
}
