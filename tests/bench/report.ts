/**
 * What the bench prints: a table for each size, and whether the aims are met.
 *
 * @module
 */
import type { Comparison } from "./compare.ts";
import { type Chain, PERSONS_PER_STORE } from "./generate.ts";
import type { Usage } from "./measure.ts";

/** One run of the pipeline or of the bare script. */
export interface Run extends Usage {
  /** Its parts, as the run itself timed them. */
  readonly stages: readonly { readonly name: string; readonly durationMs: number }[];
}

/** A run of both on the same rows, and how what they made compares. */
export interface Pair {
  readonly pipeline: Run;
  readonly bare: Run;
  readonly comparisons: readonly Comparison[];
}

/** Everything that was measured at one size. */
export interface Result {
  readonly chain: Chain;
  readonly fileCount: number;
  readonly sizeBytes: number;
  /** At least one. */
  readonly pairs: readonly Pair[];
}

/** DuckDB's memory limit, the same in both. */
export interface MemoryLimit {
  /** `auto` or a size, as in the configuration. */
  readonly configured: string;
  /** What that comes to on this machine. */
  readonly mib: number;
}

/** The pipeline should take at most this many times as long as the bare script. */
const RATIO_AIM = { rowCount: 10_000_000, most: 1.5 };
/** The pipeline should take less than this for a small night. */
const TIME_AIM = { rowCount: 500, mostMs: 1000 };

const NAME_WIDTH = 30;
const CELL_WIDTH = 14;

/** The table of one size. Times are medians; memory is the most of all runs. */
export function renderResult(result: Result, limit: MemoryLimit): string {
  const { chain, fileCount, sizeBytes, pairs } = result;
  const pipeline = pairs.map((pair) => pair.pipeline), bare = pairs.map((pair) => pair.bare);
  const lines = [
    `${count(chain.rowCount)} rows, ${fileCount} files, ${(sizeBytes / MIB).toFixed(1)} MiB; ` +
    `customers: ${count(chain.customers)}, stores: ${chain.stores}, ` +
    `sales persons: ${count(chain.stores * PERSONS_PER_STORE)}; ` +
    (pairs.length === 1 ? "1 run of each" : `${pairs.length} runs of each, median times`),
    "",
    row("", "pipeline", "bare", "ratio"),
    row("time", ...compare(timeMs(pipeline), timeMs(bare), seconds)),
    row("processor time", ...compare(cpuMs(pipeline), cpuMs(bare), seconds)),
    row("peak memory, process tree", ...compare(peakBytes(pipeline), peakBytes(bare), mib)),
    row(`DuckDB's limit (${limit.configured})`, `${count(limit.mib)} MiB`, `${count(limit.mib)} MiB`),
    "",
    ...stageRows("pipeline", pipeline),
    "",
    ...stageRows("bare", bare),
    "",
    ...(pairs.at(-1)?.comparisons ?? []).map(({ name, rowCount, difference }) =>
      row(name, `${count(rowCount)} rows`) + `   ${difference ?? "equal"}`
    ),
  ];
  return lines.join("\n") + "\n\n";
}

/** One line that says of each aim whether it is met. */
export function renderAims(results: readonly Result[], limit: MemoryLimit): string {
  const at = (rowCount: number) => results.find((result) => result.chain.rowCount === rowCount)?.pairs ?? [];
  const pipeline = (pairs: readonly Pair[]) => pairs.map((pair) => pair.pipeline);
  const large = at(RATIO_AIM.rowCount);
  const ratio = quotient(timeMs(pipeline(large)), timeMs(large.map((pair) => pair.bare)));
  const smallMs = timeMs(pipeline(at(TIME_AIM.rowCount)));
  const peak = peakBytes(results.flatMap(({ pairs }) => pipeline(pairs)));
  const aims = [
    `at most ${RATIO_AIM.most} times the bare script at ${count(RATIO_AIM.rowCount)} rows: ` +
    verdict(ratio, RATIO_AIM.most, (value) => value.toFixed(2)),
    `${TIME_AIM.rowCount} rows in under ${seconds(TIME_AIM.mostMs)}: ` +
    verdict(smallMs, TIME_AIM.mostMs, seconds),
    `process tree within DuckDB's limit of ${count(limit.mib)} MiB (${limit.configured}): ` +
    verdict(peak, limit.mib * MIB, mib),
  ];
  return `Aims: ${aims.join("; ")}\n`;
}

/** Whether a value is within an aim, in words. */
export function verdict(value: number | null, most: number, show: (value: number) => string): string {
  return value === null ? "not measured" : `${show(value)}, ${value <= most ? "met" : "NOT met"}`;
}

/** Two values, and how many times the second the first is. */
export function compare(a: number | null, b: number | null, show: (value: number) => string): string[] {
  const ratio = quotient(a, b);
  return [...[a, b].map((value) => value === null ? "not measured" : show(value)), ratio?.toFixed(2) ?? ""];
}

/** Each stage's time and share; what the stages leave is the start and end of the process. */
function stageRows(title: string, runs: readonly Run[]): string[] {
  const total = timeMs(runs) ?? 0;
  const stages = (runs[0]?.stages ?? []).map(({ name }, i) => ({
    name,
    durationMs: median(runs.map((run) => run.stages[i]?.durationMs ?? null)) ?? 0,
  }));
  const rest = total - stages.reduce((sum, stage) => sum + stage.durationMs, 0);
  return [
    row(title, "time", "share"),
    ...[...stages, { name: "start and end", durationMs: rest }].map(({ name, durationMs }) =>
      row(`  ${name}`, seconds(durationMs), `${(100 * durationMs / total).toFixed(1)} %`)
    ),
  ];
}

function timeMs(runs: readonly Run[]): number | null {
  return median(runs.map((run) => run.durationMs));
}

function cpuMs(runs: readonly Run[]): number | null {
  return median(runs.map((run) => run.cpuMs));
}

function peakBytes(runs: readonly Run[]): number | null {
  const peaks = known(runs.map((run) => run.peakBytes));
  return peaks && Math.max(...peaks);
}

function median(values: readonly (number | null)[]): number | null {
  const sorted = known(values)?.sort((a, b) => a - b);
  if (!sorted) return null;
  const half = (sorted.length - 1) / 2;
  return (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2;
}

/** `null` where there is none, or one is not known. */
function known(values: readonly (number | null)[]): number[] | null {
  const found = values.filter((value) => value !== null);
  return found.length === 0 || found.length < values.length ? null : found;
}

/** `null` where one of the two is not known. */
export function quotient(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a / b;
}

/** A line of a table. */
export function row(name: string, ...cells: readonly string[]): string {
  return (name.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(CELL_WIDTH)).join("")).trimEnd();
}

/** A number with its thousands apart. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** A time for people. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

/** Bytes. */
export const MIB = 1024 * 1024;

/** A size in memory for people. */
export function mib(bytes: number): string {
  return `${count(Math.round(bytes / MIB))} MiB`;
}
