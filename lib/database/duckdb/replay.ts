/**
 * What was put back by replays, in DuckDB.
 *
 * @module
 */
import { type Duckdb, rowsOf } from "../../duckdb/duckdb.ts";
import { literal } from "../../sql.ts";
import { LINES_PAGE } from "../database.ts";
import { linesChanged } from "../errors.ts";
import type { KeyedContent, LedgerEntry, RejectedFile, Replayed } from "../records.ts";
import { textOrNull } from "./rows.ts";

/**
 * Notes what the replay puts back, within its transaction.
 *
 * @returns Whether something of it has been put back before; then the transaction must not be committed.
 * @throws {DataError} `lines_changed` if the file does not hold the lines that were announced.
 */
export async function insertReplayed(db: Duckdb, runId: string, replayed: Replayed): Promise<boolean> {
  const { files, linesFile, lineCount } = replayed;
  const columns = {
    number: "BIGINT",
    kind: "VARCHAR",
    runId: "VARCHAR",
    key: "VARCHAR",
    landingKey: "VARCHAR",
    lineCount: "BIGINT",
    sha256: "VARCHAR",
  };
  await db.query(
    `INSERT INTO replayed_file (run_id, number, kind, source_run, source_key, landing_key, line_count, sha256)
     SELECT $2, * FROM (${rowsOf(columns)})`,
    [JSON.stringify(files), runId],
  );
  await db.query(
    `INSERT INTO replayed_row (source_run, source_key, line, run_id)
     SELECT f.source_run, f.source_key, l.line, f.run_id
     FROM read_csv(${
      literal(linesFile)
    }, auto_detect = false, header = false, delim = '\t', quote = '', escape = '',
       columns = {number: 'BIGINT', line: 'BIGINT'}) l
     JOIN replayed_file f ON f.number = l.number AND f.run_id = $1`,
    [runId],
  );
  const [inserted] = await db.query("SELECT count(*) AS line_count FROM replayed_row WHERE run_id = $1", [
    runId,
  ]);
  if (Number(inserted?.line_count) !== lineCount) {
    throw linesChanged(linesFile, inserted?.line_count, lineCount);
  }
  const repeated = await db.query(
    `SELECT 1 FROM replayed_row
     SEMI JOIN (FROM replayed_file WHERE run_id = $1) USING (source_run, source_key)
     GROUP BY source_run, source_key, line HAVING count(*) > 1 LIMIT 1`,
    [runId],
  );
  return repeated.length > 0;
}

/** See `Database.rejectedFiles`. */
export async function rejectedFiles(
  db: Duckdb,
  { runId, key }: { runId: string | null; key: string | null },
): Promise<RejectedFile[]> {
  const rows = await db.query(
    `SELECT s.*, coalesce(r.line_count, 0) AS line_count, p.sha256 AS lineage_sha256
     FROM source_file s JOIN pipeline_run run ON run.run_id = s.run_id
     LEFT JOIN (
       SELECT source_run, source_key, sum(line_count)::BIGINT AS line_count FROM replayed_file
       GROUP BY source_run, source_key
     ) r ON r.source_run = s.run_id AND r.source_key = s.object_key
     LEFT JOIN replayed_file p ON p.landing_key = s.object_key
     WHERE (s.status <> 'accepted' OR s.rows_rejected > 0)
       AND ($1::VARCHAR IS NULL OR s.run_id = $1) AND ($2::VARCHAR IS NULL OR s.object_key = $2)
     ORDER BY run.token, s.object_key`,
    [runId, key],
  );
  return rows.map((row) => ({
    runId: String(row.run_id),
    key: String(row.object_key),
    dataset: String(row.dataset),
    status: String(row.status) as LedgerEntry["status"],
    reason: textOrNull(row.reason),
    rowsRead: Number(row.rows_read),
    rowsRejected: Number(row.rows_rejected),
    destination: String(row.destination),
    replayedCount: Number(row.line_count),
    lineageSha256: textOrNull(row.lineage_sha256),
  }));
}

/** See `Database.replayedLines`. */
export async function replayedLines(
  db: Duckdb,
  { runId, key }: { runId: string; key: string },
  after: number,
): Promise<number[]> {
  const rows = await db.query(
    `SELECT line FROM replayed_row WHERE source_run = $1 AND source_key = $2 AND line > $3
     ORDER BY line LIMIT ${LINES_PAGE}`,
    [runId, key, after],
  );
  return rows.map((row) => Number(row.line));
}

/** See `Database.newByLineage`. */
export async function newByLineage(
  db: Duckdb,
  objects: readonly KeyedContent[],
): Promise<Set<string>> {
  if (objects.length === 0) return new Set();
  // A whole file is not new if the one that it is a copy of was accepted after all: an object that a paused process
  // put back once more.
  const rows = await db.query(
    `SELECT f.landing_key FROM replayed_file f
     JOIN (${
      rowsOf({ key: "VARCHAR", sha256: "VARCHAR" })
    }) o ON o.key = f.landing_key AND o.sha256 = f.sha256
     WHERE NOT EXISTS (
       SELECT 1 FROM source_file s WHERE s.sha256 = f.sha256
         AND (s.object_key = f.landing_key
           OR (f.kind = 'file' AND s.object_key = f.source_key AND s.status = 'accepted')))`,
    [JSON.stringify(objects)],
  );
  return new Set(rows.map((row) => String(row.landing_key)));
}
