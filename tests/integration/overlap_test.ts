/**
 * Runs that meet on one bucket and one database, and readers who look while they work.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { joinWorkspace } from "../support/copies.ts";
import type { CrashPoint } from "../support/crash_point.ts";
import { raceToCommit, startPipeline, summaryOf } from "../support/crash_process.ts";
import { select, sqlText, withDuckdb } from "../support/duckdb.ts";
import { randomOf } from "../support/random.ts";
import { runPipeline } from "../support/task.ts";
import { Deliveries } from "./deliveries.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";

let servers: Servers;
Deno.test.beforeAll(async () => void (servers = await Servers.start()));
Deno.test.afterAll(() => servers?.[Symbol.asyncDispose]());

Deno.test("S3 and MariaDB: one of two owners works and the other exits with 75 naming it, when they start together", async () => {
  await using deployment = await createRemote(servers);
  const deliveries = await Deliveries.begin(deployment, randomOf(1));
  await deliveries.deliver();
  const other = await joinWorkspace(deployment);
  const { winner, loser } = await raceToCommit([deployment.config, other.config]);
  assert.equal(loser.code, 75, loser.text);
  assert.equal(winner.code, 0, winner.text);
  const { error } = summaryOf(loser);
  assert.equal(error?.code, "lease_held");
  assert.match(error.message, new RegExp(`\\bprocess ${winner.pid}\\b`));
  assert.equal((await runPipeline(deployment.config)).state, "nothing-to-do");
  await deliveries.assertComplete();
});

/** Where a run is paused, with the state of the one that takes over. */
const PAUSES: readonly (readonly [CrashPoint, string])[] = [
  [{ when: "before", call: "store.put", match: "^_staging/" }, "committed"],
  [{ when: "during", call: "store.put", match: "^_staging/" }, "committed"],
  [{ when: "before", call: "database.commit" }, "committed"],
  [{ when: "before", call: "store.copy", match: "^_staging/" }, "recovered"],
  [{ when: "during", call: "store.copy", match: "^sales_data/" }, "recovered"],
];

Deno.test("S3 and MariaDB: a run can neither commit nor undo anything, when it wakes and another has taken its lease", async (test) => {
  for (const [i, [point, state]] of PAUSES.entries()) {
    await test.step(`paused ${point.when} ${point.call} ${point.match ?? ""}`, async () => {
      const config = { lease: { ttlSeconds: 1, waitSeconds: 30 } };
      await using deployment = await createRemote(servers, { config });
      const deliveries = await Deliveries.begin(deployment, randomOf(10 + i));
      await deliveries.deliver();
      const other = await joinWorkspace(deployment);
      await using paused = startPipeline(deployment.config, { ...point, then: "stop" });
      await paused.atPoint;
      assert.equal((await runPipeline(other.config)).state, state);
      await paused.resume();
      const ended = await paused.ended;
      assert.equal(ended.code, 75, ended.text);
      assert.equal(summaryOf(ended).error?.code, "lease_lost", ended.text);
      // What it still put under the staging prefix goes with the next upload.
      await deliveries.deliver();
      assert.equal((await runPipeline(deployment.config)).state, "committed");
      await deliveries.assertComplete();
    });
  }
});

Deno.test("S3 and MariaDB: readers see whole nights of both tables, and whole objects of committed runs, at any moment", async () => {
  await using deployment = await createRemote(servers);
  const deliveries = await Deliveries.begin(deployment, randomOf(3));
  const nights = new Set(["0.00 0.00"]);
  const seen: string[] = [];
  const looked = new Set<string>();
  const over = new AbortController();
  const reader = (async () => {
    while (!over.signal.aborted) {
      seen.push(await readTotals(deployment));
      await lookAtMarts(deployment, looked);
    }
  })();
  try {
    await runPipeline(deployment.config);
    for (let night = 0; night < 6; night++) {
      await deliveries.deliver();
      await runPipeline(deployment.config);
      nights.add(await readTotals(deployment));
    }
  } finally {
    over.abort();
    await reader;
  }
  await deliveries.assertComplete();
  assert.deepEqual([...new Set(seen)].filter((totals) => !nights.has(totals)), [], "totals of no night");
  assert.ok(new Set(seen).size > 3 && looked.size > 20, `${seen.length} looks, ${looked.size} objects`);
});

/** The money in both tables, in one statement, which reads both as of one moment. */
async function readTotals({ mariadb }: RemoteDeployment): Promise<string> {
  const [row] = await mariadb.sql(
    `SELECT CONCAT((SELECT COALESCE(SUM(total_sales), 0.00) FROM customers_data_mart), ' ',
                   (SELECT COALESCE(SUM(total_sales), 0.00) FROM sales_team_data_mart))`,
  ).catch((error) => {
    // Before the first run has made the tables.
    if (error.code === "ER_NO_SUCH_TABLE") return [["0.00 0.00"]];
    throw error;
  });
  const totals = String(row?.[0]);
  const [customers, salesTeam] = totals.split(" ");
  assert.equal(customers, salesTeam, "one table is ahead of the other");
  return totals;
}

/** Every object of the marts can be read to its end, and is of a run that was committed by then. */
async function lookAtMarts(
  { bucket, mariadb, folder }: RemoteDeployment,
  looked: Set<string>,
): Promise<void> {
  for (
    const prefix of [
      "accepted_sales/",
      "customer_data_mart/",
      "sales_data_mart/",
      "sales_partitioned_data_mart/",
    ]
  ) {
    for (const key of await bucket.keys(prefix)) {
      if (looked.has(key)) continue;
      const [, runId] = /(\d{8}T\d{6}Z-[0-9a-f]{4})/.exec(key) ?? [];
      const rows = await mariadb.sql(`SELECT state FROM pipeline_run WHERE run_id = '${runId}'`);
      assert.match(String(rows[0]?.[0]), /^(committed|published)$/, key);
      const file = join(folder, "looked-at.parquet");
      await Deno.writeFile(file, await bucket.get(key));
      const { rows: found } = await withDuckdb(
        ":memory:",
        (connection) =>
          select(connection, `SELECT * FROM read_parquet(${sqlText(file)}, hive_partitioning = false)`),
      );
      assert.ok(found.length > 0, key);
      looked.add(key);
    }
  }
}
