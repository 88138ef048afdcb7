/**
 * Many objects, odd names and a large file, on a real S3 server and a real MariaDB.
 *
 * @module
 */
import assert from "node:assert/strict";
import pMap from "p-map";
import { measure } from "../bench/measure.ts";
import {
  parseSummary,
  REPOSITORY,
  runTask,
  type Summary,
  type TaskResult,
  wordsOf,
} from "../support/task.ts";
import { goldenPath } from "../support/workspace.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";

let servers: Servers;
Deno.test.beforeAll(async () => void (servers = await Servers.start()));
Deno.test.afterAll(() => servers?.[Symbol.asyncDispose]());

const HEADER = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost";
const MIB = 1024 * 1024;

async function open(config: Readonly<Record<string, unknown>> = {}): Promise<RemoteDeployment> {
  const deployment = await createRemote(servers, { config });
  await deployment.loadDimensions(goldenPath("dimensions"));
  return deployment;
}

/** A file of one row whose money tells it apart. */
function oneRow(cents: number): Uint8Array {
  const money = (cents / 100).toFixed(2);
  return new TextEncoder().encode(`${HEADER}\n1,121,sugar,2023-03-01,1,${money},1,${money}\n`);
}

async function run(deployment: RemoteDeployment): Promise<Summary> {
  const result: TaskResult = await runTask("pipeline", ["--config", deployment.config, "--json"]);
  assert.equal(result.code, 0, result.text);
  return parseSummary(result);
}

async function total({ mariadb }: RemoteDeployment): Promise<string> {
  return String((await mariadb.sql("SELECT SUM(total_sales) FROM customers_data_mart"))[0]?.[0]);
}

Deno.test("S3 and MariaDB: pipeline takes and moves every object, when there are 2,500", async () => {
  await using deployment = await open();
  const count = 2500;
  await pMap(
    Array.from({ length: count }, (_, i) => i + 1),
    (i) => deployment.bucket.put(`sales_data/2023/03/${i % 28}/sales-${i}.csv`, oneRow(i)),
    { concurrency: 16 },
  );
  const { rows, files } = await run(deployment);
  assert.deepEqual(rows, { read: count, accepted: count, rejected: 0 });
  assert.equal(await total(deployment), (count * (count + 1) / 200).toFixed(2));
  assert.deepEqual(await deployment.bucket.keys("sales_data/"), []);
  assert.deepEqual(
    (await deployment.bucket.keys("sales_data_processed/")).sort(),
    files.map(({ destination }) => String(destination)).sort(),
  );
});

/** Names as people and programs make them. */
const ODD_NAMES = [
  "with space.csv",
  "plus+percent%20.csv",
  "quote'\"`.csv",
  "hash#question?.csv",
  "käse/ünïcödé/日本語.csv",
  "line\nend.csv",
  "tab\tand\\backslash.csv",
  "a=b&c=d;e,f.csv",
  "😀 (1) [x] {y}.csv",
  "$HOME/${x}/~.csv",
  "UPPER.CSV",
  "<tag>&amp;.csv",
];

Deno.test("S3 and MariaDB: pipeline takes objects whatever their names, and moves them under the same", async () => {
  await using deployment = await open();
  for (const [i, name] of ODD_NAMES.entries()) {
    await deployment.bucket.put(`sales_data/${name}`, oneRow(i + 1));
  }
  const { runId, files } = await run(deployment);
  assert.deepEqual(
    files.map(({ key, status }) => [key, status]).sort(),
    ODD_NAMES.map((name) => [`sales_data/${name}`, "accepted"]).sort(),
  );
  for (const [i, name] of ODD_NAMES.entries()) {
    assert.deepEqual(
      await deployment.bucket.get(`sales_data_processed/${runId}/${name}`),
      oneRow(i + 1),
      name,
    );
  }
  const ledger = await deployment.mariadb.sql("SELECT CONVERT(object_key USING utf8mb4) FROM source_file");
  assert.deepEqual(ledger.map(([key]) => key).sort(), ODD_NAMES.map((name) => `sales_data/${name}`).sort());
});

Deno.test("S3 and MariaDB: pipeline needs at most 300 MB of memory above DuckDB's limit, when a file has 200 MB", async () => {
  const limitMib = 384;
  await using deployment = await open({ resources: { memoryLimit: `${limitMib}MiB`, threads: 2 } });
  const rowCount = 4_700_000;
  const lines = [HEADER];
  for (let i = 1; i <= 100_000; i++) {
    lines.push(
      `${1 + i % 20},${121 + i % 3},quaker oats,2023-03-${String(1 + i % 28).padStart(2, "0")},${
        1 + i % 12
      },1.25,2,2.50`,
    );
  }
  const [header = "", ...rows] = lines;
  const block = new TextEncoder().encode(rows.join("\n") + "\n");
  const bytes = new Uint8Array(header.length + 1 + block.length * (rowCount / 100_000));
  bytes.set(new TextEncoder().encode(header + "\n"));
  for (let at = header.length + 1; at < bytes.length; at += block.length) bytes.set(block, at);
  assert.ok(bytes.length > 200e6, `${bytes.length} bytes`);
  await deployment.bucket.put("sales_data/large.csv", bytes);

  const measured = await measure(
    [Deno.execPath(), ...wordsOf("pipeline"), "--config", deployment.config, "--json"],
    REPOSITORY,
  );
  assert.equal(measured.exitCode, 0, measured.stderr);
  assert.equal(JSON.parse(measured.stdout).rows.accepted, rowCount);
  const above = (measured.peakBytes ?? 0) - limitMib * MIB;
  assert.ok(above < 300e6, `${(above / 1e6).toFixed(0)} MB above DuckDB's limit`);
});
