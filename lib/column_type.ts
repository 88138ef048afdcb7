/**
 * The types that a column can have: as they are configured, and as SQL names them in the marts.
 *
 * @module
 */

/** A column's type as it is configured: `integer`, `text`, `date` or `decimal(p,s)`. */
export type ColumnType =
  | { readonly kind: "integer" }
  | { readonly kind: "text" }
  | { readonly kind: "date" }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number };

/** The largest precision of a DECIMAL (DuckDB and Spark SQL, data types: 38 digits). */
const MAX_PRECISION = 38;

/** Parses a configured type; `null` if the text is none. */
export function parseColumnType(text: string): ColumnType | null {
  if (text === "integer" || text === "text" || text === "date") return { kind: text };
  const [, p, s] = /^decimal\((\d{1,2}),(\d{1,2})\)$/.exec(text) ?? [];
  const precision = Number(p), scale = Number(s);
  return p !== undefined && precision >= 1 && precision <= MAX_PRECISION && scale <= precision
    ? { kind: "decimal", precision, scale }
    : null;
}

/** The SQL type that a column has in the marts. */
export function sqlType(type: ColumnType): string {
  switch (type.kind) {
    case "integer":
      return "BIGINT";
    case "text":
      return "VARCHAR";
    case "date":
      return "DATE";
    case "decimal":
      return `DECIMAL(${type.precision},${type.scale})`;
  }
}
