/**
 * One run of the pipeline and one of the bare script on the same rows, each a process of its own with a store and a
 * database of its own.
 *
 * @module
 */
import { basename, join } from "node:path";
import { REPOSITORY, type Summary, wordsOf } from "../support/task.ts";
import { compareOutputs } from "./compare.ts";
import { measure } from "./measure.ts";
import type { MemoryLimit, Pair, Run } from "./report.ts";

/** What all pairs of one size have in common. */
export interface Night {
  readonly rowCount: number;
  /** Whether some of the rows must be rejected. */
  readonly faulty: boolean;
  /** The CSV files. */
  readonly files: readonly string[];
  /** A database file with the dimension tables. */
  readonly dimensions: string;
  readonly limit: MemoryLimit;
}

/** Where one run finds what it needs and puts what it makes. */
interface Place {
  readonly config: string;
  readonly store: string;
  readonly database: string;
}

const SOURCE = "sales_data";
const PIPELINE = "tasks/pipeline.ts";
const BARE = "tests/bench/bare.ts";

/**
 * Runs one after the other in a new folder, and compares what they made.
 *
 * @param order Who is second finds other caches than who is first, so that pairs should alternate.
 * @throws where one of the two fails.
 */
export async function runPair(
  folder: string,
  night: Night,
  order: readonly ["pipeline", "bare"] | readonly ["bare", "pipeline"],
): Promise<Pair> {
  const places = {
    pipeline: await preparePlace(join(folder, "pipeline"), night),
    bare: await preparePlace(join(folder, "bare"), night),
  };
  const run = (name: keyof typeof places) =>
    name === "pipeline" ? runPipeline(places.pipeline, night) : runBare(places.bare, night);
  const first = await run(order[0]);
  const second = await run(order[1]);
  const [pipeline, bare] = order[0] === "pipeline" ? [first, second] : [second, first];
  const comparisons = await compareOutputs(places.pipeline, places.bare, join(folder, "spill"));
  return { pipeline, bare, comparisons };
}

async function preparePlace(folder: string, { files, dimensions, limit }: Night): Promise<Place> {
  const place = {
    config: join(folder, "config.jsonc"),
    store: join(folder, "store"),
    database: join(folder, "warehouse.duckdb"),
  };
  await Deno.mkdir(join(place.store, SOURCE), { recursive: true });
  // Linked, not copied, so that all runs read the same pages of the page cache.
  await Promise.all(files.map((file) => Deno.link(file, join(place.store, SOURCE, basename(file)))));
  await Deno.copyFile(dimensions, place.database);
  const config = {
    store: { kind: "folder", path: place.store },
    database: { kind: "duckdb", path: place.database },
    workDir: join(folder, "work"),
    // However many rows are faulty: their files are not to be rejected.
    contract: { maxRejectedShare: 1 },
    resources: { memoryLimit: limit.configured },
  };
  await Deno.writeTextFile(place.config, JSON.stringify(config));
  return place;
}

async function runPipeline(place: Place, night: Night): Promise<Run> {
  const { run, printed } = await runScript(PIPELINE, ["--config", place.config, "--json"], night);
  const { state, rows } = printed as Summary;
  if (state === "committed" && rows.read === night.rowCount) return run;
  throw new Error(`The pipeline ended as ${state} and has read ${rows.read} of ${night.rowCount} rows`);
}

async function runBare(place: Place, night: Night): Promise<Run> {
  const args = [
    "--store",
    place.store,
    "--database",
    place.database,
    "--memory-limit",
    `${night.limit.mib}MiB`,
  ];
  return (await runScript(BARE, night.faulty ? [...args, "--faulty"] : args, night)).run;
}

/** Runs a script with the flags and permissions of the pipeline, once the files are in the page cache. */
async function runScript(script: string, args: readonly string[], { files }: Night) {
  for (const file of files) await (await Deno.open(file)).readable.pipeTo(new WritableStream());
  const words = wordsOf("pipeline").map((word) => word === PIPELINE ? script : word);
  const { exitCode, stdout, stderr, ...measured } = await measure(
    [Deno.execPath(), ...words, ...args],
    REPOSITORY,
  );
  if (exitCode !== 0) throw new Error(`${script} exited with ${exitCode}\n${stderr}${stdout}`);
  const printed: Pick<Run, "stages"> = JSON.parse(stdout);
  return { run: { ...measured, stages: printed.stages }, printed };
}
