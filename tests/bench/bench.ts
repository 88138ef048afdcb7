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
import { parseArgs } from "node:util";
import { Duckdb } from "../../lib/duckdb.ts";
import { messageOf, UsageError } from "../../lib/errors.ts";
import { type Chain, chainOf, generateDelivery, generateDimensions } from "./generate.ts";
import { runPair } from "./pair.ts";
import { type MemoryLimit, type Pair, renderAims, renderResult, type Result } from "./report.ts";
import { measureScenario } from "./validate/night.ts";
import { type Measured, renderAims as renderValidateAims, renderMeasured } from "./validate/report.ts";
import {
  FULL_SIZES,
  SCENARIO_NAMES,
  type ScenarioName,
  SCENARIOS,
  type Sizes,
} from "./validate/scenarios.ts";

const HELP = `Usage: deno task bench [options]

Times the pipeline beside a bare DuckDB script on the same rows, and compares what the two made.
With --database mysql: times the commit of month totals to a MariaDB of its own (needs mariadbd and
openssl), beside a bare LOAD DATA of the same totals, and how long others wait for it.
With --validate: times the validate stage on deliveries of every kind, beside a plain DuckDB script that
reads them with types and writes Parquet, and checks that every row is accounted for.

  --database NAME      duckdb or mysql (default: duckdb)
  --validate           only the validate stage
  --only NAME,NAME,... validate: ${SCENARIO_NAMES.join(", ")} (default: all)
  --rows N,N,...       duckdb: rows of each size (default: 500,400000,10000000)
                       validate: rows of each delivery but the small files (default: 10000000)
  --files N            validate: small files of 100 rows (default: 10000)
  --customers N        duckdb: customers of the chain (default: 20 for each row, at most 1,000,000)
  --rejects SHARE      duckdb: share of faulty rows, 0 to 0.5 (default: 0)
  --runs N             duckdb: runs of both at each size; up to 1,000 rows at least 5 (default: 1)
  --totals N           mysql: customer-month totals (default: 6000000)
  --memory-limit SIZE  resources.memoryLimit of the configuration (default: auto; validate: 1GiB)
  --dir FOLDER         where to work (default: the system's folder for temporary files)
  --keep               keep what was made
  --help               print this
`;

/** A single run of so few rows takes so little time that it says nothing. */
const SMALL = { mostRows: 1_000, fewestRuns: 5 };

interface CommonOptions {
  /** What is measured. */
  readonly mode: keyof typeof OWN_OPTIONS;
  readonly memoryLimit: string;
  readonly dir: string | undefined;
  readonly keep: boolean;
}

interface Options extends CommonOptions {
  readonly mode: "duckdb";
  readonly rowCounts: readonly number[];
  readonly customers: number | undefined;
  readonly rejectShare: number;
  readonly runs: number;
}

interface MysqlOptions extends CommonOptions {
  readonly mode: "mysql";
  readonly totals: number;
}

interface ValidateOptions extends CommonOptions {
  readonly mode: "validate";
  readonly names: readonly ScenarioName[];
  readonly sizes: Sizes;
}

/** Each mode with the options that not all have, and their defaults. */
const OWN_OPTIONS = {
  duckdb: { rows: "500,400000,10000000", customers: undefined, rejects: "0", runs: "1" },
  mysql: { totals: "6000000" },
  validate: {
    rows: String(FULL_SIZES.rowCount),
    files: String(FULL_SIZES.fileCount),
    only: SCENARIO_NAMES.join(","),
  },
} as const;

const DEFAULT_MEMORY_LIMITS = { duckdb: "auto", mysql: "auto", validate: "1GiB" };

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
      const tell = (text: string) => say(`${name}: ${text}`);
      const { sizes } = options;
      const measured = {
        name,
        ...await measureScenario(ownFolder, SCENARIOS[name], { sizes, limit, say: tell }),
      };
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

/** The command line; `null` where help is asked for. */
function parseOptions(): Options | MysqlOptions | ValidateOptions | null {
  const given = parseFlags();
  const { database = "duckdb", validate, help, dir, keep } = given;
  if (help) return null;
  const countOf = (flag: string, text: string) => {
    if (!/^[1-9]\d{0,14}$/.test(text)) throw new UsageError(`--${flag}: ${text} is not a number above 0`);
    return Number(text);
  };
  if (database !== "duckdb" && database !== "mysql") {
    throw new UsageError(`--database: ${database} is neither duckdb nor mysql`);
  }
  const mode = validate ? "validate" : database;
  const others = Object.values(OWN_OPTIONS).flatMap(Object.keys);
  const foreign = [...others, ...(validate ? ["database"] : [])].find((flag) =>
    !(flag in OWN_OPTIONS[mode]) && given[flag as keyof typeof given] !== undefined
  );
  const modeFlag = validate ? "--validate" : `--database ${database}`;
  if (foreign) throw new UsageError(`--${foreign}: has no meaning with ${modeFlag}`);
  const common = { memoryLimit: given["memory-limit"] ?? DEFAULT_MEMORY_LIMITS[mode], dir, keep };
  if (mode === "mysql") {
    const { totals } = { ...OWN_OPTIONS.mysql, ...given };
    return { ...common, mode, totals: countOf("totals", totals) };
  }
  if (mode === "validate") {
    const { rows, files, only } = { ...OWN_OPTIONS.validate, ...given };
    const sizes = { rowCount: countOf("rows", rows), fileCount: countOf("files", files) };
    return { ...common, mode, names: only.split(",").map(scenarioName), sizes };
  }
  const { rows, customers, rejects, runs } = { ...OWN_OPTIONS.duckdb, ...given };
  const rejectShare = Number(rejects);
  // With more, a small delivery could be left without a good row, and nothing to compare.
  if (!(rejectShare >= 0 && rejectShare <= 0.5)) {
    throw new UsageError(`--rejects: ${rejects} is not a number from 0 to 0.5`);
  }
  return {
    ...common,
    mode,
    rowCounts: rows.split(",").map((text) => countOf("rows", text)),
    customers: customers === undefined ? undefined : countOf("customers", customers),
    rejectShare,
    runs: countOf("runs", runs),
  };
}

function scenarioName(text: string): ScenarioName {
  const name = SCENARIO_NAMES.find((name) => name === text);
  if (!name) throw new UsageError(`--only: ${text} is none of ${SCENARIO_NAMES.join(", ")}`);
  return name;
}

function parseFlags() {
  try {
    return parseArgs({
      options: {
        database: { type: "string" },
        validate: { type: "boolean", default: false },
        only: { type: "string" },
        files: { type: "string" },
        rows: { type: "string" },
        customers: { type: "string" },
        rejects: { type: "string" },
        runs: { type: "string" },
        totals: { type: "string" },
        "memory-limit": { type: "string" },
        dir: { type: "string" },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(`${messageOf(cause)}; see deno task bench --help`);
  }
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
