/**
 * The commit of a run in DuckDB, within a transaction. The totals' files are read where they are: nothing is staged.
 *
 * The aliases stand before every column, and no table is named without its own: a reporting table and its columns may
 * have any name.
 *
 * @module
 */
import { type Duckdb, rowsOf } from "../../duckdb/duckdb.ts";
import { identifier } from "../../sql.ts";
import { alreadyReplayed, keyTwice, LeaseLostError, totalTooLarge } from "../errors.ts";
import type { Commit, LedgerEntry, MoveOrder, RunState, TableTotals } from "../records.ts";
import { requireTotals, totalsRelation } from "../totals.ts";
import { isTooLarge } from "./errors.ts";
import { insertReplayed } from "./replay.ts";
import { NOW } from "./rows.ts";
import { INCENTIVE_TYPE } from "./tables.ts";

/**
 * Commits a run, unless it is committed already.
 *
 * @param name The database's name, for messages.
 * @throws {LeaseLostError}
 */
export async function commitRun(db: Duckdb, commit: Commit, name: string): Promise<void> {
  const { runId, token, totals, incentivePercent, ledger, moves, replayed } = commit;
  const state = await runState(db, runId);
  if (state === "committed" || state === "published") return;
  for (const part of totals) {
    if (part.files.length === 0) continue;
    await requireTotals(db, part);
    await requireKeys(db, part);
    try {
      await addTotals(db, part);
      await updateIncentive(db, part, incentivePercent);
    } catch (error) {
      throw isTooLarge(error) ? totalTooLarge(`${part.table.name} of ${name}`, error) : error;
    }
  }
  await insertLedger(db, runId, ledger);
  await insertMoves(db, runId, moves);
  const isRepeated = replayed && await insertReplayed(db, runId, replayed);
  await requireToken(db, token, "commit the run");
  if (isRepeated) throw alreadyReplayed(runId);
  const committed = await db.query(
    `UPDATE pipeline_run SET state = 'committed', committed_at = ${NOW}
     WHERE run_id = $1 AND state = 'open' AND token = $2 RETURNING run_id`,
    [runId, token],
  );
  if (committed.length !== 1) throw new LeaseLostError("commit the run");
}

/** The state of a run; `null` if the database does not know it. */
export async function runState(db: Duckdb, runId: string): Promise<RunState | null> {
  const [row] = await db.query("SELECT state FROM pipeline_run WHERE run_id = $1", [runId]);
  return (row?.state ?? null) as RunState | null;
}

/** Asserts that the token is the newest; `action` completes `Cannot …`. */
export async function requireToken(db: Duckdb, token: number, action: string): Promise<void> {
  const [lease] = await db.query("SELECT token FROM pipeline_lease");
  if (Number(lease?.token) !== token) throw new LeaseLostError(action);
}

/**
 * There is one row for each key: of two MERGE would take either, and there is no index that would refuse them.
 *
 * @throws {DataError} `duplicate_key`
 */
async function requireKeys(db: Duckdb, totals: TableTotals): Promise<void> {
  const key = totals.table.key.map((column) => `t.${identifier(column)}`).join(", ");
  const twice = await db.query(
    `SELECT count(*) AS row_count FROM ${
      totalsRelation(totals)
    } AS t GROUP BY ${key} HAVING count(*) > 1 LIMIT 1`,
  );
  if (twice.length > 0) throw keyTwice(totals);
}

/** Adds a run's totals: a row that is there is added to and follows the run, any other is new. */
async function addTotals(db: Duckdb, totals: TableTotals): Promise<void> {
  const { name, columns, key, add, latest, incentive } = totals.table;
  const names = Object.keys(columns);
  const updates = [
    // A column that was added to the table later holds NULL, which is no total yet.
    ...add.map((column) =>
      `${identifier(column)} = coalesce(m.${identifier(column)}, 0) + t.${identifier(column)}`
    ),
    ...latest.map((column) => `${identifier(column)} = t.${identifier(column)}`),
  ];
  const inserted = names.map(identifier), values = names.map((column) => `t.${identifier(column)}`);
  if (incentive) {
    inserted.push(identifier(incentive.column));
    values.push("0.00");
  }
  const [merged] = await db.query(
    `MERGE INTO ${identifier(name)} AS m USING ${totalsRelation(totals)} AS t ON ${same("m", "t", key)}
     ${updates.length > 0 ? `WHEN MATCHED THEN UPDATE SET ${updates.join(", ")}` : ""}
     WHEN NOT MATCHED THEN INSERT (${inserted.join(", ")}) VALUES (${values.join(", ")})`,
  );
  // A key that the table has twice, as one that was longer once, would be added to twice. Without updates nothing is.
  if (updates.length > 0 && Number(merged?.Count) !== totals.rowCount) throw keyTwice(totals);
}

