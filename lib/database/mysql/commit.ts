/**
 * The commit of a run in MySQL: one transaction, whose last lock is the lease.
 *
 * @module
 */
import type { Duckdb } from "../../duckdb/duckdb.ts";
import {
  alreadyReplayed,
  type Commit,
  LeaseLostError,
  type LedgerEntry,
  type MoveOrder,
} from "../database.ts";
import { BULK_TIMEOUT_MS, type MysqlConnection } from "./connection.ts";
import { MysqlFault } from "./errors.ts";
import { stagedTotals, stageTotals } from "./load.ts";
import { insertReplayed, stageLines } from "./replay.ts";
import { insertRows, keyHash } from "./rows.ts";
import { type MartName, TOTALS } from "./tables.ts";

/** The server's clock, in UTC. */
export const NOW = "UTC_TIMESTAMP(6)";
/** How often a transaction is begun again that another one was in the way of. */
const TRANSACTION_ATTEMPTS = 3;
const RETRY_MS = 200;
/** The server writes the whole transaction to its binary log. */
const COMMIT_TIMEOUT_MS = 600_000;

/** Runs the work in one transaction; again where others were in the way, rolled back where it throws. */
export async function transaction<T>(connection: MysqlConnection, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      await connection.run("START TRANSACTION");
      const result = await work();
      await commitTransaction(connection);
      return result;
    } catch (error) {
      // Fails with the connection only, and with that the transaction is over too.
      const rollback = () => connection.run("ROLLBACK", [], { timeoutMs: BULK_TIMEOUT_MS });
      if (connection.isUsable) await rollback().catch(() => {});
      const isContended = error instanceof MysqlFault && error.kind === "contended";
      if (!isContended || attempt === TRANSACTION_ATTEMPTS) throw error;
      await new Promise((done) => setTimeout(done, RETRY_MS * attempt));
    }
  }
}

/** No answer in time is an answer that was lost: whether it happened can only be looked up. */
async function commitTransaction(connection: MysqlConnection): Promise<void> {
  try {
    await connection.run("COMMIT", [], { timeoutMs: COMMIT_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof MysqlFault) || error.kind !== "timeout") throw error;
    throw new MysqlFault("lost", error.number, error.symbol);
  }
}

/**
 * Commits a run, unless it is committed already.
 *
 * Where an earlier connection's answer to COMMIT was lost, calling it again finds out: the run's row stays locked until
 * that transaction has ended one way or the other, and the look-up waits for the lock.
 *
 * @throws {LeaseLostError}
 */
export async function commitRun(
  connection: MysqlConnection,
  duckdb: Duckdb,
  commit: Commit,
): Promise<"committed"> {
  const { runId, token, replayed } = commit;
  const [run] = await connection.query("SELECT state FROM pipeline_run WHERE run_id = ? FOR UPDATE", [runId]);
  if (run?.[0] === "committed" || run?.[0] === "published") return "committed";
  if (run?.[0] !== "open") throw new LeaseLostError("commit the run");
  const hasCustomers = await stageTotals(connection, duckdb, "customers_data_mart", commit.customerTotals);
  const hasSales = await stageTotals(connection, duckdb, "sales_team_data_mart", commit.salesTotals);
  if (replayed) await stageLines(connection, replayed);
  await transaction(connection, async () => {
    if (hasCustomers) await addTotals(connection, "customers_data_mart", "");
    if (hasSales) {
      await addTotals(connection, "sales_team_data_mart", ", incentive");
      await updateIncentives(connection, commit.incentivePercent);
    }
    await insertLedger(connection, runId, commit.ledger);
    await insertMoves(connection, runId, commit.moves);
    const isRepeated = replayed && await insertReplayed(connection, runId, replayed);
    await requireToken(connection, token, "commit the run");
    if (isRepeated) throw alreadyReplayed(runId);
    const { rowCount } = await connection.run(
      `UPDATE pipeline_run SET state = 'committed', committed_at = ${NOW}
       WHERE run_id = ? AND state = 'open' AND token = ?`,
      [runId, token],
    );
    if (rowCount !== 1) throw new LeaseLostError("commit the run");
  });
  return "committed";
}

