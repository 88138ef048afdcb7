/**
 * Transactions in MySQL.
 *
 * @module
 */
import { BULK_TIMEOUT_MS, type MysqlConnection } from "./connection.ts";
import { MysqlFault } from "./errors.ts";

/** How often a transaction is begun again that another one was in the way of. */
const TRANSACTION_ATTEMPTS = 3;
const RETRY_MS = 200;
/** The server writes the whole transaction to its binary log. */
const COMMIT_TIMEOUT_MS = 600_000;

/** Runs the work in one transaction; again if others were in the way, rolled back if it throws. */
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
