/**
 * Tables as the server has them, for the comparison with what a commit needs.
 *
 * @module
 */
import { type FoundColumn, type FoundTable, requireFit, requireOwn } from "../fitting.ts";
import type { ReportingTable } from "../records.ts";
import type { TableType } from "../tables.ts";
import type { MysqlConnection, SqlRow } from "./connection.ts";

/** Asserts that those of the tables that are there can be added to. */
export async function requireReportingTables(
  connection: MysqlConnection,
  tables: readonly ReportingTable[],
  database: string,
): Promise<void> {
  const found = await findTables(connection, tables.map(({ name }) => name));
  for (const table of tables) {
    const there = found.get(table.name.toLowerCase());
    if (there) requireFit(table, there, database);
  }
}

/**
 * Asserts that those of the names of the pipeline's own tables that are taken are taken by these.
 *
 * @param tables Columns and keys as DDL, by the tables' names.
 */
export async function requireOwnTables(
  connection: MysqlConnection,
  tables: Readonly<Record<string, string>>,
  database: string,
): Promise<void> {
  const found = await findTables(connection, Object.keys(tables));
  for (const [name, ddl] of Object.entries(tables)) {
    const there = found.get(name);
    if (there) requireOwn(name, ddl, there, { database, plainType });
  }
}

/** A type without what the servers write differently. */
function plainType(type: string): string {
  return type.toLowerCase().replace("boolean", "tinyint").replace(/^(tinyint|int|bigint)\(\d+\)$/, "$1");
}

/** Those of the tables that there are, by their names in lower case, as which a server may keep them. */
async function findTables(
  connection: MysqlConnection,
  names: readonly string[],
): Promise<Map<string, FoundTable>> {
  if (names.length === 0) return new Map();
  // An account sees in the catalogue what it has any right on.
  const found = await connection.query(
    "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES " +
      "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?)",
    [names],
  );
  if (found.length === 0) return new Map();
  const columns = await connection.query(
    `SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, NUMERIC_SCALE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLLATION_NAME,
       COLUMN_KEY
     FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?) ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    [names],
  );
  // Seen by accounts with the right TRIGGER.
  const triggers = await connection.query(
    "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS " +
      "WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE IN (?)",
    [names],
  );
  return new Map(found.map(([name, kind, engine]) => {
    const [, trigger = null] = triggers.find(([of]) => of === name) ?? [];
    const other = otherThanTable(kind, engine, trigger);
    return [String(name).toLowerCase(), foundTable(columns.filter(([of]) => of === name), other)];
  }));
}

/** What it is if rows cannot be added to it as they are, in one transaction with others. */
function otherThanTable(kind: unknown, engine: unknown, trigger: string | null): string | null {
  if (kind !== "BASE TABLE") return "a view";
  if (engine !== "InnoDB") return `a table of the engine ${engine}, which has no transactions`;
  return trigger === null ? null : `a table with the trigger ${trigger}, which may change what is written`;
}

function foundTable(columns: readonly SqlRow[], other: string | null): FoundTable {
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
