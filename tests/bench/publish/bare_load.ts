/**
 * The yardstick of publishing: the totals by one plain LOAD DATA.
 *
 * @module
 */
import mysql from "mysql2/promise";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { Place } from "./place.ts";
import type { BareLoad } from "./report.ts";
import { compareMart, type Night, writeTsv } from "./totals.ts";

/** Bytes of the file on the way to the server, as many as the product sends. */
const CHUNK_BYTES = 256 * 1024;

/** Loads a night's customer totals into an empty table with the mart's columns and key, sorted by the key. */
export async function loadBare({ fresh, target }: Place, night: Night): Promise<BareLoad> {
  await fresh.sql("CREATE TABLE bare LIKE customers_data_mart");
  const file = join(target.workDir, "bare.tsv");
  const writingMs = performance.now();
  await writeTsv(night, file);
  const writeMs = performance.now() - writingMs;
  const connection = await mysql.createConnection({ ...fresh.account, database: fresh.name });
  const loadingMs = performance.now();
  await connection.query({
    sql: "LOAD DATA LOCAL INFILE 'totals' INTO TABLE bare CHARACTER SET utf8mb4",
    infileStreamFactory: () => createReadStream(file, { highWaterMark: CHUNK_BYTES }),
  });
  const loadMs = performance.now() - loadingMs;
  await connection.end();
  return {
    writeMs,
    loadMs,
    comparison: await compareMart(fresh.sql, "customers_data_mart", [night], "bare"),
  };
}
