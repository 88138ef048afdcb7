/**
 * `deno task test:network`: nights on S3 and MariaDB with faults in the network between, over all operations of both.
 * Each run ends well, or with 75 or 77 and says where it failed; after a clean run nothing is lost, doubled or left over.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import pMap from "p-map";
import { print, say } from "../support/output.ts";
import { randomOf } from "../support/random.ts";
import { parseSummary, REPOSITORY, runPipeline, type TaskResult } from "../support/task.ts";
import { Deliveries } from "./deliveries.ts";
import { type Fault, FaultProxy } from "./fault_proxy.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";
import { type S3Fault, S3FaultProxy, type S3Operation } from "./s3_fault_proxy.ts";

/** Faults of one bucket and database; with more, what is compared each time outgrows what is tried. */
const FAULTS_PER_CHAIN = 20;
const CONCURRENCY = 2;
/** More than any deadline of the run adds up to. */
const TIMEOUT_MS = 240_000;
const FOREVER = 1_000_000;

const { values: given } = parseArgs({
  options: { faults: { type: "string", default: "100" }, seed: { type: "string", default: "1" } },
});
const count = Number(given.faults), seed = Number(given.seed);

/** A fault of either server. */
type NetworkFault = { readonly s3: S3Fault } | { readonly mysql: Fault } | {
  readonly everyConnection: "refuse" | "delay";
};

const OPERATIONS: readonly S3Operation[] = [
  "ListObjectsV2",
  "ListMultipartUploads",
  "HeadObject",
  "GetObject",
  "PutObject",
  "CopyObject",
  "DeleteObject",
];
const S3_KINDS: readonly S3Fault["then"][] = [
  "refuse",
  "lose answer",
  "cut",
  "stall",
  "delay",
  "change byte",
  "slow down",
  "internal error",
];
/** What the statements of each kind have in them. */
const STATEMENTS = [
  "COMMIT",
  "START TRANSACTION",
  "FOR UPDATE",
  "pipeline_lease SET",
  "pipeline_schema",
  "INSERT INTO pipeline_run",
  "FROM `customer`",
  "FROM source_file",
  "LOAD DATA",
  "INSERT INTO `customers_data_mart`",
  "UPDATE `sales_team_data_mart`",
  "INTO `source_file`",
  "INTO `pending_move`",
  "FROM pending_move",
  "UPDATE pending_move",
  "SET state = 'committed'",
] as const;
const MYSQL_KINDS: readonly Fault["then"][] = ["cut", "strand", "lose answer"];
/** Few, since each lasts until the deadline of a statement. */
const STALLED = ["FROM source_file", "UPDATE pending_move"] as const;
/** In each direction. */
const DELAY_MS = 20;

/** Every fault that is tried, in an order that depends on nothing but chance; the one of COMMIT's answer comes first. */
function allFaults(random: () => number): NetworkFault[] {
  const s3 = OPERATIONS.flatMap((operation) =>
    S3_KINDS.map((then) => {
      const times = then === "stall" || then === "change byte" || random() < 0.6 ? 1 : FOREVER;
      return { s3: { operation, then, nth: 1 + Math.floor(random() * 3), times } };
    })
  );
  const statements = STATEMENTS.flatMap((at) =>
    MYSQL_KINDS.map((then) => ({
      mysql: { direction: "up", at, then, times: random() < 0.6 ? 1 : FOREVER } as const,
    }))
  );
  const stalls = STALLED.map((at) => ({ mysql: { direction: "up", at, then: "stall", times: 1 } as const }));
  const connections = (["refuse", "delay"] as const).map((everyConnection) => ({ everyConnection }));
  const answers = Array.from({ length: 8 }, () => ({
    mysql: { direction: "down", at: Math.floor(random() * 4000), then: "cut", times: 1 } as const,
  }));
  const faults = [...s3, ...statements, ...stalls, ...connections, ...answers].map((fault) => ({
    fault,
    place: random(),
  }));
  const isFirst = (fault: NetworkFault) => "mysql" in fault && fault.mysql.at === "COMMIT";
  return faults.sort((a, b) => Number(isFirst(b.fault)) - Number(isFirst(a.fault)) || a.place - b.place)
    .map(({ fault }) => fault);
}

