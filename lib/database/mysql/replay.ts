/**
 * What was put back by replays, in MySQL.
 *
 * @module
 */
import { LINES_PAGE } from "../database.ts";
import { linesChanged } from "../errors.ts";
import type { KeyedContent, LedgerEntry, RejectedFile, Replayed } from "../records.ts";
import { BULK_TIMEOUT_MS, type MysqlConnection } from "./connection.ts";
import { MysqlFault } from "./errors.ts";
import { loadFields } from "./load.ts";
import { batches, insertRows, keyHash } from "./rows.ts";
import { ledgerOf, readOwn } from "./tables.ts";

/** The lines of a replay, in a temporary table of the connection that commits it. */
const STAGED = "pipeline_staged_lines";

/**
 * Fills the staging table; to be called before the transaction, which DDL would end.
 *
 * @throws {DataError} `lines_changed` if the file does not hold the lines that were announced.
 */
export async function stageLines(
  connection: MysqlConnection,
  { linesFile, lineCount }: Replayed,
): Promise<void> {
  await connection.run(`DROP TEMPORARY TABLE IF EXISTS ${STAGED}`);
  await connection.run(
    `CREATE TEMPORARY TABLE ${STAGED} (number INT NOT NULL, line BIGINT NOT NULL, PRIMARY KEY (number, line))
     ENGINE = InnoDB`,
  );
  const target = { table: STAGED, name: "replayed_row", columns: ["number", "line"], hexColumns: [] };
  await loadFields(connection, target, linesFile);
  const [staged] = await connection.query(`SELECT COUNT(*) FROM ${STAGED}`);
  if (Number(staged?.[0]) !== lineCount) throw linesChanged(linesFile, staged?.[0], lineCount);
}

/**
 * Notes what the replay puts back, within its transaction.
 *
 * @returns Whether something of it has been put back before; then the transaction must not be committed.
 */
export async function insertReplayed(
  connection: MysqlConnection,
  runId: string,
  { files, linesFile, lineCount }: Replayed,
): Promise<boolean> {
  const rows = files.map((file) => ({
    run_id: runId,
    number: file.number,
    kind: file.kind,
    source_run: file.runId,
    key_hash: keyHash(file.key),
    source_key: file.key,
    landing_hash: keyHash(file.landingKey),
    landing_key: file.landingKey,
    line_count: file.lineCount,
    sha256: file.sha256,
  }));
  await insertRows(connection, "replayed_file", rows);
  try {
    const { rowCount } = await connection.run(
      `INSERT INTO replayed_row (source_run, key_hash, line, run_id)
       SELECT f.source_run, f.key_hash, l.line, f.run_id
       FROM ${STAGED} l JOIN replayed_file f ON f.run_id = ? AND f.number = l.number`,
      [runId],
      { timeoutMs: BULK_TIMEOUT_MS },
    );
    if (rowCount !== lineCount) throw linesChanged(linesFile, rowCount, lineCount);
    return false;
  } catch (error) {
    if (error instanceof MysqlFault && error.kind === "duplicate_key") return true;
    throw error;
  }
}

/** See `Database.rejectedFiles`. */
export async function rejectedFiles(
  connection: MysqlConnection,
  { runId, key }: { runId: string | null; key: string | null },
): Promise<RejectedFile[]> {
  const conditions = ["(s.status <> 'accepted' OR s.rows_rejected > 0)"];
  const parameters = [];
  if (runId !== null) {
    conditions.push("s.run_id = ?");
    parameters.push(runId);
  }
  if (key !== null) {
    conditions.push("s.key_hash = ?");
    parameters.push(keyHash(key));
  }
  const where = conditions.join(" AND ");
  const entries = await readOwn(
    connection,
    `SELECT s.id, s.run_id, CONVERT(s.object_key USING utf8mb4), CONVERT(s.dataset USING utf8mb4), s.status,
       s.reason, s.rows_read, s.rows_rejected, CONVERT(s.destination USING utf8mb4)
     FROM ${await ledgerOf(connection)} s JOIN pipeline_run r ON r.run_id = s.run_id WHERE ${where}
     ORDER BY r.token, s.object_key`,
    parameters,
  );
  // By themselves: before the migration, as a dry run may find a database, nothing was replayed yet.
  const replayed = new Map(
    (await readOwn(
      connection,
      `SELECT s.id, COALESCE(SUM(f.line_count), 0), MAX(p.sha256) FROM source_file s
       LEFT JOIN replayed_file f ON f.source_run = s.run_id AND f.key_hash = s.key_hash
       LEFT JOIN replayed_file p ON p.landing_hash = s.key_hash
       WHERE ${where} AND (f.run_id IS NOT NULL OR p.run_id IS NOT NULL) GROUP BY s.id`,
      parameters,
    )).map(([id, lineCount, sha256 = null]) => [id, { lineCount: Number(lineCount), sha256 }]),
  );
  return entries.map(([id = null, run, key, dataset, status, reason = null, rowsRead, rowsRejected, to]) => ({
    runId: String(run),
    key: String(key),
    dataset: String(dataset),
    status: String(status) as LedgerEntry["status"],
    reason,
    rowsRead: Number(rowsRead),
    rowsRejected: Number(rowsRejected),
    destination: String(to),
    replayedCount: replayed.get(id)?.lineCount ?? 0,
    lineageSha256: replayed.get(id)?.sha256 ?? null,
  }));
}

/** See `Database.replayedLines`. */
export async function replayedLines(
  connection: MysqlConnection,
  { runId, key }: { runId: string; key: string },
  after: number,
): Promise<number[]> {
  const rows = await readOwn(
    connection,
    `SELECT line FROM replayed_row WHERE source_run = ? AND key_hash = ? AND line > ?
     ORDER BY line LIMIT ${LINES_PAGE}`,
    [runId, keyHash(key), after],
  );
  return rows.map(([line]) => Number(line));
}

/** See `Database.newByLineage`. */
export async function newByLineage(
  connection: MysqlConnection,
  objects: readonly KeyedContent[],
): Promise<Set<string>> {
  const contents = new Map(objects.map(({ key, sha256 }) => [key, sha256]));
  const found: string[] = [];
  for (const keys of batches([...contents.keys()])) {
    // A whole file is not new if the one that it is a copy of was accepted after all: an object that a paused process
    // put back once more.
    const rows = await readOwn(
      connection,
      `SELECT CONVERT(f.landing_key USING utf8mb4), f.sha256 FROM replayed_file f
       WHERE f.landing_hash IN (?) AND NOT EXISTS (
         SELECT 1 FROM source_file s WHERE s.sha256 = f.sha256
           AND (s.key_hash = f.landing_hash
             OR (f.kind = 'file' AND s.key_hash = f.key_hash AND s.status = 'accepted')))`,
      [keys.map(keyHash)],
    );
    const isSame = ([key, sha256]: (typeof rows)[number]) => sha256 === contents.get(String(key));
    found.push(...rows.filter(isSame).map(([key]) => String(key)));
  }
  return new Set(found);
}
