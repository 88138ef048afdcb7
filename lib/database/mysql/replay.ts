/**
 * What was put back by replays, in MySQL.
 *
 * @module
 */
import type { LedgerEntry, RejectedFile, Replayed } from "../database.ts";
import { LINES_PAGE, linesChanged } from "../database.ts";
import { BULK_TIMEOUT_MS, type MysqlConnection, type SqlParameter, type SqlRow } from "./connection.ts";
import { MysqlFault } from "./errors.ts";
import { loadFields } from "./load.ts";
import { insertRows, keyHash } from "./rows.ts";

/** The lines of a replay, in a temporary table of the connection that commits it. */
const STAGED = "staged_replayed_row";
const STAGED_COLUMNS = { number: "INT NOT NULL", line: "BIGINT NOT NULL" };
/** Of the server: "Duplicate entry for key". */
const DUPLICATE_KEY = 1062;

/** Reads rows of the pipeline's own tables; none where a table that the query names is not there yet. */
export type Read = (sql: string, parameters: readonly SqlParameter[]) => Promise<SqlRow[]>;

/**
 * Fills the staging table; to be called before the transaction, which DDL would end.
 *
 * @throws {DataError} `lines_changed` where the file does not hold the lines that were announced.
 */
export async function stageLines(
  connection: MysqlConnection,
  { linesFile, lineCount }: Replayed,
): Promise<void> {
  const columns = Object.entries(STAGED_COLUMNS).map(([name, type]) => `${name} ${type}`).join(", ");
  await connection.run(`DROP TEMPORARY TABLE IF EXISTS ${STAGED}`);
  await connection.run(`CREATE TEMPORARY TABLE ${STAGED} (${columns}) ENGINE = InnoDB`);
  await loadFields(connection, { table: STAGED, columns: STAGED_COLUMNS }, linesFile);
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
  const rows = files.map((file) => [
    runId,
    file.number,
    file.kind,
    file.runId,
    keyHash(file.key),
    file.key,
    keyHash(file.landingKey),
    file.landingKey,
    file.lineCount,
    file.sha256,
  ]);
  await insertRows(
    connection,
    `replayed_file (run_id, number, kind, source_run, key_hash, source_key, landing_hash, landing_key, line_count,
       sha256)`,
    "(?, ?, ?, ?, UNHEX(?), ?, UNHEX(?), ?, ?, ?)",
    rows,
  );
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
    if (error instanceof MysqlFault && error.number === DUPLICATE_KEY) return true;
    throw error;
  }
}

/** See `Database.rejectedFiles`. */
export async function rejectedFiles(
  read: Read,
  { runId, key }: { runId: string | null; key: string | null },
): Promise<RejectedFile[]> {
  const conditions = ["(s.status <> 'accepted' OR s.rows_rejected > 0)"];
  const parameters: string[] = [];
  if (runId !== null) {
    conditions.push("s.run_id = ?");
    parameters.push(runId);
  }
  if (key !== null) {
    conditions.push("s.key_hash = UNHEX(?)");
    parameters.push(keyHash(key));
  }
  const where = conditions.join(" AND ");
  const entries = await read(
    `SELECT s.id, s.run_id, CONVERT(s.object_key USING utf8mb4), s.status, s.reason, s.rows_read, s.rows_rejected,
       CONVERT(s.destination USING utf8mb4)
     FROM source_file s JOIN pipeline_run r ON r.run_id = s.run_id WHERE ${where} ORDER BY r.token, s.object_key`,
    parameters,
  );
  // By themselves: before the migration, as a dry run may find a database, nothing was replayed yet.
  const replayed = new Map(
    (await read(
      `SELECT s.id, COALESCE(SUM(f.line_count), 0), MAX(p.sha256) FROM source_file s
       LEFT JOIN replayed_file f ON f.source_run = s.run_id AND f.key_hash = s.key_hash
       LEFT JOIN replayed_file p ON p.landing_hash = s.key_hash
       WHERE ${where} AND (f.run_id IS NOT NULL OR p.run_id IS NOT NULL) GROUP BY s.id`,
      parameters,
    )).map(([id, lineCount, sha256 = null]) => [id, { lineCount: Number(lineCount), sha256 }]),
  );
  return entries.map(([id, run, key, status, reason = null, rowsRead, rowsRejected, destination]) => ({
    runId: String(run),
    key: String(key),
    status: String(status) as LedgerEntry["status"],
    reason,
    rowsRead: Number(rowsRead),
    rowsRejected: Number(rowsRejected),
    destination: String(destination),
    replayedCount: replayed.get(id ?? null)?.lineCount ?? 0,
    lineageSha256: replayed.get(id ?? null)?.sha256 ?? null,
  }));
}

/** See `Database.replayedLines`. */
export async function replayedLines(
  read: Read,
  { runId, key }: { runId: string; key: string },
  after: number,
): Promise<number[]> {
  const rows = await read(
    `SELECT line FROM replayed_row WHERE source_run = ? AND key_hash = UNHEX(?) AND line > ?
     ORDER BY line LIMIT ${LINES_PAGE}`,
    [runId, keyHash(key), after],
  );
  return rows.map(([line]) => Number(line));
}

/** See `Database.newByLineage`; as many objects as one query takes. */
export async function newByLineage(
  read: Read,
  objects: readonly { key: string; sha256: string }[],
): Promise<string[]> {
  const byHash = new Map(objects.map((object) => [keyHash(object.key), object]));
  // A whole file is not new where the one that it is a copy of was accepted after all: an object that a paused process
  // put back once more.
  const rows = await read(
    `SELECT LOWER(HEX(f.landing_hash)), f.sha256 FROM replayed_file f
     WHERE f.landing_hash IN (${[...byHash.keys()].map(() => "UNHEX(?)").join(", ")}) AND NOT EXISTS (
       SELECT 1 FROM source_file s WHERE s.sha256 = f.sha256
         AND (s.key_hash = f.landing_hash
           OR (f.kind = 'file' AND s.key_hash = f.key_hash AND s.status = 'accepted')))`,
    [...byHash.keys()],
  );
  return rows.map(([hash, sha256]) => ({ sha256, object: byHash.get(String(hash)) }))
    .flatMap(({ sha256, object }) => object && object.sha256 === sha256 ? [object.key] : []);
}
