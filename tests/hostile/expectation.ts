/**
 * What has to become of a file, and in what a file's fate departs from it.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import type { Row } from "../support/rows.ts";
import type { Fate, Reject } from "./delivery.ts";

/** A row that is accepted. */
export interface Sale {
  /** In contract order as text, then additional_column. */
  readonly values: Row;
  /** Warnings that it counts for. */
  readonly warnings: readonly string[];
}

/** A row that is rejected. */
export interface Fault {
  readonly line: number;
  readonly raw: string;
  readonly reason: string;
  /** Empty where the reason is about no column. */
  readonly column: string;
  /** The rule that it breaks, where that is the reason. */
  readonly rule?: string;
}

/** A row in which RFC 4180 leaves something open: it may be taken as text or rejected, but must not get lost. */
export interface OpenRow {
  readonly line: number;
  readonly raw: string;
}

/** Everything that must become of a file; `null` for one that is left alone. */
export type Expectation =
  | null
  | { readonly status: "duplicate" }
  /** RFC 4180 leaves open what its header says, and so all the rest; but every row has to be in one place. */
  | { readonly status: "open" }
  | {
    readonly status: "rejected";
    readonly reason: string;
    readonly columns?: readonly string[];
    readonly line?: number;
  }
  | {
    /** Accepted, or rejected for too many rejects, which {@linkcode limits} decide. */
    readonly status: "read";
    readonly sales: readonly Sale[];
    /** By line. */
    readonly faults: readonly Fault[];
    readonly open: readonly OpenRow[];
    /** How often the header stands among the rows, which is no row. */
    readonly repeatedHeaders: number;
    readonly limits: ShareLimits;
  };

/** From when on a file is rejected for its rejects. */
export interface ShareLimits {
  readonly maxRejectedShare: number;
  readonly minRejectsForShare: number;
}

const NOTHING = { rowsRead: 0, rowsAccepted: 0, rowsRejected: 0, warnings: {}, rejects: [], accepted: [] };

/** What departs from the expectation, one line each; nothing where the fate is right. */
export function differences(expected: Expectation, found: Fate | undefined): string[] {
  if (expected === null || found === undefined) {
    return expected === null && found === undefined
      ? []
      : [`${expected ? "taken" : "left alone"} is expected, found: ${JSON.stringify(found)}`];
  }
  if (expected.status === "open") {
    const { rowsRead, rowsAccepted, rowsRejected } = found;
    return unlike({ rowsRead }, { rowsRead: rowsAccepted + rowsRejected });
  }
  if (expected.status === "read") return rowDifferences(expected, found);
  const whole = expected.status === "duplicate" ? { ...expected, reason: "same_content" } : expected;
  return unlike({ ...NOTHING, ...whole }, { ...found });
}

/** The members in which two objects differ. */
function unlike(expected: Record<string, unknown>, found: Record<string, unknown>): string[] {
  return [...new Set([...Object.keys(expected), ...Object.keys(found)])]
    .filter((name) => !isDeepStrictEqual(expected[name], found[name]))
    .map((name) => `${name}: ${show(expected[name])} expected, ${show(found[name])} found`);
}

function rowDifferences(expected: Extract<Expectation, { status: "read" }>, found: Fate): string[] {
  const { sales, faults, open, limits } = expected;
  const rowsRead = sales.length + faults.length + open.length;
  const isOpen = ({ line, raw }: OpenRow) => open.some((row) => row.line === line && row.raw === raw);
  const openRejects = found.rejects.filter(isOpen);
  const rejected = faults.length + openRejects.length;
  const tooMany = isTooMany(rejected, rowsRead, limits);
  const counts = tooMany
    ? { status: "rejected", reason: "too_many_rejects", rowsRead, rowsAccepted: 0, rowsRejected: rowsRead }
    : {
      status: "accepted",
      reason: null,
      rowsRead,
      rowsAccepted: rowsRead - rejected,
      rowsRejected: rejected,
    };
  const { warnings, rejects, accepted, ...others } = found;
  const openSales = tooMany ? 0 : open.length - openRejects.length;
  return [
    ...unlike(counts, others),
    ...rejectDifferences(faults, rejects.filter((reject) => !isOpen(reject))),
    ...isAscending(rejects) ? [] : ["the rejects are not in the order of their lines"],
    ...saleDifferences(tooMany ? [] : sales, accepted, openSales),
    ...warningDifferences(tooMany ? [] : sales, warnings, openSales, tooMany ? 0 : expected.repeatedHeaders),
  ];
}

/** Whether a file with so many rejects is rejected whole. The share is compared in whole numbers. */
export function isTooMany(rejected: number, read: number, limits: ShareLimits): boolean {
  const [whole = "", digits = ""] = String(limits.maxRejectedShare).split(".");
  const share = BigInt(whole + digits), one = 10n ** BigInt(digits.length);
  return rejected >= limits.minRejectsForShare && BigInt(rejected) * one > share * BigInt(read);
}

function rejectDifferences(faults: readonly Fault[], rejects: readonly Reject[]): string[] {
  const found = new Map(rejects.map((reject) => [reject.line, reject]));
  const wrong: string[] = rejects.length === found.size ? [] : ["a line is rejected twice"];
  for (const { rule, ...fault } of faults) {
    const { detail = "", ...reject } = found.get(fault.line) ?? {};
    found.delete(fault.line);
    if (!isDeepStrictEqual(reject, fault)) {
      wrong.push(`reject: ${show(fault)} expected, ${show(reject)} found`);
    } else if (detail === "") wrong.push(`line ${fault.line}: there is no detail`);
    else if (rule !== undefined && !new RegExp(`^${rule}\\b`).test(detail)) {
      wrong.push(`line ${fault.line}: the rule ${rule} expected, ${show(detail)} found`);
    }
  }
  return [...wrong, ...found.values().map((reject) => `a reject too many: ${show(reject)}`)];
}

function isAscending(rejects: readonly Reject[]): boolean {
  return rejects.every(({ line }, i) => line > (rejects[i - 1]?.line ?? 0));
}

/** @param openSales How many rows are accepted whose values are open. */
function saleDifferences(sales: readonly Sale[], accepted: readonly Row[], openSales: number): string[] {
  const left = accepted.map((row) => JSON.stringify(row));
  const missing: string[] = [];
  for (const { values } of sales) {
    const at = left.indexOf(JSON.stringify(values));
    if (at < 0) missing.push(`a row is missing: ${show(values)}`);
    else left.splice(at, 1);
  }
  if (left.length === openSales) return missing;
  return [...missing, ...left.map((row) => `a row too many, where ${openSales} are open: ${row}`)];
}

function warningDifferences(
  sales: readonly Sale[],
  warnings: Readonly<Record<string, number>>,
  openSales: number,
  repeatedHeaders: number,
): string[] {
  const expected: Record<string, number> = repeatedHeaders > 0 ? { repeated_header: repeatedHeaders } : {};
  for (const name of sales.flatMap((sale) => sale.warnings)) expected[name] = (expected[name] ?? 0) + 1;
  return [...new Set([...Object.keys(expected), ...Object.keys(warnings)])].flatMap((name) => {
    const least = expected[name] ?? 0, count = warnings[name] ?? 0;
    const fits = count >= least && count <= least + openSales && (count > 0 || !(name in warnings));
    return fits ? [] : [`warning ${name}: ${least} expected, ${count} found`];
  });
}

/** Short enough to be read; a row may have a megabyte. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 600
    ? text
    : `${text.slice(0, 400)} … ${text.slice(-150)} (${text.length} characters)`;
}
