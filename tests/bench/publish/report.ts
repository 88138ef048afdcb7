/**
 * What `deno task bench --database mysql` prints.
 *
 * @module
 */
import type { Comparison } from "../compare.ts";
import type { Usage } from "../measure.ts";
import { count, mib, seconds } from "../report.ts";
import type { Wait } from "./probes.ts";
import type { Statement, Window } from "./statements.ts";

/** One commit; its usage is that of the process that ran it, without the server. */
export interface Publish extends Usage {
  /** Of the commit alone, without the start of the process. */
  readonly commitMs: number;
  readonly statements: readonly Statement[];
  readonly windows: readonly Window[];
  readonly waits: readonly Wait[];
  /** Times that a probe had to wait for a row that the commit had locked, or the other way round, as the server counted. */
  readonly lockWaits: number;
  readonly comparisons: readonly Comparison[];
}

/** Two nights with the same keys. */
export interface PublishedSize {
  /** Customer-months of each night. */
  readonly rowCount: number;
  readonly empty: Publish;
  readonly existing: Publish;
}

/** A bare LOAD DATA of the larger size. */
export interface BareLoad {
  /** Writing the file. */
  readonly writeMs: number;
  /** Loading it. */
  readonly loadMs: number;
  readonly comparison: Comparison;
}

/** Statements that take less than this share of the longer commit are left out. */
const LEAST_SHARE = 0.005;

/** As wide as a statement's name. */
const NAME_WIDTH = 36;
const CELL_WIDTH = 14;

/** All tables. */
export function renderPublish(
  [smaller, larger]: readonly [PublishedSize, PublishedSize],
  bare: BareLoad,
): string {
  const { rowCount, empty, existing } = larger;
  const speed = (name: string, ms: number) =>
    row(name, seconds(ms), count(Math.round(1000 * rowCount / ms)), (ms / bare.loadMs).toFixed(2));
  const memory = (name: string, small: Publish, large: Publish) => {
    const [before, after] = [small.peakBytes, large.peakBytes];
    if (before === null || after === null) return row(name, "not measured");
    return row(name, mib(before), mib(after), (after / before).toFixed(2));
  };
  const lines = [
    `${
      count(rowCount)
    } customer-month totals and those of the sales persons; MariaDB with its default settings`,
    "",
    row("", "time", "rows/s", "times bare"),
    speed("bare LOAD DATA", bare.loadMs),
    speed("publish, empty mart", empty.commitMs),
    speed("publish, existing rows", existing.commitMs),
    `(the bare load's file took ${seconds(bare.writeMs)} to write, which is not in its time)`,
    "",
    row("peak memory, process tree", count(smaller.rowCount), count(rowCount), "ratio"),
    memory("publish, empty mart", smaller.empty, empty),
    memory("publish, existing rows", smaller.existing, existing),
    "",
    ...statementRows(larger),
    "",
    ...waitRows("Longest waits, empty mart", empty),
    "",
    ...waitRows("Longest waits, existing rows", existing),
    "",
    ...comparisonRows(bare.comparison, smaller, larger),
  ];
  return lines.join("\n") + "\n";
}

/** Where the time goes: per statement, with what the client does until its next one. */
function statementRows({ empty, existing }: PublishedSize): string[] {
  const sums = (publish: Publish) => {
    const names = Map.groupBy(publish.statements, ({ name }) => name);
    return new Map(
      [...names].map(([name, own]) => [name, own.reduce((sum, one) => sum + one.durationMs, 0)]),
    );
  };
  const [onEmpty, onExisting] = [sums(empty), sums(existing)];
  const least = LEAST_SHARE * Math.max(empty.commitMs, existing.commitMs);
  const names = [...new Set([...onEmpty.keys(), ...onExisting.keys()])];
  const ms = (name: string) => [onEmpty.get(name) ?? 0, onExisting.get(name) ?? 0];
  return [
    row("until the next statement", "empty mart", "existing rows"),
    ...names.filter((name) => Math.max(...ms(name)) >= least).map((name) =>
      row(`  ${name}`, ...ms(name).map(seconds))
    ),
  ];
}

/** The first window is the measure for the others: nothing is locked in it, and the machine is as busy. */
function waitRows(title: string, { windows, waits, lockWaits }: Publish): string[] {
  return [
    row(title, ...windows.map(({ name }) => name)),
    row("  (duration)", ...windows.map(({ fromMs, untilMs }) => milliseconds(untilMs - fromMs))),
    ...waits.map(({ probe, count: times, longestMs }) =>
      row(`  ${probe}`, ...longestMs.map(milliseconds), `${count(times)} times`)
    ),
    `  ${lockWaits} waits for a locked row, as the server counted`,
  ];
}

function comparisonRows(bare: Comparison, ...sizes: readonly PublishedSize[]): string[] {
  const line = (title: string, { name, rowCount, difference }: Comparison) =>
    row(`${name}, ${title}`, `${count(rowCount)} rows`) + `   ${difference ?? "equal"}`;
  return [
    line("loaded", bare),
    ...sizes.flatMap(({ empty, existing }) => [
      ...empty.comparisons.map((comparison) => line("1 night", comparison)),
      ...existing.comparisons.map((comparison) => line("2 nights", comparison)),
    ]),
  ];
}

function row(name: string, ...cells: readonly string[]): string {
  return (name.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(CELL_WIDTH)).join("")).trimEnd();
}

function milliseconds(ms: number): string {
  return `${count(Math.round(ms))} ms`;
}
