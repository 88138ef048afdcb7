/**
 * What the ledger knows of content and keys.
 *
 * @module
 */
import type { EarlierVersion } from "../records.ts";
import type { MysqlConnection } from "./connection.ts";
import { keyHash } from "./rows.ts";
import { ledgerOf, readOwn } from "./tables.ts";

/** Those of the given sha256 whose content was accepted for the dataset, with rows. */
export async function acceptedContent(
  connection: MysqlConnection,
  dataset: string,
  sha256: readonly string[],
): Promise<string[]> {
  const rows = await readOwn(
    connection,
    `SELECT sha256 FROM ${await ledgerOf(connection)} s
     WHERE dataset = ? AND status = 'accepted' AND rows_read > 0 AND sha256 IN (?)`,
    [dataset, sha256],
  );
  return rows.map(([hash]) => String(hash));
}

/** The versions of the given keys; of each key the last one is the newest with accepted rows, if there is any. */
export async function versionsOf(
  connection: MysqlConnection,
  keys: readonly string[],
): Promise<[key: string, version: EarlierVersion][]> {
  const rows = await readOwn(
    connection,
    `SELECT CONVERT(f.object_key USING utf8mb4), f.run_id, f.rows_read, f.rows_accepted
     FROM source_file f JOIN pipeline_run r ON r.run_id = f.run_id
     WHERE f.key_hash IN (?) ORDER BY f.rows_accepted > 0, r.token`,
    [keys.map(keyHash)],
  );
  return rows.map(([key, runId, read, accepted]) => [
    String(key),
    { runId: String(runId), rowsRead: Number(read), rowsAccepted: Number(accepted) },
  ]);
}
