/**
 * Names of objects below a landing prefix: which of them are source files.
 *
 * @module
 */

/** What a name below the landing prefix says of its object. */
export type NameKind = "csv" | "gzip" | "unsupported" | "left_alone";

/** Tells what to do with an object from its name, the key below the landing prefix. */
export function classifyName(name: string): NameKind {
  const lower = name.toLowerCase();
  if (name === "" || name.endsWith("/") || isHidden(name) || /\.(part|tmp)$/.test(lower)) return "left_alone";
  if (lower.endsWith(".csv")) return "csv";
  return lower.endsWith(".csv.gz") ? "gzip" : "unsupported";
}

/** Whether a folder or a file, by its name below the landing prefix, is left alone with all that lies in it. */
export function isHidden(name: string): boolean {
  return name.split("/").some((segment) => segment.startsWith("."));
}