/**
 * Works the incentives out anew wherever the totals were added: of those rows that have the same `within`, the ones with
 * the largest total get their percent of it, all of them on a tie, and the others get 0.00; nobody gets any of a total
 * that is not above 0.
 *
 * @param percent Decimal text with at most 4 decimals.
 */
async function updateIncentive(db: Duckdb, totals: TableTotals, percent: string): Promise<void> {
  const { name, incentive } = totals.table;
  if (incentive === null) return;
  const { within } = incentive;
  const table = identifier(name), of = identifier(incentive.of);
  const list = (alias: string) => within.map((column) => `${alias}.${identifier(column)}`).join(", ");
  // round() of a DECIMAL rounds half away from zero, which is half up if the total is above 0.
  await db.query(
    `UPDATE ${table} AS m SET ${identifier(incentive.column)} = CASE
       WHEN m.${of} = best.${of} AND m.${of} > 0
       THEN CAST(round(m.${of} * CAST(CAST($1 AS DECIMAL(7,4)) * 0.01 AS DECIMAL(7,6)), 2) AS ${INCENTIVE_TYPE})
       ELSE 0.00 END
     FROM (
       SELECT ${list("b")}, max(b.${of}) AS ${of}
       FROM ${table} AS b
       JOIN (SELECT DISTINCT ${list("t")} FROM ${totalsRelation(totals)} AS t) AS touched
         ON ${same("b", "touched", within)}
       GROUP BY ${list("b")}
     ) AS best
     WHERE ${same("m", "best", within)}`,
    [percent],
  );
}

/** A condition that two rows are the same in these columns, none of which is NULL. */
function same(left: string, right: string, columns: readonly string[]): string {
  return columns.map((column) => `${left}.${identifier(column)} = ${right}.${identifier(column)}`).join(
    " AND ",
  );
}

async function insertLedger(db: Duckdb, runId: string, ledger: readonly LedgerEntry[]): Promise<void> {
  const columns = {
    key: "VARCHAR",
    etag: "VARCHAR",
    sizeBytes: "BIGINT",
    lastModified: "VARCHAR",
    sha256: "VARCHAR",
    status: "VARCHAR",
    reason: "VARCHAR",
    rowsRead: "BIGINT",
    rowsAccepted: "BIGINT",
    rowsRejected: "BIGINT",
    destination: "VARCHAR",
    dataset: "VARCHAR",
  };
  await db.query(
    `INSERT INTO source_file (run_id, object_key, etag, size_bytes, last_modified, sha256, status, reason, rows_read,
       rows_accepted, rows_rejected, destination, dataset)
     SELECT $2, * FROM (${rowsOf(columns)})`,
    [JSON.stringify(ledger), runId],
  );
}

async function insertMoves(db: Duckdb, runId: string, moves: readonly MoveOrder[]): Promise<void> {
  const columns = {
    kind: "VARCHAR",
    from: "VARCHAR",
    to: "VARCHAR",
    etag: "VARCHAR",
    sizeBytes: "BIGINT",
    lastModified: "VARCHAR",
    localCopy: "VARCHAR",
  };
  await db.query(
    `INSERT INTO pending_move (id, run_id, kind, from_key, to_key, etag, size_bytes, last_modified, local_copy)
     SELECT nextval('pending_move_id'), $2, * FROM (${rowsOf(columns)})`,
    [JSON.stringify(moves), runId],
  );
}
