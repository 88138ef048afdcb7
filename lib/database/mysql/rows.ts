/**
 * Names and rows of tables in MySQL.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { MysqlConnection, SqlParameter } from "./connection.ts";
import { MysqlFault, PACKET_TOO_LARGE } from "./errors.ts";

/** The server's clock, in UTC. */
export const NOW = "UTC_TIMESTAMP(6)";

/** Bytes of one statement at the most: with more nothing is won. */
const STATEMENT_BYTES = 4 * 2 ** 20;
/** Bytes that a statement has besides its rows, at the most: the names of a table and of its columns. */
const HEAD_BYTES = 64 * 1024;
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
  const values = rows.map((row) => Object.values(row));
  const sizeOf = (row: readonly SqlParameter[]) =>
    row.reduce((sum: number, value) => sum + bytesOf(value), 0);
  const sized = { table, sizeOf, maxPacketBytes: connection.maxPacketBytes };
  for await (const part of statementsOf(values, sized)) {
    await connection.run(`INSERT INTO ${quoted(table)} (${columns}) VALUES ?`, [part]);
  }
}

/** Bytes of a value in a statement at the most: each of its own may have an escape, or be two digits. */
function bytesOf(value: SqlParameter): number {
  if (typeof value === "string") return 2 * Buffer.byteLength(value) + 4;
  return value instanceof Uint8Array ? 2 * value.length + 4 : 24;
}

/** What rows take in a statement. */
export interface Sized<T> {
  /** The table that they are for, as people know it. */
  readonly table: string;
  /** Bytes of a row at the most. */
  readonly sizeOf: (row: T) => number;
  /** Bytes of a statement at the most. */
  readonly maxPacketBytes: number;
}

/**
 * Rows in parts that one statement takes, whatever max_allowed_packet is.
 *
 * @throws {MysqlFault} if a row alone is too large, as the server would say.
 */
export async function* statementsOf<T>(
  rows: Iterable<T> | AsyncIterable<T>,
  { table, sizeOf, maxPacketBytes }: Sized<T>,
): AsyncGenerator<T[]> {
  const headBytes = Math.min(HEAD_BYTES, maxPacketBytes / 4);
  const most = Math.min(STATEMENT_BYTES, maxPacketBytes - headBytes);
  let part: T[] = [], bytes = 0;
  for await (const row of rows) {
    const size = sizeOf(row) + 1;
    if (part.length > 0 && bytes + size > most) {
      yield part;
      part = [];
      bytes = 0;
    }
    if (size > maxPacketBytes - headBytes) {
      throw new MysqlFault("other", PACKET_TOO_LARGE, "ER_NET_PACKET_TOO_LARGE", table);
    }
    part.push(row);
    bytes += size;
  }
  if (part.length > 0) yield part;
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
