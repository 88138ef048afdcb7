/**
 * A snapshot of the dimension tables in DuckDB, as Parquet.
 *
 * @module
 */
import type { Duckdb } from "../../duckdb/duckdb.ts";
import { messageOf } from "../../errors.ts";
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
import { isTooLarge } from "./errors.ts";
import { describeTable } from "./rows.ts";

/** Types that hold integers of up to 64 bits, or whole numbers that may fit. */
const INTEGER_TYPES =
  /^(TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|HUGEINT|DECIMAL\(\d+,0\))$/;

/**
 * Writes each dimension as `NAME.parquet` into the folder, within a transaction.
 *
 * @param name The database's name, for messages.
 */
export async function writeSnapshot(
  db: Duckdb,
  folder: string,
  dimensions: Dimensions,
  name: string,
): Promise<Snapshot> {
  const catalog = await readCatalog(db, dimensions);
  requireDimensions(name, catalog, dimensions);
  const written: Record<string, Snapshot[string]> = {};
  for (const [table, dimension] of Object.entries(dimensions)) {
    const file = `${folder}/${table}.parquet`;
    const isBytes = (column: string) => catalog.get(table)?.get(column)?.form === "bytes";
    for (const column of dimension.text.filter(isBytes)) {
      const [found] = await db.query(
        `SELECT ${identifier(dimension.key)} AS key FROM ${identifier(table)}
         WHERE ${identifier(column)} IS NOT NULL AND ${textOfBytes(identifier(column))} IS NULL LIMIT 1`,
      );
      if (found) throw bytesNoText({ table, column, key: found.key, name });
    }
    try {
      written[table] = { file, rowCount: await writeDimension(db, table, dimension, { file, isBytes }) };
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      const [, id] = /casting from source column (\w+)/.exec(messageOf(error)) ?? [];
      throw idTooLarge(`${table}.${id ?? dimension.key}`, name, error);
    }
  }
  return written;
}

async function writeDimension(
  db: Duckdb,
  table: string,
  { ids, text }: Dimension,
  { file, isBytes }: { file: string; isBytes: (column: string) => boolean },
): Promise<number> {
  const selected = [
    ...ids.map(identifier).map((id) => `CAST(${id} AS BIGINT) AS ${id}`),
    ...text.map((column) => {
      const name = identifier(column);
      return `${isBytes(column) ? textOfBytes(name) : `CAST(${name} AS VARCHAR)`} AS ${name}`;
    }),
  ];
  const [copied] = await db.query(
    `COPY (SELECT ${selected.join(", ")} FROM ${identifier(table)}) TO ${literal(file)} (FORMAT parquet)`,
  );
  return Number(copied?.Count);
}

/** The dimension tables that there are. */
async function readCatalog(db: Duckdb, dimensions: Dimensions): Promise<Catalog> {
  const tables = new Map<string, ReadonlyMap<string, CatalogColumn>>();
  for (const [table, { ids, text }] of Object.entries(dimensions)) {
    const described = await describeTable(db, table);
    if (described === null) continue;
    const columns = [...ids, ...text].flatMap((name): [string, CatalogColumn][] => {
      const found = described.find(({ column_name }) => isSameName(column_name, name));
      if (!found) return [];
      const type = String(found.column_type);
      const form = type === "BLOB" ? "bytes" : "text";
      return [[name, { type, isInteger: INTEGER_TYPES.test(type), form }]];
    });
    tables.set(table, new Map(columns));
  }
  return tables;
}
