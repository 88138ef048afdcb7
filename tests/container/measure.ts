/**
 * `deno task bench:container`: nights of many rows in Pods, with the limits of the Kubernetes manifests; says how long each
 * stage takes to start, and what time, memory and disk it took. Exits with 1 if a stage fails or is killed.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chainOf, generateDelivery, generateDimensions } from "../bench/generate.ts";
import { sqlText, withDuckdb } from "../support/duckdb.ts";
import { DIMENSION_TABLES } from "../support/datasets.ts";
import { print, say } from "../support/output.ts";
import { parseSummary } from "../support/task.ts";
import { type ContainerDeployment, TestCluster } from "./cluster.ts";
import { type ContainerEnded, Pod } from "./pod.ts";
import { Sidecar } from "./sidecar.ts";

const SAMPLE_INTERVAL_MS = 50;
/** The best of so many starts counts: what else the machine does can only make one slower. */
const STARTS = 3;

/** What a stage took of its container and of the work volume. */
interface Taken {
  /** The most that the container had at a time of what cannot be dropped, as sampled. */
  memoryBytes: number;
  /** The same with the page cache, which the kernel drops before it kills anything. */
  withCacheBytes: number;
  /** The most that the work volume held. */
  diskBytes: number;
}

/** Prints the bytes that the work volume takes, again and again. */
const WATCH_DISK = `
  while (true) {
    const { stdout } = await new Deno.Command("du", { args: ["-sB1", "/work"], stderr: "null" }).output();
    console.log(new TextDecoder().decode(stdout).split("\\t")[0]);
    await new Promise((done) => setTimeout(done, ${2 * SAMPLE_INTERVAL_MS}));
  }`;

/** Runs one night; whether every stage ended well. */
async function measureNight(cluster: TestCluster, rowCount: number): Promise<boolean> {
  await using deployment = await cluster.deploy();
  say(`making ${rowCount} rows`);
  await deliver(deployment, rowCount);
  await using pod = await Pod.create(deployment.cluster);
  print(
    `\n${rowCount} rows\nstage                limits         start     time   memory  with cache     disk`,
  );
  let last: ContainerEnded | undefined;
  for (const { name, resources: { limits } } of pod.containers) {
    const startMs = await timeStart(pod, name);
    const taken = { memoryBytes: 0, withCacheBytes: 0, diskBytes: 0 };
    await using sidecar = await Sidecar.start(cluster.docker, pod.volume, WATCH_DISK);
    last = await pod.runContainer(name, {
      args: ["--json"],
      meanwhile: async (id, ended) => {
        await Promise.all([watchMemory(id, ended, taken), watchDisk(sidecar, ended, taken)]);
      },
    });
    const size = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`.padStart(9);
    const times = [startMs, last.durationMs].map((ms) => `${(ms / 1000).toFixed(1)} s`.padStart(8)).join(" ");
    const sizes = [taken.memoryBytes, taken.withCacheBytes].map(size).join("   ");
    print(
      `${name.padEnd(18)} ${limits.cpu} CPU, ${limits.memory} ${times} ${sizes} ${size(taken.diskBytes)}`,
    );
    if (last.code !== 0) print(`${last.text}${last.outOfMemory ? "\nkilled for want of memory" : ""}`);
    if (last.code !== 0) return false;
  }
  const { rows } = parseSummary(last!);
  if (rows.accepted !== rowCount) throw new Error(`of ${rowCount} rows ${rows.accepted} were accepted`);
  return true;
}

/** Time from the start of a stage's container to the end of its help, in milliseconds. */
async function timeStart(pod: Pod, name: string): Promise<number> {
  let bestMs = Infinity;
  for (let i = 0; i < STARTS; i++) {
    const { code, durationMs, text } = await pod.runContainer(name, { args: ["--help"] });
    if (code !== 0) throw new Error(text);
    bestMs = Math.min(bestMs, durationMs);
  }
  return bestMs;
}

/** Makes the delivery of the bench, and the dimensions that belong to it. */
async function deliver(deployment: ContainerDeployment, rowCount: number): Promise<void> {
  const chain = chainOf(rowCount, 0);
  const dimensions = join(deployment.folder, "dimensions");
  await Deno.mkdir(dimensions);
  await generateDimensions(`${dimensions}.duckdb`, chain);
  await withDuckdb(`${dimensions}.duckdb`, async (connection) => {
    for (const table of Object.keys(DIMENSION_TABLES)) {
      const file = sqlText(join(dimensions, `${table}.csv`));
      await connection.run(`COPY ${table} TO ${file} (FORMAT csv, HEADER)`);
    }
  });
  await deployment.loadDimensions(dimensions);
  const delivery = join(deployment.folder, "delivery");
  await generateDelivery(delivery, chain);
  await deployment.deliver(delivery);
  await Deno.remove(delivery, { recursive: true });
}

async function watchMemory(id: string, ended: AbortSignal, taken: Taken): Promise<void> {
  const folder = await findMemoryGroup(id);
  while (!ended.aborted) {
    const { memoryBytes, withCacheBytes } = await readMemory(folder);
    taken.memoryBytes = Math.max(taken.memoryBytes, memoryBytes);
    taken.withCacheBytes = Math.max(taken.withCacheBytes, withCacheBytes);
    await new Promise((done) => setTimeout(done, SAMPLE_INTERVAL_MS));
  }
}

async function watchDisk(sidecar: Sidecar, ended: AbortSignal, taken: Taken): Promise<void> {
  while (!ended.aborted) {
    const said = await sidecar.next(ended);
    taken.diskBytes = Math.max(taken.diskBytes, ...said.split("\n").map(Number));
  }
}

/** The container's folder in the kernel's control groups, where the engine may have put it. */
async function findMemoryGroup(id: string): Promise<string> {
  const root = "/sys/fs/cgroup";
  const folders = [`memory/docker/${id}`, `docker/${id}`, `system.slice/docker-${id}.scope`]
    .map((path) => join(root, path));
  const deadline = performance.now() + 5000;
  while (performance.now() < deadline) {
    for (const folder of folders) if (await Deno.stat(folder).then(() => true, () => false)) return folder;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`The container's control group is none of ${folders.join(", ")}`);
}

/** In the words of the first or the second version of control groups; zero where the container has just ended. */
async function readMemory(folder: string): Promise<Pick<Taken, "memoryBytes" | "withCacheBytes">> {
  const read = (name: string) => Deno.readTextFile(join(folder, name)).catch(() => "");
  const [, memory] = /^(?:total_rss|anon) (\d+)$/m.exec(await read("memory.stat")) ?? [];
  const peak = await read("memory.peak") || await read("memory.max_usage_in_bytes");
  return { memoryBytes: Number(memory ?? 0), withCacheBytes: Number(peak) };
}

const { values: { rows } } = parseArgs({
  options: { rows: { type: "string", default: "1000000,10000000" } },
});
await using cluster = await TestCluster.start();
for (const rowCount of rows.split(",").map(Number)) {
  if (!await measureNight(cluster, rowCount)) Deno.exitCode = 1;
}