/**
 * Locks the lease until the transaction ends, so that nobody takes it meanwhile. Always before the row of a run: two
 * transactions in opposite order would wait for each other.
 */
export async function requireToken(
  connection: MysqlConnection,
  token: number,
  action: string,
): Promise<void> {
  const [lease] = await connection.query("SELECT token FROM pipeline_lease WHERE id = 1 FOR UPDATE");
  if (Number(lease?.[0]) !== token) throw new LeaseLostError(action);
}

/**
 * Adds the staged totals, in the order of the key.
 *
 * Names the staging table's columns: of the ways to say it, VALUES() is deprecated in MySQL 8 and a row alias unknown
 * to MariaDB.
 */
async function addTotals(connection: MysqlConnection, mart: MartName, incentive: string): Promise<void> {
  const staged = stagedTotals(mart);
  const { columns, key } = TOTALS[mart];
  const names = Object.keys(columns);
  const texts = Object.entries(columns).filter(([, type]) => type === "TEXT").map(([name]) => name);
  await connection.run(
    `INSERT INTO ${mart} (${names.join(", ")}${incentive})
     SELECT ${names.join(", ")}${incentive && ", 0.00"} FROM ${staged} ORDER BY ${key.join(", ")}
     ON DUPLICATE KEY UPDATE ${texts.map((name) => `${name} = ${staged}.${name}`).join(", ")},
       total_sales = ${mart}.total_sales + ${staged}.total_sales`,
    [],
    { timeoutMs: BULK_TIMEOUT_MS },
  );
}

async function updateIncentives(connection: MysqlConnection, incentivePercent: string): Promise<void> {
  // ROUND of a DECIMAL rounds half away from zero, which is half up where the total is above 0; a product of decimals
  // is exact up to 65 digits ("Precision Math", MySQL reference manual).
  await connection.run(
    `UPDATE sales_team_data_mart m
     JOIN (
       SELECT b.store_id, b.sales_month, MAX(b.total_sales) AS total
       FROM (SELECT DISTINCT store_id, sales_month FROM ${stagedTotals("sales_team_data_mart")}) touched
       JOIN sales_team_data_mart b ON b.store_id = touched.store_id AND b.sales_month = touched.sales_month
       GROUP BY b.store_id, b.sales_month
     ) best ON m.store_id = best.store_id AND m.sales_month = best.sales_month
     SET m.incentive = CASE WHEN m.total_sales = best.total AND m.total_sales > 0
       THEN ROUND(m.total_sales * CAST(? AS DECIMAL(7,4)) * 0.01, 2) ELSE 0.00 END`,
    [incentivePercent],
    { timeoutMs: BULK_TIMEOUT_MS },
  );
}

async function insertLedger(
  connection: MysqlConnection,
  runId: string,
  ledger: readonly LedgerEntry[],
): Promise<void> {
  const rows = ledger.map((entry) => [
    runId,
    keyHash(entry.key),
    entry.key,
    entry.etag,
    entry.sizeBytes,
    entry.lastModified,
    entry.sha256,
    entry.status,
    entry.reason,
    entry.rowsRead,
    entry.rowsAccepted,
    entry.rowsRejected,
    entry.destination,
  ]);
  await insertRows(
    connection,
    `source_file (run_id, key_hash, object_key, etag, size_bytes, last_modified, sha256, status, reason, rows_read,
       rows_accepted, rows_rejected, destination)`,
    "(?, UNHEX(?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    rows,
  );
}

async function insertMoves(
  connection: MysqlConnection,
  runId: string,
  moves: readonly MoveOrder[],
): Promise<void> {
  const rows = moves.map((move) => [
    runId,
    move.kind,
    move.from,
    move.to,
    move.etag,
    move.sizeBytes,
    move.lastModified,
    move.localCopy,
  ]);
  await insertRows(
    connection,
    "pending_move (run_id, kind, from_key, to_key, etag, size_bytes, last_modified, local_copy)",
    "(?, ?, ?, ?, ?, ?, ?, ?)",
    rows,
  );
}
