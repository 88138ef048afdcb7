/**
 * Names and rows of tables in MySQL.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { MysqlConnection, SqlParameter } from "./connection.ts";

/** The server's clock, in UTC. */
export const NOW = "UTC_TIMESTAMP(6)";

/** Rows of one INSERT; with two keys of 4 KiB each far below the default max_allowed_packet of 16 MiB (MariaDB). */
const INSERT_ROWS = 500;
/** Values looked up by one query. */
const LOOKED_UP = 1000;

/** A name as MySQL's identifier: any word may be one of its keywords. */
export function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** Names as a list of identifiers. */
export function quotedList(names: readonly string[]): string {
  return names.map(quoted).join(", ");
}

/** Inserts rows, several at a time; every one has the same columns, in the same order. */
export async function insertRows(
  connection: MysqlConnection,
  table: string,
  rows: readonly Readonly<Record<string, SqlParameter>>[],
): Promise<void> {
  const columns = quotedList(Object.keys(rows[0] ?? {}));
  for (const part of batches(rows, INSERT_ROWS)) {
    await connection.run(`INSERT INTO ${quoted(table)} (${columns}) VALUES ?`, [part.map(Object.values)]);
  }
}

/** SHA-256 of a key's bytes: keys are too long for an index. */
export function keyHash(key: string): Uint8Array {
  return createHash("sha256").update(key).digest();
}

/** Values in parts that one query takes. */
export function batches<T>(values: readonly T[], size = LOOKED_UP): T[][] {
  return Array.from(
    { length: Math.ceil(values.length / size) },
    (_, i) => values.slice(i * size, (i + 1) * size),
  );
}
