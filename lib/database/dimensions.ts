/**
 * What the dimension tables must look like, whatever database they are in.
 *
 * @module
 */
import { DataError } from "../errors.ts";
import { DIMENSIONS } from "./database.ts";

/** A column's type as the database prints it. */
export interface CatalogColumn {
  /** For messages. */
  readonly type: string;
  /** Holds whole numbers only; an id of another type could be rounded. */
  readonly isInteger: boolean;
}

/**
 * Checks that all tables are there with the columns that the marts are built from.
 *
 * @param name Of the database, for messages.
 * @param tables The tables that there are, with their columns by name.
 * @throws {DataError} `missing_dimension_table`, `missing_dimension_column` or `dimension_key_type`.
 */
export function requireDimensions(
  name: string,
  tables: ReadonlyMap<string, ReadonlyMap<string, CatalogColumn>>,
): void {
  const missing = Object.keys(DIMENSIONS).filter((table) => !tables.has(table));
  if (missing.length > 0) {
    throw new DataError(
      "missing_dimension_table",
      `Cannot read the dimensions: the database ${name} has no table ${
        missing.join(", ")
      }; create and fill ` +
        "the dimension tables first (docs/data.md, Dimensions), the pipeline only reads them",
    );
  }
  for (const [table, { ids, text }] of Object.entries(DIMENSIONS)) {
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
