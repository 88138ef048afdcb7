/**
 * Reporting tables as the server has them, for the comparison with what a commit needs.
 *
 * @module
 */
import { type FoundColumn, type FoundTable, requireFit } from "../fitting.ts";
import type { ReportingTable } from "../records.ts";
import type { TableType } from "../tables.ts";
import type { MysqlConnection, SqlRow } from "./connection.ts";

/** Asserts that those of the tables that are there can be added to. */
export async function requireReportingTables(
  connection: MysqlConnection,
  tables: readonly ReportingTable[],
  database: string,
): Promise<void> {
  if (tables.length === 0) return;
  const names = tables.map(({ name }) => name);
  // An account sees in the catalogue what it has any right on.
  const found = await connection.query(
    "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES " +
      "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?)",
    [names],
  );
  if (found.length === 0) return;
  const columns = await connection.query(
    `SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, NUMERIC_SCALE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLLATION_NAME,
       COLUMN_KEY
     FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?) ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    [names],
  );
  for (const [name, kind, engine] of found) {
    // A server may keep names in lower case.
    const table = tables.find((table) => table.name.toLowerCase() === String(name).toLowerCase());
    if (table) requireFit(table, foundTable(columns.filter(([of]) => of === name), kind, engine), database);
  }
}

function foundTable(columns: readonly SqlRow[], kind: unknown, engine: unknown): FoundTable {
  const other = kind !== "BASE TABLE"
    ? "a view"
    : engine !== "InnoDB"
    ? `a table of the engine ${engine}, which has no transactions`
    : null;
  return {
    other,
    columns: columns.map(foundColumn),
    key: columns.filter(([, , , , , , , , key]) => key === "PRI").map(([, name]) => String(name)),
  };
}

function foundColumn(
  [, name, type, scale, isNullable, value, extra, collation]: SqlRow,
): FoundColumn {
  const isGiven = value !== null || /auto_increment|DEFAULT_GENERATED|GENERATED/i.test(String(extra));
  return {
    name: String(name),
    type: String(type),
    takes: kindOf(String(type)),
    scale: Number(scale ?? 0),
    isRequired: isNullable === "NO" && !isGiven,
    isLoose: /_ci$/.test(String(collation ?? "")),
  };
}

/** What a column takes; one that is computed or unsigned is of no such type. */
function kindOf(type: string): TableType["kind"] | null {
  if (/^bigint(\(\d+\))?$/i.test(type)) return "integer";
  if (/^decimal\(\d+,\d+\)$/i.test(type)) return "decimal";
  if (/^date$/i.test(type)) return "date";
  return /^(char|varchar|text|mediumtext|longtext)\b/i.test(type) ? "text" : null;
}
