/**
 * The rows of files as SQL: the columns under which the engine reads them, before they have the contract's names.
 *
 * Names that begin with `@` are the check's own, those of its views too: neither a contract's column nor a dimension can
 * have one.
 *
 * @module
 */
import type { BoundHeader } from "./header.ts";
import { sqlType } from "../column_type.ts";
import { FIELD_SEPARATOR } from "../csv/marks.ts";

/** The field separator of normalised files, as SQL. */
export const SEPARATOR = `chr(${FIELD_SEPARATOR.charCodeAt(0)})`;

/** Characters around a number or a date that do not count, as SQL. */
export const BLANKS = "' ' || chr(9)";

/** The columns of a file with so many fields: `@0`, `@1`, … */
export function textColumns(width: number): string[] {
  return Array.from({ length: width }, (_, index) => `@${index}`);
}

/** SQL types of the contract's columns among {@linkcode textColumns}, for files of exact rows. */
export function exactTypes({ columns }: BoundHeader): Map<string, string> {
  return new Map(columns.map(({ type, index }) => [`@${index}`, sqlType(type)]));
}

/** Columns that normalised files have before those of the row, with their types; see {@link ../csv/normalised.ts}. */
const ROW_HEAD = { "@file": "BIGINT", "@line": "BIGINT", "@raw": "VARCHAR" } as const;
/** How many columns of a normalised file stand before those of the row. */
export const ROW_HEAD_WIDTH: number = Object.keys(ROW_HEAD).length;

/** The columns of normalised files that are read typed. */
export function normalisedColumns(width: number): string[] {
  return [...Object.keys(ROW_HEAD), ...textColumns(width)];
}

/** SQL types of {@linkcode normalisedColumns}, for files of exact rows. */
export function normalisedTypes(header: BoundHeader): Map<string, string> {
  return new Map([...Object.entries(ROW_HEAD), ...exactTypes(header)]);
}

/** Joins a normalised row with its source file, whose key is `@key` then. */
export const JOIN_SOURCE =
  `JOIN (SELECT source_key AS "@key", file_id AS "@id" FROM "@source") "@s" ON "@file" = "@s"."@id"`;

/** The values of the columns that are not the contract's, as one text; NULL if there is none. */
export function additionalColumn({ extra }: BoundHeader, field: (index: number) => string): string {
  if (extra.length === 0) return "CAST(NULL AS VARCHAR)";
  return `nullif(concat_ws(', ', ${extra.map((index) => `nullif(${field(index)}, '')`).join(", ")}), '')`;
}