/** A night for each fault; how many of them happened, by what they were. */
async function runChain(
  servers: Servers,
  faults: readonly NetworkFault[],
  seed: number,
  happened: Map<string, number>,
): Promise<void> {
  await using s3 = await S3FaultProxy.start(servers.s3);
  await using mysql = await FaultProxy.start(servers.mariadb);
  await using deployment = await createRemote(servers, { endpoint: s3.endpoint, databasePort: mysql.port });
  const deliveries = await Deliveries.begin(deployment, randomOf(seed));
  for (const fault of faults) {
    const name = JSON.stringify(fault);
    try {
      await deliveries.deliver();
      if ("s3" in fault) s3.fault = fault.s3;
      else if ("mysql" in fault) mysql.fault = fault.mysql;
      else if (fault.everyConnection === "refuse") mysql.refuses = true;
      else mysql.delayMs = DELAY_MS;
      const startedMs = performance.now();
      const ended = await runImpatient(deployment);
      const hits = "everyConnection" in fault ? 1 : s3.happened + mysql.happened;
      s3.fault = mysql.fault = null;
      mysql.refuses = false;
      mysql.delayMs = 0;
      assertEnd(ended, deployment);
      const kind = kindOf(fault);
      if (hits > 0) happened.set(kind, (happened.get(kind) ?? 0) + 1);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      say(`${kind}, ${hits} times: exit ${ended.code} after ${seconds} s`);
      await runPipeline(deployment.config);
      await deliveries.assertComplete();
    } catch (error) {
      throw new Error(`chain of seed ${seed}, fault ${name}`, { cause: error });
    }
  }
}

function kindOf(fault: NetworkFault): string {
  if ("s3" in fault) return `S3 ${fault.s3.operation}: ${fault.s3.then}`;
  if ("mysql" in fault) return `MySQL ${fault.mysql.at}: ${fault.mysql.then}`;
  return `MySQL, every connection: ${fault.everyConnection}`;
}

/** Well, or with 75 or 77 and a message that says where; never with a secret or a row in it. */
function assertEnd(ended: TaskResult, { bucket, mariadb }: RemoteDeployment): void {
  const { password } = mariadb.account,
    { secretAccessKey, accessKeyId } = bucket.config.credentials;
  for (const secret of [password, secretAccessKey, accessKeyId, "Canal Street", "sugar"]) {
    assert.ok(!ended.text.includes(secret), `says ${secret}: ${ended.text}`);
  }
  if (ended.code === 0) return;
  assert.ok(ended.code === 75 || ended.code === 77, ended.text);
  const { error } = parseSummary(ended);
  assert.ok([bucket.name, mariadb.name].some((name) => error?.message.includes(name)), ended.text);
}

/** Runs the pipeline with short deadlines. */
async function runImpatient({ config }: RemoteDeployment): Promise<TaskResult> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tests/integration/impatient_pipeline.ts", "--json", "--config", config],
    cwd: REPOSITORY,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => process.kill("SIGKILL"), TIMEOUT_MS);
  const { code, ...output } = await process.output().finally(() => clearTimeout(timer));
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: stdout!, stderr: stderr!, text: `exited with ${code}\n${stdout}\n${stderr}` };
}

await using servers = await Servers.start();
const faults = allFaults(randomOf(seed));
while (faults.length < count) faults.push(...allFaults(randomOf(seed + faults.length)));
const chains = Array.from({ length: Math.ceil(count / FAULTS_PER_CHAIN) }, (_, i) => ({
  faults: faults.slice(i * FAULTS_PER_CHAIN, Math.min(count, (i + 1) * FAULTS_PER_CHAIN)),
  seed: seed * 1000 + i,
}));
const happened = new Map<string, number>();
await pMap(chains, (chain) => runChain(servers, chain.faults, chain.seed, happened), {
  concurrency: CONCURRENCY,
});
const total = [...happened.values()].reduce((sum, hits) => sum + hits, 0);
print([...happened].sort().map(([kind, times]) => `${String(times).padStart(4)}  ${kind}`).join("\n"));
print(
  `${total} of ${count} faults happened, seed ${seed}: nothing lost, nothing twice, nothing left over`,
);
