/**
 * A snapshot of the dimension tables in MySQL, all as of one moment, as Parquet.
 *
 * Values travel as text and reach DuckDB as text: nothing on the way may take a long id for a floating point number or a
 * date for a moment in some time zone.
 *
 * @module
 */
import type { Duckdb } from "../../duckdb/duckdb.ts";
import { DataError } from "../../errors.ts";
import { type DimensionName, DIMENSIONS, type Snapshot } from "../database.ts";
import { type CatalogColumn, requireDimensions } from "../dimensions.ts";
import type { MysqlConnection } from "./connection.ts";
import { MysqlFault } from "./errors.ts";
import { literal } from "../../sql.ts";

/** Types that hold whole numbers; an id of another type could be rounded. */
const INTEGER_TYPES = ["tinyint", "smallint", "mediumint", "int", "bigint"];

/**
 * Writes each dimension as `NAME.parquet` into the folder.
 *
 * @param duckdb May write into the folder; spills what does not fit into its memory.
 * @param name Of the database, for messages.
 */
export async function writeSnapshot(
  connection: MysqlConnection,
  duckdb: Duckdb,
  folder: string,
  name: string,
): Promise<Snapshot> {
  await connection.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  await connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
  requireDimensions(name, await readCatalog(connection));
  const written: Partial<Record<DimensionName, { file: string; rowCount: number }>> = {};
  for (const table of Object.keys(DIMENSIONS) as DimensionName[]) {
    const file = `${folder}/${table}.parquet`;
    written[table] = { file, rowCount: await writeDimension(connection, duckdb, table, file, name) };
  }
  await connection.run("COMMIT");
  return written as Snapshot;
}

async function writeDimension(
  connection: MysqlConnection,
  duckdb: Duckdb,
  table: DimensionName,
  file: string,
  name: string,
): Promise<number> {
  const { ids, text } = DIMENSIONS[table];
  const columns = [...ids, ...text];
  const rows = connection.stream(
    `SELECT ${columns.map((column) => `CAST(${column} AS CHAR)`).join(", ")} FROM ${table}`,
  );
  await duckdb.query(`CREATE OR REPLACE TABLE ${table} (${columns.map((c) => `${c} VARCHAR`).join(", ")})`);
  const rowCount = await duckdb.appendText(table, columns.length, rows as AsyncIterable<(string | null)[][]>);
  for (const id of ids) {
    const [unfit] = await duckdb.query(
      `SELECT 1 FROM ${table} WHERE ${id} IS NOT NULL AND TRY_CAST(${id} AS BIGINT) IS NULL LIMIT 1`,
    );
    if (!unfit) continue;
    throw new DataError(
      "dimension_key_type",
      `Cannot read the dimensions: a ${table}.${id} of ${name} does not fit into 64 bits`,
    );
  }
  const selected = [...ids.map((id) => `CAST(${id} AS BIGINT) AS ${id}`), ...text];
  await duckdb.query(
    `COPY (SELECT ${selected.join(", ")} FROM ${table}) TO ${literal(file)} (FORMAT parquet)`,
  );
  await duckdb.query(`DROP TABLE ${table}`);
  return rowCount;
}

async function readCatalog(connection: MysqlConnection): Promise<Map<string, Map<string, CatalogColumn>>> {
  const found = await connection.query(
    `SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, NUMERIC_SCALE, COLUMN_TYPE FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${Object.keys(DIMENSIONS).map(literal).join(", ")})`,
  );
  const tables = new Map<string, Map<string, CatalogColumn>>();
  for (const [table, rows] of Map.groupBy(found, ([table]) => String(table))) {
    const columns = rows.map(([, column, kind, scale, type]): [string, CatalogColumn] => {
      const isInteger = INTEGER_TYPES.includes(String(kind)) || (kind === "decimal" && scale === "0");
      return [String(column).toLowerCase(), { type: String(type), isInteger }];
    });
    tables.set(table, new Map(columns));
  }
  for (const table of Object.keys(DIMENSIONS)) {
    if (!tables.has(table) && !await isMissing(connection, table)) tables.set(table, new Map());
  }
  return tables;
}

/** The catalogue shows only what the account may read; where it may not, the server says so here. */
async function isMissing(connection: MysqlConnection, table: string): Promise<boolean> {
  try {
    await connection.query(`SELECT 1 FROM ${table} LIMIT 0`);
    return false;
  } catch (error) {
    if (error instanceof MysqlFault && error.kind === "missing_table") return true;
    throw error;
  }
}
