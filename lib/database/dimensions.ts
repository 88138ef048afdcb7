/**
 * What the dimension tables must look like, whatever database they are in.
 *
 * @module
 */
import { DataError } from "../errors.ts";
import type { Dimensions } from "./records.ts";

/** A column's type as the database prints it. */
export interface CatalogColumn {
  /** The type, for messages. */
  readonly type: string;
  /** Whether the column holds whole numbers only; an id of another type could be rounded. */
  readonly isInteger: boolean;
}

/** The tables that there are, with their columns by name. */
export type Catalog = ReadonlyMap<string, ReadonlyMap<string, CatalogColumn>>;

/**
 * Asserts that all dimension tables are there with the columns that are read of them.
 *
 * @param name The database's name, for messages.
 * @throws {DataError} `missing_dimension_table`, `missing_dimension_column` or `dimension_key_type`.
 */
export function requireDimensions(name: string, tables: Catalog, dimensions: Dimensions): void {
  const missing = Object.keys(dimensions).filter((table) => !tables.has(table));
  if (missing.length > 0) {
    throw new DataError(
      "missing_dimension_table",
      `Cannot read the dimensions: the database ${name} has no table ${
        missing.join(", ")
      }; create and fill ` +
        "the dimension tables first (docs/data.md, Dimensions), the pipeline only reads them",
    );
  }
  for (const [table, { ids, text }] of Object.entries(dimensions)) {
    const columns = tables.get(table);
    const lacking = [...ids, ...text].filter((column) => !columns?.has(column));
    if (lacking.length > 0) {
      throw new DataError(
        "missing_dimension_column",
        `Cannot read the dimensions: the table ${table} of ${name} has no column ${lacking.join(", ")}`,
      );
    }
    for (const id of ids) {
      const column = columns?.get(id);
      if (column?.isInteger) continue;
      throw new DataError(
        "dimension_key_type",
        `Cannot read the dimensions: ${table}.${id} of ${name} is ${column?.type}; it must be an integer`,
      );
    }
  }
}

/** The error of an id that is too large for the snapshot (65); `id` names the column, and `name` the database. */
export function idTooLarge(id: string, name: string, cause?: unknown): DataError {
  return new DataError(
    "dimension_key_type",
    `Cannot read the dimensions: a ${id} of ${name} does not fit into 64 bits`,
    { cause },
  );
}
