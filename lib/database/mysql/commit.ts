/**
 * The commit of a run in MySQL: one transaction, whose last lock is the lease.
 *
 * @module
 */
import type { Duckdb } from "../../duckdb/duckdb.ts";
import { alreadyReplayed, LeaseLostError, totalTooLarge } from "../errors.ts";
import type { Commit, LedgerEntry, MoveOrder, ReportingTable } from "../records.ts";
import { BULK_TIMEOUT_MS, type MysqlConnection } from "./connection.ts";
import { isTooLarge } from "./errors.ts";
import { requireToken } from "./lease.ts";
import { stageTotals } from "./load.ts";
import { insertReplayed, stageLines } from "./replay.ts";
import { insertRows, keyHash, NOW, quoted, quotedList } from "./rows.ts";
import { transaction } from "./transaction.ts";

/**
 * Commits a run, unless it is committed already.
 *
 * If an earlier connection's answer to COMMIT was lost, calling it again finds out: the run's row stays locked until
 * that transaction has ended one way or the other, and the look-up waits for the lock.
 *
 * @param name The database's name, for messages.
 * @throws {LeaseLostError}
 */
export async function commitRun(
  connection: MysqlConnection,
  duckdb: Duckdb,
  commit: Commit,
  name: string,
): Promise<void> {
  const { runId, token, replayed, incentivePercent: percent } = commit;
  const [run] = await connection.query("SELECT state FROM pipeline_run WHERE run_id = ? FOR UPDATE", [runId]);
  if (run?.[0] === "committed" || run?.[0] === "published") return;
  if (run?.[0] !== "open") throw new LeaseLostError("commit the run");
  // By number: with a prefix a long name would be too long for MySQL.
  const added = commit.totals.filter(({ files }) => files.length > 0)
    .map((totals, number) => ({ totals, staged: `pipeline_staged_${number}` }));
  for (const { totals, staged } of added) await stageTotals(connection, duckdb, totals, staged);
  if (replayed) await stageLines(connection, replayed);
  await transaction(connection, async () => {
    for (const { totals: { table }, staged } of added) {
      try {
        await addTotals(connection, table, staged);
        await updateIncentive(connection, table, staged, percent);
      } catch (error) {
        throw isTooLarge(error) ? totalTooLarge(`${table.name} of ${name}`, error) : error;
      }
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
}

/**
 * Adds the staged totals, in the order of the key: a row that is new is inserted, to one that is there the `add` columns
 * are added and it takes the `latest` ones.
 *
 * @param staged The staging table's name.
 */
async function addTotals(
  connection: MysqlConnection,
  { name, columns, key, add, latest, incentive }: ReportingTable,
  staged: string,
): Promise<void> {
  const table = quoted(name);
  const inserted = Object.keys(columns).map(quoted), selected = [...inserted];
  if (incentive) {
    inserted.push(quoted(incentive.column));
    selected.push("0.00");
  }
  // Names the staging table's columns: of the ways to say it, VALUES() is deprecated in MySQL 8 and a row alias unknown
  // to MariaDB.
  const updates = [
    // A column that was added to the table later holds NULL, which is no total yet.
    ...add.map(quoted).map((column) => `${column} = COALESCE(${table}.${column}, 0) + ${staged}.${column}`),
    ...latest.map(quoted).map((column) => `${column} = ${staged}.${column}`),
  ];
  await connection.run(
    `INSERT INTO ${table} (${inserted.join(", ")})
     SELECT ${selected.join(", ")} FROM ${staged} ORDER BY ${quotedList(key)}
     ON DUPLICATE KEY UPDATE ${updates.join(", ")}`,
    [],
    { timeoutMs: BULK_TIMEOUT_MS },
  );
}

/**
 * Works out the incentives anew wherever the staged totals were added: of those rows that have the same `within`, the
 * ones with the largest total get their percent of it, all of them on a tie, and the others get 0.00; nobody gets any of
 * a total that is not above 0.
 *
 * @param staged The staging table's name.
 * @param percent Decimal text with at most 4 decimals.
 */
async function updateIncentive(
  connection: MysqlConnection,
  { name, incentive }: ReportingTable,
  staged: string,
  percent: string,
): Promise<void> {
  if (incentive === null) return;
  const table = quoted(name), total = quoted(incentive.of), within = incentive.within.map(quoted);
  const among = (relation: string) => within.map((column) => `${relation}.${column}`).join(", ");
  const same = (a: string, b: string) =>
    within.map((column) => `${a}.${column} = ${b}.${column}`).join(" AND ");
  // ROUND of a DECIMAL rounds half away from zero, which is half up if the total is above 0; a product of decimals is
  // exact up to 65 digits ("Precision Math", MySQL reference manual).
  await connection.run(
    `UPDATE ${table} m
     JOIN (
       SELECT ${among("b")}, MAX(b.${total}) AS ${total}
       FROM (SELECT DISTINCT ${among("s")} FROM ${staged} s) touched
       JOIN ${table} b ON ${same("b", "touched")}
       GROUP BY ${among("b")}
     ) best ON ${same("m", "best")}
     SET m.${quoted(incentive.column)} = CASE WHEN m.${total} = best.${total} AND m.${total} > 0
       THEN ROUND(m.${total} * CAST(? AS DECIMAL(7,4)) * 0.01, 2) ELSE 0.00 END`,
    [percent],
    { timeoutMs: BULK_TIMEOUT_MS },
  );
}

async function insertLedger(
  connection: MysqlConnection,
  runId: string,
  ledger: readonly LedgerEntry[],
): Promise<void> {
  const rows = ledger.map((entry) => ({
    run_id: runId,
    key_hash: keyHash(entry.key),
    object_key: entry.key,
    dataset: entry.dataset,
    etag: entry.etag,
    size_bytes: entry.sizeBytes,
    last_modified: entry.lastModified,
    sha256: entry.sha256,
    status: entry.status,
    reason: entry.reason,
    rows_read: entry.rowsRead,
    rows_accepted: entry.rowsAccepted,
    rows_rejected: entry.rowsRejected,
    destination: entry.destination,
  }));
  await insertRows(connection, "source_file", rows);
}

async function insertMoves(
  connection: MysqlConnection,
  runId: string,
  moves: readonly MoveOrder[],
): Promise<void> {
  const rows = moves.map((move) => ({
    run_id: runId,
    kind: move.kind,
    from_key: move.from,
    to_key: move.to,
    etag: move.etag,
    size_bytes: move.sizeBytes,
    last_modified: move.lastModified,
    local_copy: move.localCopy,
  }));
  await insertRows(connection, "pending_move", rows);
}
