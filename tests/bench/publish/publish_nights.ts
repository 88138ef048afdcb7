/**
 * The commit of one night after the other, watched.
 *
 * @module
 */
import { join } from "node:path";
import type { Commit, MoveOrder } from "../../../lib/database/records.ts";
import type { FreshDatabase } from "../../integration/mysql_server.ts";
import { REPOSITORY, wordsOf } from "../../support/task.ts";
import { measure } from "../measure.ts";
import type { Job } from "./commit.ts";
import type { Place } from "./place.ts";
import { longestWaits, startProbes } from "./probes.ts";
import type { Publish } from "./report.ts";
import { endLog, startLog, windowsOf } from "./statements.ts";
import { compareMart, INCENTIVE_PERCENT, MONTHS, type Night } from "./totals.ts";

const PIPELINE = "tasks/pipeline.ts";
const COMMIT = "tests/bench/publish/commit.ts";
/** What a night of 10 M rows leaves to be moved: a few source files, and one object per store and month. */
const LEDGER_ROWS = 10, STAGED_OBJECTS = 3000;
const LEASE_SECONDS = 3600;

/** Publishes nights of the same keys one after the other, and compares the marts after each. */
export async function publishNights(place: Place, nights: readonly Night[]): Promise<Publish[]> {
  const { sql } = place.fresh;
  const publishes: Publish[] = [];
  for (const [i, night] of nights.entries()) {
    const published = await publish(`run-${i + 1}`, night, place);
    const expected = nights.slice(0, i + 1);
    const comparisons = [
      await compareMart(sql, "customers_data_mart", expected),
      await compareMart(sql, "sales_team_data_mart", expected),
    ];
    publishes.push({ ...published, comparisons });
  }
  return publishes;
}

/** One run's commit by a process with the pipeline's permissions, probed and logged. */
async function publish(
  runId: string,
  night: Night,
  { fresh, target, database }: Place,
): Promise<Omit<Publish, "comparisons">> {
  const lease = await database.acquireLease({ owner: "bench", holder: "bench", runId }, LEASE_SECONDS);
  if (!("token" in lease)) throw new Error("the lease is held by another");
  await database.beginRun({ runId, token: lease.token, configHash: "" });
  const job: Job = { target, commit: commitOf(runId, lease.token, night) };
  const file = join(target.workDir, `${runId}.json`);
  await Deno.writeTextFile(file, JSON.stringify(job));
  const words = wordsOf("pipeline").map((word) => word === PIPELINE ? COMMIT : word);

  const waitsBefore = await lockWaits(fresh);
  await startLog(fresh.sql);
  const probes = await startProbes(target, database, {
    customers: Math.ceil(night.customers.rowCount / MONTHS),
    ...lease,
  });
  const { exitCode, stdout, stderr, ...usage } = await measure([Deno.execPath(), ...words, file], REPOSITORY);
  const samples = await probes.stop();
  const statements = await endLog(fresh.sql);
  const waitsAfter = await lockWaits(fresh);
  if (exitCode !== 0) throw new Error(`${COMMIT} exited with ${exitCode}\n${stderr}${stdout}`);
  const windows = windowsOf(statements);
  return {
    ...usage,
    commitMs: JSON.parse(stdout).commitMs,
    statements,
    windows,
    waits: longestWaits(samples, windows),
    lockWaits: waitsAfter - waitsBefore,
  };
}

function commitOf(runId: string, token: number, { customers, sales }: Night): Commit {
  const move = (kind: MoveOrder["kind"], i: number): MoveOrder => ({
    kind,
    from: `staging/${runId}/${kind}/${i}`,
    to: `sales_partitioned_data_mart/run_id=${runId}/sales_month=2023-03/store_id=${i}/${kind}.parquet`,
    etag: `"${i}"`,
    sizeBytes: 1,
    lastModified: null,
    localCopy: null,
  });
  return {
    runId,
    token,
    totals: [customers, sales],
    incentivePercent: INCENTIVE_PERCENT,
    ledger: Array.from({ length: LEDGER_ROWS }, (_, i) => ({
      key: `sales_data/${runId}/${i}.csv`,
      dataset: "sales",
      etag: `"${i}"`,
      sizeBytes: 1,
      lastModified: "2023-04-01T02:00:00Z",
      sha256: null,
      status: "accepted",
      reason: null,
      rowsRead: 1,
      rowsAccepted: 1,
      rowsRejected: 0,
      destination: `sales_data_processed/${runId}/${i}.csv`,
    })),
    moves: [
      ...Array.from({ length: LEDGER_ROWS }, (_, i) => move("archive", i)),
      ...Array.from({ length: STAGED_OBJECTS }, (_, i) => move("publish", i)),
    ],
  };
}

/** Times that a transaction had to wait for a row that another had locked, since the server's start. */
async function lockWaits({ sql }: FreshDatabase): Promise<number> {
  return Number((await sql("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'"))[0]?.[1]);
}
