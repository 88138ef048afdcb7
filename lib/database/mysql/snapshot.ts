/**
 * A snapshot of the dimension tables in MySQL, all as of one moment, as Parquet.
 *
 * Values travel as text and reach DuckDB as text: nothing on the way may take a long id for a floating point number or a
 * date for a moment in some time zone.
 *
 * @module
 */
import type { Duckdb } from "../../duckdb/duckdb.ts";
import { identifier, literal } from "../../sql.ts";
import {
  bytesNoText,
  type Catalog,
  type CatalogColumn,
  idTooLarge,
  isSameName,
  requireDimensions,
  textOfBytes,
} from "../dimensions.ts";
import type { Dimension, Dimensions, Snapshot } from "../records.ts";
import type { MysqlConnection, SqlRow } from "./connection.ts";
import { quoted } from "./rows.ts";
import { isMissing } from "./tables.ts";

/** Types that hold whole numbers. */
const INTEGER_TYPES = ["tinyint", "smallint", "mediumint", "int", "bigint"];
/** Types of bytes. */
const BYTE_TYPES = ["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"];
/** Types whose values no cast makes text of that people would know. */
const NO_TEXT =
  /^(geometry|point|linestring|polygon|multipoint|multilinestring|multipolygon|geom(etry)?collection|vector)$/;
/** DuckDB's table for one dimension's text. */
const TEXTS = "dimension";

/** What to take, and where it goes. */
export interface SnapshotOrder {
  /** The folder for the files. */
  readonly folder: string;
  /** The tables and their columns. */
  readonly dimensions: Dimensions;
  /** The database's name, for messages. */
  readonly name: string;
}

/**
 * Writes each dimension as `NAME.parquet` into the folder.
 *
 * @param duckdb May write into the folder; spills what does not fit into its memory.
 */
export async function writeSnapshot(
  connection: MysqlConnection,
  duckdb: Duckdb,
  { folder, dimensions, name }: SnapshotOrder,
): Promise<Snapshot> {
  await connection.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  await connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
  const catalog = await readCatalog(connection, dimensions);
  requireDimensions(name, catalog, dimensions);
  const written: Record<string, Snapshot[string]> = {};
  for (const [table, dimension] of Object.entries(dimensions)) {
    const file = `${folder}/${table}.parquet`;
    const formOf = (column: string) => catalog.get(table)?.get(column)?.form ?? "text";
    const rowCount = await readTexts(connection, duckdb, { table, dimension, formOf });
    for (const column of dimension.text.filter((column) => formOf(column) === "bytes")) {
      const key = await keyWithoutText(duckdb, column, dimension.key, formOf);
      if (key !== undefined) throw bytesNoText({ table, column, key, name });
    }
    for (const id of dimension.ids) {
      if (!await fitsBigint(duckdb, id)) throw idTooLarge(`${table}.${id}`, name);
    }
    await writeTexts(duckdb, dimension, { file, formOf });
    written[table] = { file, rowCount };
  }
  await connection.run("COMMIT");
  return written;
}

/** What the values of a column are as text. */
type FormOf = (column: string) => CatalogColumn["form"];

/** Reads a dimension into DuckDB, bytes as hexadecimal digits; gives the number of rows. */
async function readTexts(
  connection: MysqlConnection,
  duckdb: Duckdb,
  { table, dimension: { ids, text }, formOf }: { table: string; dimension: Dimension; formOf: FormOf },
): Promise<number> {
  const columns = [...ids, ...text];
  const selected = columns.map((column) => {
    const name = quoted(column);
    switch (formOf(column)) {
      case "bytes":
        return `HEX(${name})`;
      case "bits":
        return `CAST(${name} + 0 AS CHAR)`;
      default:
        return `CAST(${name} AS CHAR)`;
    }
  });
  const rows = connection.stream(`SELECT ${selected.join(", ")} FROM ${quoted(table)}`);
  await duckdb.query(
    `CREATE OR REPLACE TABLE ${TEXTS} (${
      columns.map((column) => `${identifier(column)} VARCHAR`).join(", ")
    })`,
  );
  return await duckdb.appendText(TEXTS, columns.length, rows);
}

async function fitsBigint(duckdb: Duckdb, id: string): Promise<boolean> {
  const column = identifier(id);
  const [unfit] = await duckdb.query(
    `SELECT 1 FROM ${TEXTS} WHERE ${column} IS NOT NULL AND TRY_CAST(${column} AS BIGINT) IS NULL LIMIT 1`,
  );
  return unfit === undefined;
}

/** The key of a row whose bytes in a column are no text, as text; `undefined` if there is none. */
async function keyWithoutText(
  duckdb: Duckdb,
  column: string,
  key: string,
  formOf: FormOf,
): Promise<unknown> {
  const [found] = await duckdb.query(
    `SELECT ${
      formOf(key) === "bytes" ? `concat('0x', ${identifier(key)})` : identifier(key)
    } AS key FROM ${TEXTS}
     WHERE ${identifier(column)} IS NOT NULL AND ${
      textOfBytes(`from_hex(${identifier(column)})`)
    } IS NULL LIMIT 1`,
  );
  return found?.key;
}

async function writeTexts(
  duckdb: Duckdb,
  { ids, text }: Dimension,
  { file, formOf }: { file: string; formOf: FormOf },
): Promise<void> {
  const selected = [
    ...ids.map(identifier).map((id) => `CAST(${id} AS BIGINT) AS ${id}`),
    ...text.map((column) => {
      const name = identifier(column);
      return formOf(column) === "bytes" ? `${textOfBytes(`from_hex(${name})`)} AS ${name}` : name;
    }),
  ];
  await duckdb.query(
    `COPY (SELECT ${selected.join(", ")} FROM ${TEXTS}) TO ${literal(file)} (FORMAT parquet)`,
  );
  await duckdb.query(`DROP TABLE ${TEXTS}`);
}

/** The dimension tables that there are. Their names and those of their columns are as they are asked for. */
async function readCatalog(connection: MysqlConnection, dimensions: Dimensions): Promise<Catalog> {
  if (Object.keys(dimensions).length === 0) return new Map();
  const found = await connection.query(
    `SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, NUMERIC_SCALE, COLUMN_TYPE FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?)`,
    [Object.keys(dimensions)],
  );
  const tables = new Map<string, Map<string, CatalogColumn>>();
  for (const [table, { ids, text }] of Object.entries(dimensions)) {
    let rows = found.filter(([name]) => name === table);
    if (rows.length === 0) {
      if (await isMissing(connection, table)) continue;
      // lower_case_table_names: the server takes any case for a table's name, and shows another.
      rows = found.filter(([name]) => isSameName(name, table));
    }
    const columns = [...ids, ...text].flatMap((column): [string, CatalogColumn][] => {
      const row = rows.find(([, name]) => isSameName(name, column));
      return row ? [[column, catalogColumn(row)]] : [];
    });
    tables.set(table, new Map(columns));
  }
  return tables;
}

function catalogColumn([, , kind, scale, type]: SqlRow): CatalogColumn {
  const isInteger = INTEGER_TYPES.includes(String(kind)) || (kind === "decimal" && scale === "0");
  return { type: String(type), isInteger, form: formOfType(String(kind)) };
}

function formOfType(kind: string): CatalogColumn["form"] {
  if (kind === "bit") return "bits";
  if (BYTE_TYPES.includes(kind)) return "bytes";
  return NO_TEXT.test(kind) ? "none" : "text";
}
