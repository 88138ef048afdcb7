/**
 * `deno task test:kill`: nights on S3 and MariaDB whose runs are killed at random moments, some again while they
 * recover. After one clean run nothing may be lost, doubled or left over.
 *
 * @module
 */
import { parseArgs } from "node:util";
import pMap from "p-map";
import { startPipeline } from "../support/crash_process.ts";
import { print, say } from "../support/output.ts";
import { randomOf } from "../support/random.ts";
import { runPipeline } from "../support/task.ts";
import { Deliveries } from "./deliveries.ts";
import { createRemote, type RemoteDeployment, Servers } from "./remote_deployment.ts";

/** Kills of one bucket and database; with more, what is compared each time outgrows what is tried. */
const KILLS_PER_CHAIN = 20;
/** Chains at a time: as many as there are cores on the least machine. */
const CONCURRENCY = 2;

const { values: given } = parseArgs({
  options: { kills: { type: "string", default: "40" }, seed: { type: "string", default: "1" } },
});
const kills = Number(given.kills), seed = Number(given.seed);

/** Nights of one chain until so many runs have been killed. */
async function runChain(servers: Servers, kills: number, seed: number): Promise<void> {
  await using deployment = await createRemote(servers);
  const random = randomOf(seed);
  const deliveries = await Deliveries.begin(deployment, random);
  await deliveries.deliver();
  const startedMs = performance.now();
  await runPipeline(deployment.config);
  const wholeMs = performance.now() - startedMs;
  await deliveries.assertComplete();
  for (let killed = 0, night = 2; killed < kills; night++) {
    try {
      await deliveries.deliver();
      do {
        const during = random() < 0.25 ? deliveries.replace.bind(deliveries) : null;
        const hit = await killAt(
          deployment,
          random() * wholeMs,
          during && { act: during, atMs: random() * wholeMs },
        );
        if (hit) say(`seed ${seed}, night ${night}: kill ${++killed} of ${kills}`);
      } while (killed < kills && random() < 0.3);
      await runPipeline(deployment.config);
      // What replaced something during the last run may have come too late for it.
      await runPipeline(deployment.config);
      await deliveries.assertComplete();
    } catch (error) {
      throw new Error(`chain of seed ${seed}, night ${night}, after ${killed} kills`, { cause: error });
    }
  }
}

/** Kills a run at a moment, unless it is over by then; something else may happen meanwhile. */
async function killAt(
  { config }: RemoteDeployment,
  afterMs: number,
  meanwhile: { act: () => Promise<void>; atMs: number } | null,
): Promise<boolean> {
  const process = startPipeline(config);
  const timer = setTimeout(() => process.kill("SIGKILL"), afterMs);
  const other = meanwhile && new Promise((done) => setTimeout(done, meanwhile.atMs)).then(meanwhile.act);
  const { signal, code, text } = await process.ended;
  clearTimeout(timer);
  await other;
  if (signal !== "SIGKILL" && code !== 0) throw new Error(text);
  return signal === "SIGKILL";
}

await using servers = await Servers.start();
const chains = Array.from({ length: Math.ceil(kills / KILLS_PER_CHAIN) }, (_, i) => ({
  kills: Math.min(KILLS_PER_CHAIN, kills - i * KILLS_PER_CHAIN),
  seed: seed * 1000 + i,
}));
await pMap(chains, (chain) => runChain(servers, chain.kills, chain.seed), { concurrency: CONCURRENCY });
print(`${kills} kills, seed ${seed}: nothing lost, nothing twice, nothing left over`);
