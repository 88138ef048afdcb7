/**
 * Rows of the pipeline's own tables in MySQL.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { MysqlConnection, SqlParameter } from "./connection.ts";

/** Rows of one INSERT; with two keys of 4 KiB each far below the default max_allowed_packet of 16 MiB (MariaDB). */
const INSERT_ROWS = 500;

/** Inserts rows, several at a time: a table with its columns, and the place of each value in a row. */
export async function insertRows(
  connection: MysqlConnection,
  into: string,
  placeholders: string,
  rows: readonly SqlParameter[][],
): Promise<void> {
  for (let start = 0; start < rows.length; start += INSERT_ROWS) {
    const part = rows.slice(start, start + INSERT_ROWS);
    await connection.run(
      `INSERT INTO ${into} VALUES ${part.map(() => placeholders).join(", ")}`,
      part.flat(),
    );
  }
}

/** SHA-256 of a key's bytes, in hexadecimal digits. */
export function keyHash(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
