/**
 * Does what readers and other runs do while a run commits, over and over, and notes how long each time took.
 *
 * @module
 */
import mysql from "mysql2/promise";
import type { Database } from "../../../lib/database/database.ts";
import type { Job } from "./commit.ts";
import type { Window } from "./statements.ts";

/** One thing that was done. */
export interface Sample {
  readonly probe: string;
  /** In Unix time. */
  readonly fromMs: number;
  /** In Unix time. */
  readonly untilMs: number;
}

/** The longest wait of a probe in each part of a commit. */
export interface Wait {
  readonly probe: string;
  /** Times that it was done. */
  readonly count: number;
  /** One for each window. */
  readonly longestMs: readonly number[];
}

/** Probes that run until they are stopped. */
export interface Probes {
  /** Ends them once each has its answer. */
  stop(): Promise<Sample[]>;
}

/** What is done one after the other with one connection, by its name. */
type Probe = Readonly<Record<string, (round: number) => Promise<unknown>>>;

const INTERVAL_MS = 50;
const LEASE_SECONDS = 3600;

/**
 * Starts all probes beside each other, each with a connection of its own.
 *
 * @param database Of the run that commits.
 * @param customers The highest customer id.
 * @param token The run's.
 */
export async function startProbes(
  target: Job["target"],
  database: Database,
  { customers, token }: { customers: number; token: number },
): Promise<Probes> {
  const { host, port, user, password } = target;
  const connect = () => mysql.createConnection({ host, port, user, password, database: target.database });
  const [reader, run] = [await connect(), await connect()];
  // As the product's connections.
  await run.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
  const reading: Probe = {
    "reader of one customer": async (round) => {
      const customer = [1 + (round * 7919) % customers];
      await reader.query("SELECT * FROM customers_data_mart WHERE customer_id = ?", customer);
      await reader.query(
        "SELECT COUNT(*), SUM(total_sales) FROM customers_data_mart WHERE customer_id = ?",
        customer,
      );
    },
  };
  // One after the other: both lock the lease, and would wait for each other.
  const leasing: Probe = {
    "another run asks for the lease": async () => {
      const owner = { owner: "another work dir", holder: "another process", runId: "another-run" };
      const answer = await database.acquireLease(owner, LEASE_SECONDS);
      if (!("heldBy" in answer)) throw new Error("another run was given the lease during the commit");
    },
    "the run renews its lease": async () => {
      if (!await database.renewLease(token, LEASE_SECONDS)) throw new Error("the lease was lost");
    },
  };
  const registering: Probe = {
    // Registering a run takes the lease first, and would therefore be the same wait once more.
    "row of another run": async () => {
      await run.query("START TRANSACTION");
      await run.query(
        `INSERT INTO pipeline_run (run_id, token, state, config_hash, started_at)
         VALUES ('another-run', 0, 'open', '', UTC_TIMESTAMP(6))`,
      );
      await run.query("ROLLBACK");
    },
  };
  const samples: Sample[] = [];
  let isStopped = false;
  const loops = [reading, leasing, registering].map(async (steps) => {
    for (let round = 0; !isStopped; round++) {
      const nextMs = performance.now() + INTERVAL_MS;
      for (const [probe, once] of Object.entries(steps)) {
        const fromMs = Date.now(), startedMs = performance.now();
        await once(round);
        samples.push({ probe, fromMs, untilMs: fromMs + performance.now() - startedMs });
      }
      await new Promise((done) => setTimeout(done, Math.max(0, nextMs - performance.now())));
    }
  });
  // Observed at once, so that a probe that fails early does not end the process before it is asked for.
  const ended = Promise.allSettled(loops);
  return {
    async stop() {
      isStopped = true;
      const failed = (await ended).find((loop) => loop.status === "rejected");
      await Promise.all([reader.end(), run.end()]);
      if (failed) throw failed.reason;
      return samples;
    },
  };
}

/** How much of the longest wait of each probe fell into each window. A wait over two windows counts in both, in part. */
export function longestWaits(samples: readonly Sample[], windows: readonly Window[]): Wait[] {
  return [...Map.groupBy(samples, ({ probe }) => probe)].map(([probe, own]) => ({
    probe,
    count: own.length,
    longestMs: windows.map((window) =>
      own.reduce(
        (longest, { fromMs, untilMs }) =>
          Math.max(longest, Math.min(untilMs, window.untilMs) - Math.max(fromMs, window.fromMs)),
        0,
      )
    ),
  }));
}
