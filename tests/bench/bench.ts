/**
 * `deno task bench`: the pipeline beside a bare DuckDB script that makes the same of the same rows; or, with
 * `--database mysql`, publishing beside a bare LOAD DATA; or, with `--validate`, validating beside a plain read of the
 * same files.
 *
 * Exits with 1 where the results differ or one of the two fails. An aim that is not met is only said.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Duckdb } from "../../lib/duckdb/duckdb.ts";
import { messageOf, UsageError } from "../../lib/errors.ts";
import { type Chain, chainOf, generateDelivery, generateDimensions } from "./generate.ts";
import {
  type CommonOptions,
  HELP,
  type MysqlOptions,
  type Options,
  parseOptions,
  type ValidateOptions,
} from "./options.ts";
import { runPair } from "./pair.ts";
import { type MemoryLimit, type Pair, renderAims, renderResult, type Result } from "./report.ts";
import { measureScenario } from "./validate/night.ts";
import { type Measured, renderAims as renderValidateAims, renderMeasured } from "./validate/report.ts";
import { SCENARIOS } from "./validate/scenarios.ts";

/** A single run of so few rows takes so little time that it says nothing. */
const SMALL = { mostRows: 1_000, fewestRuns: 5 };

/** Works in a new folder. */
async function inFolder<T>(
  { dir, keep, memoryLimit: configured }: CommonOptions,
  work: (folder: string, limit: MemoryLimit) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "bench-", ...(dir ? { dir: resolve(dir) } : {}) });
  say(`working in ${folder}`);
  try {
    return await work(folder, await memoryLimit(configured, folder));
  } finally {
    if (!keep) await Deno.remove(folder, { recursive: true });
  }
}

/** Runs all sizes; whether the results were the same throughout. */
function bench(options: Options): Promise<boolean> {
  return inFolder(options, async (folder, limit) => {
    const results: Result[] = [];
    for (const rowCount of options.rowCounts) {
      const result = await benchSize(join(folder, `rows-${rowCount}`), rowCount, { ...options, limit });
      print(renderResult(result, limit));
      results.push(result);
    }
    print(renderAims(results, limit));
    return results.every(({ pairs }) => pairs.every(isEqual));
  });
}

/** Runs scenarios one after the other; whether every row was accounted for. */
function benchValidate(options: ValidateOptions): Promise<boolean> {
  return inFolder(options, async (folder, limit) => {
    const all: Measured[] = [];
    for (const name of options.names) {
      const ownFolder = join(folder, name);
      const order = { sizes: options.sizes, limit, say: (text: string) => say(`${name}: ${text}`) };
      const measured = { name, ...await measureScenario(ownFolder, SCENARIOS[name], order) };
      print(renderMeasured(measured, limit));
      all.push(measured);
      if (!options.keep) await Deno.remove(ownFolder, { recursive: true });
    }
    print(renderValidateAims(all, limit));
    return all.every(({ differences }) => differences.length === 0);
  });
}

async function benchSize(
  folder: string,
  rowCount: number,
  { customers, rejectShare, runs, keep, limit }: Options & { limit: MemoryLimit },
): Promise<Result> {
  const usual = chainOf(rowCount, rejectShare);
  const chain: Chain = { ...usual, customers: customers ?? usual.customers };
  say(`making ${rowCount} rows`);
  await Deno.mkdir(folder);
  const dimensions = join(folder, "dimensions.duckdb");
  await generateDimensions(dimensions, chain);
  const files = await generateDelivery(join(folder, "delivery"), chain);
  const sizes = await Promise.all(files.map(async (file) => (await Deno.stat(file)).size));
  const night = { rowCount, faulty: rejectShare > 0, files, dimensions, limit };
  const runCount = rowCount <= SMALL.mostRows ? Math.max(SMALL.fewestRuns, runs) : runs;
  const pairs: Pair[] = [];
  // Where the results differ there is something to mend before it is worth going on.
  while (pairs.length < runCount && pairs.every(isEqual)) {
    say(`running ${rowCount} rows, ${pairs.length + 1} of ${runCount}`);
    const pairFolder = join(folder, `pair-${pairs.length + 1}`);
    pairs.push(
      await runPair(pairFolder, night, pairs.length % 2 ? ["bare", "pipeline"] : ["pipeline", "bare"]),
    );
    if (!keep) await Deno.remove(pairFolder, { recursive: true });
  }
  return { chain, fileCount: files.length, sizeBytes: sizes.reduce((sum, size) => sum + size), pairs };
}

/**
 * Publishes to MySQL, in a process of its own: the server and its client need permissions that a bench on files does
 * not have. Its exit code is this one's.
 */
async function benchMysql({ totals, memoryLimit, dir, keep }: MysqlOptions): Promise<number> {
  const script = fileURLToPath(new URL("./publish/publish.ts", import.meta.url));
  const args = ["--totals", String(totals), "--memory-limit", memoryLimit, ...(keep ? ["--keep"] : [])];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-all", script, ...args],
    // The server's files go there too.
    env: dir === undefined ? {} : { TMPDIR: resolve(dir) },
  }).spawn();
  // It has to end its server first.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => child.kill(signal));
  }
  return (await child.status).code;
}

/** What the pipeline makes of the configured limit on this machine. */
async function memoryLimit(configured: string, folder: string): Promise<MemoryLimit> {
  const resources = { memoryLimit: configured, threads: "auto" } as const;
  await using db = await Duckdb.open({
    allowedFolders: [folder],
    spillFolder: join(folder, "spill"),
    resources,
  });
  return { configured, mib: db.memoryLimitMib };
}

function isEqual({ comparisons }: Pair): boolean {
  return comparisons.every(({ difference }) => difference === null);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`bench: ${text}\n`));
}

try {
  const options = parseOptions();
  if (options === null) print(HELP);
  else if (options.mode === "mysql") Deno.exitCode = await benchMysql(options);
  else if (!await (options.mode === "validate" ? benchValidate(options) : bench(options))) {
    throw new Error("the results differ; see the table");
  }
} catch (error) {
  say(messageOf(error));
  Deno.exitCode = error instanceof UsageError ? error.exitCode : 1;
}
