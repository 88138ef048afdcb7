/**
 * Names of objects below a landing prefix: which of them are source files.
 *
 * @module
 */

import { compileGlob } from "../glob.ts";

/** What a name below the landing prefix says of its object. */
export type NameKind = "csv" | "gzip" | "unsupported" | "left_alone";

/** Whether a name below the landing prefix is to be left alone. */
export type IsIgnored = (name: string) => boolean;

/** Tells names that match one of the configured patterns. */
export function ignoring(patterns: readonly string[]): IsIgnored {
  const all = patterns.map(compileGlob);
  return (name) => all.some((matches) => matches(name));
}

/**
 * Tells what to do with an object from its name, the key below the landing prefix.
 *
 * @param isIgnored Tells names that are left alone besides those that always are.
 */
export function classifyName(name: string, isIgnored: IsIgnored = () => false): NameKind {
  const lower = name.toLowerCase();
  if (name === "" || name.endsWith("/") || isHidden(name) || /\.(part|tmp)$/.test(lower)) return "left_alone";
  if (isIgnored(name)) return "left_alone";
  if (lower.endsWith(".csv")) return "csv";
  return lower.endsWith(".csv.gz") ? "gzip" : "unsupported";
}

/** Whether a folder or a file, by its name below the landing prefix, is left alone with all that lies in it. */
export function isHidden(name: string): boolean {
  return name.split("/").some((segment) => segment.startsWith("."));
}

/** What to do about a name, by what it ends in. */
const HINTS: readonly (readonly [ending: RegExp, hint: string])[] = [
  [/\.csv(\.gz)?\s+$/i, "it ends in a blank: rename it"],
  [/\.(xlsx?|xlsm|xlsb|ods)$/i, "a spreadsheet has to be saved as CSV"],
  [/\.(zip|7z|rar|tar|tgz|bz2|xz|zst|lz4)$/i, "an archive has to be unpacked, or packed as .csv.gz"],
  [/\.gz$/i, "if it is a packed CSV file, call it .csv.gz"],
  [/\.(txt|tsv|tab|dat|asc|psv)$/i, "if it is a CSV file, call it .csv"],
  [
    /\.csv[._-]?(\d+|bak|old|orig|copy|done|ok)$/i,
    "if it is a copy of a CSV file, let landing.ignore have it",
  ],
  [/(^|\/)[^.]*$/, "it has no ending at all"],
];

/** Why a name is that of no source file, in words. */
export function explainName(name: string): string {
  const what = "the name ends neither in .csv nor in .csv.gz";
  const found = HINTS.find(([ending]) => ending.test(name));
  return found ? `${what}: ${found[1]}` : what;
}
