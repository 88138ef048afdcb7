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
  /** What its values are as text: `bytes` may be text, and `none` is of a type that has no text. */
  readonly form: "text" | "bits" | "bytes" | "none";
}

/** The tables that there are, with their columns; by the names that the model has. */
export type Catalog = ReadonlyMap<string, ReadonlyMap<string, CatalogColumn>>;

/**
 * Asserts that all dimension tables are there with the columns that are read of them.
 *
 * @param name The database's name, for messages.
 * @throws {DataError} `missing_dimension_table`, `missing_dimension_column`, `dimension_key_type` or
 *   `dimension_no_text`.
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
    for (const column of text) {
      if (columns?.get(column)?.form !== "none") continue;
      throw new DataError(
        "dimension_no_text",
        `Cannot read the dimensions: ${table}.${column} of ${name} is ${
          columns.get(column)?.type
        }, which has no text; ` +
          "name another column in the model, or a view that makes text of it",
      );
    }
  }
}

/** Whether a database means the same by two names: SQL does not look at their case. */
export function isSameName(found: unknown, asked: string): boolean {
  return String(found).toLowerCase() === asked.toLowerCase();
}

/** The error of an id that is too large for the snapshot (65); `id` names the column, and `name` the database. */
export function idTooLarge(id: string, name: string, cause?: unknown): DataError {
  return new DataError(
    "dimension_key_type",
    `Cannot read the dimensions: a ${id} of ${name} does not fit into 64 bits`,
    { cause },
  );
}

/** The error of bytes that are no text (65), in the row with this key. */
export function bytesNoText(
  { table, column, key, name }: { table: string; column: string; key: unknown; name: string },
): DataError {
  return new DataError(
    "dimension_no_text",
    `Cannot read the dimensions: ${table}.${column} of ${name} holds bytes that are no UTF-8 text, first in the row with the ` +
      `key ${
        JSON.stringify(key === null ? null : String(key))
      }; correct the row, or make the column one of text`,
  );
}

/**
 * SQL of DuckDB for the text that bytes are; NULL if they are none. Zeros are in numbers and in what is padded, not in
 * text.
 */
export function textOfBytes(bytes: string): string {
  const text = `TRY(decode(${bytes}))`;
  return `CASE WHEN NOT contains(${text}, chr(0)) THEN ${text} END`;
}
