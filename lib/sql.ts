/**
 * Text and names as SQL, for statements that are put together from parts.
 *
 * @module
 */

/** The text as an SQL literal, quoted as the standard says: `'it''s'`. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The name as an SQL identifier in double quotes; MySQL takes those for text. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
