/**
 * The types that a column can have: as they are configured, and as SQL has them in the marts.
 *
 * @module
 */

/** A contract column's type as configured: `integer`, `text`, `date` or `decimal(p,s)`. */
export type ColumnType =
  | { readonly kind: "integer" }
  | { readonly kind: "text" }
  | { readonly kind: "date" }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number };

/** Largest precision of a DECIMAL in both engines. */
const MAX_PRECISION = 38;

/** Parses a configured type; `null` where it is none. */
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
