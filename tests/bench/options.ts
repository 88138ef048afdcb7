/**
 * The command line of `deno task bench`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { messageOf, UsageError } from "../../lib/errors.ts";
import { FULL_SIZES, SCENARIO_NAMES, type ScenarioName, type Sizes } from "./validate/scenarios.ts";

/** The text of `--help`. */
export const HELP = `Usage: deno task bench [options]

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

/** What every mode has. */
export interface CommonOptions {
  /** What is measured. */
  readonly mode: keyof typeof OWN_OPTIONS;
  readonly memoryLimit: string;
  readonly dir: string | undefined;
  readonly keep: boolean;
}

/** The pipeline beside a bare script. */
export interface Options extends CommonOptions {
  readonly mode: "duckdb";
  readonly rowCounts: readonly number[];
  readonly customers: number | undefined;
  readonly rejectShare: number;
  readonly runs: number;
}

/** Publishing beside a bare LOAD DATA. */
export interface MysqlOptions extends CommonOptions {
  readonly mode: "mysql";
  readonly totals: number;
}

/** Validating beside a plain read. */
export interface ValidateOptions extends CommonOptions {
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

/** The command line; `null` where help is asked for. */
export function parseOptions(): Options | MysqlOptions | ValidateOptions | null {
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
