/**
 * The deliveries that validating is measured on, what has to become of each, and the aims.
 *
 * @module
 */
import { type Chain, chainOf, type DeliveryOptions, faultCounts, generateDelivery } from "../generate.ts";
import type { Outcome } from "./outcome.ts";
import { poisonCounts, splitAndPoison } from "./poison.ts";
import type { Aim } from "./report.ts";

/** How much is delivered. */
export interface Sizes {
  /** Of every scenario but the small files. */
  readonly rowCount: number;
  /** Small files. */
  readonly fileCount: number;
}

/** What the aims are about. */
export const FULL_SIZES: Sizes = { rowCount: 10_000_000, fileCount: 10_000 };

/** CSV files, and what has to become of them. */
export interface Delivery {
  readonly files: readonly string[];
  readonly expected: Omit<Outcome, "miscounted">;
  /** Of every file that has to be accepted; `null` where that differs. */
  readonly rowsPerFile: number | null;
}

/** One of the deliveries. */
export interface Scenario {
  readonly title: string;
  /** Whether the plain script runs beside it, and whether it has to leave out rows that it cannot read. */
  readonly plain: "strict" | "tolerant" | null;
  /** Whether the download counts too. */
  readonly withDownload: boolean;
  /** Besides the one for memory; it holds at full size only. */
  readonly aim: Aim | null;
  /** The chain whose dimensions it needs. */
  chain(sizes: Sizes): Chain;
  /** Makes it in a new folder. */
  deliver(folder: string, chain: Chain): Promise<Delivery>;
}

const FAULTY_SHARE = 0.05;
const IRREGULAR_FAULTY_SHARE = 0.01;
const ROWS_PER_SMALL_FILE = 100;

/** By the names that `--only` takes, in the order in which they run. */
export const SCENARIOS = {
  clean: {
    title: "no faulty row",
    plain: "strict",
    withDownload: false,
    aim: { kind: "ratio", most: 1.6 },
    chain: ({ rowCount }) => chainOf(rowCount, 0),
    deliver: (folder, chain) => deliverRows(folder, chain),
  },
  faulty: {
    title: "5 % faulty rows",
    plain: "tolerant",
    withDownload: false,
    aim: { kind: "ratio", most: 2.5 },
    chain: ({ rowCount }) => chainOf(rowCount, FAULTY_SHARE),
    deliver: (folder, chain) => deliverRows(folder, chain),
  },
  files: {
    title: "small files, 1 % of them poisoned; with the download",
    plain: null,
    withDownload: true,
    aim: { kind: "time", mostMs: 60_000 },
    chain: ({ fileCount }) => chainOf(fileCount * ROWS_PER_SMALL_FILE, 0),
    deliver: deliverSmallFiles,
  },
  irregular: {
    title: "one file, quoted line breaks in every row, 1 % faulty rows",
    plain: null,
    withDownload: false,
    aim: null,
    chain: ({ rowCount }) => chainOf(rowCount, IRREGULAR_FAULTY_SHARE),
    deliver: (folder, chain) => deliverRows(folder, chain, { fileCount: 1, remarks: true }),
  },
  bad: {
    title: "one file, every row faulty",
    plain: null,
    withDownload: false,
    aim: null,
    chain: ({ rowCount }) => chainOf(rowCount, 1),
    deliver: (folder, chain) => deliverRows(folder, chain, { fileCount: 1 }),
  },
} as const satisfies Readonly<Record<string, Scenario>>;

/** The name of a scenario. */
export type ScenarioName = keyof typeof SCENARIOS;
/** In the order in which they run. */
export const SCENARIO_NAMES = Object.keys(SCENARIOS) as ScenarioName[];

async function deliverRows(folder: string, chain: Chain, options?: DeliveryOptions): Promise<Delivery> {
  const files = await generateDelivery(folder, chain, options);
  const rejects = faultCounts(chain);
  const faulty = Object.values(rejects).reduce((sum, rowCount) => sum + rowCount, 0);
  // Above the contract's default share nothing of a file is accepted; below it every file is.
  const isRejected = chain.rejectShare === 1;
  const rejected = isRejected ? chain.rowCount : faulty;
  const accepted = chain.rowCount - rejected;
  return {
    files,
    expected: {
      rows: { read: chain.rowCount, accepted, rejected },
      files: { [isRejected ? "too_many_rejects" : "accepted"]: files.length },
      rejects,
      acceptedRowCount: accepted,
    },
    rowsPerFile: null,
  };
}

async function deliverSmallFiles(folder: string, chain: Chain): Promise<Delivery> {
  const whole = `${folder}-whole`;
  const [source = ""] = await generateDelivery(whole, chain, { fileCount: 1 });
  const files = await splitAndPoison(source, folder, ROWS_PER_SMALL_FILE);
  await Deno.remove(whole, { recursive: true });
  const poisoned = poisonCounts(files.length);
  const acceptedFiles = files.length - Object.values(poisoned).reduce((sum, fileCount) => sum + fileCount, 0);
  const accepted = acceptedFiles * ROWS_PER_SMALL_FILE;
  return {
    files,
    expected: {
      rows: { read: accepted, accepted, rejected: 0 },
      files: { accepted: acceptedFiles, ...poisoned },
      rejects: {},
      acceptedRowCount: accepted,
    },
    rowsPerFile: ROWS_PER_SMALL_FILE,
  };
}
