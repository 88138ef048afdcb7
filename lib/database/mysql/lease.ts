/**
 * The lease in MySQL, and the runs that begin with it.
 *
 * @module
 */
import { LeaseLostError } from "../errors.ts";
import type { LeaseAnswer, LeaseOwner, NewRun } from "../records.ts";
import { COUNT_TRIES } from "../tables.ts";
import type { MysqlConnection } from "./connection.ts";
import { NOW } from "./rows.ts";

/** See `Database.acquireLease`; within a transaction. */
export async function acquireLease(
  connection: MysqlConnection,
  { owner, holder, runId }: LeaseOwner,
  ttlSeconds: number,
): Promise<LeaseAnswer> {
  const [row] = await connection.query(
    `SELECT owner, holder, run_id, token, acquired_at, expires_at, expires_at <= ${NOW} FROM pipeline_lease
     WHERE id = 1 FOR UPDATE`,
  );
  const [heldBy = null, by, forRun, token, since, until, isExpired] = row ?? [];
  if (heldBy !== null && heldBy !== owner && isExpired !== "1") {
    const held = { holder: String(by), runId: String(forRun) };
    return { heldBy: { ...held, since: isoInstant(since), until: isoInstant(until) } };
  }
  await connection.run(
    `UPDATE pipeline_lease SET owner = ?, holder = ?, run_id = ?, token = token + 1, acquired_at = ${NOW},
       expires_at = ${NOW} + INTERVAL ? SECOND WHERE id = 1`,
    [owner, holder, runId, ttlSeconds],
  );
  return { token: Number(token) + 1 };
}

/**
 * Locks the lease until the transaction ends, so that nobody takes it meanwhile. Always before the row of a run: two
 * transactions in opposite order would wait for each other.
 *
 * @param action Completes `Cannot …`.
 * @throws {LeaseLostError} If the token is not the newest.
 */
export async function requireToken(
  connection: MysqlConnection,
  token: number,
  action: string,
): Promise<void> {
  const [lease] = await connection.query("SELECT token FROM pipeline_lease WHERE id = 1 FOR UPDATE");
  if (Number(lease?.[0]) !== token) throw new LeaseLostError(action);
}

/** See `Database.beginRun`; within a transaction. */
export async function beginRun(
  connection: MysqlConnection,
  { runId, token, configHash }: NewRun,
): Promise<number> {
  await requireToken(connection, token, "begin the run");
  await connection.run(
    `UPDATE pipeline_run SET state = 'abandoned', finished_at = ${NOW} WHERE state = 'open' AND run_id <> ?`,
    [runId],
  );
  await connection.run(
    `INSERT INTO pipeline_run (run_id, token, state, config_hash, started_at) VALUES (?, ?, 'open', ?, ${NOW})
     ON DUPLICATE KEY UPDATE run_id = run_id`,
    [runId, token, configHash],
  );
  const [row] = await connection.query(COUNT_TRIES);
  return Number(row?.[0]);
}

function isoInstant(datetime: string | null | undefined): string {
  return `${String(datetime).replace(" ", "T")}Z`;
}
