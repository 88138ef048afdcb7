/**
 * What DuckDB says of a failed query, without what it quotes: rows and dimensions hold personal data, and an error's text
 * ends in the log and in the summary.
 *
 * @example
 * ```ts
 * const said = new Error("Conversion Error: Could not convert string 'Jane' to INT64 when casting from source column a");
 * console.assert(!String(withoutValues(said)).includes("Jane"));
 * ```
 * @module
 */

/** How a text of DuckDB begins: what the driver was doing, or nothing, and the kind. */
const KIND = /^(?:Failed to [\w ]+: )?([A-Z][\w ]*) Error: /;
/** Kinds that speak of files, memory and the statement: they name paths, tables and columns, but no value. */
const WITHOUT_VALUES = ["IO", "Permission", "Out of Memory", "Parser", "Binder", "Catalog"];
/** The end of a text that shows the statement. */
const STATEMENT = /\n\nLINE \d+: [^\n]*\n *\^\s*$/;
/**
 * From a quote to the last one of its kind, or to the end where there is none: DuckDB escapes nothing, so that a value
 * may have quotes and line ends of its own. An apostrophe within a word is none.
 */
const QUOTED = /(?<!\w)(["'])(?:.*\1(?!\w)|.*$)/gs;
/** A number that is not part of a type, as in INT64 and DECIMAL(18,2). */
const NUMBER = /(?<![\w.])(?<!DECIMAL\((?:\d+,)?)-?\d[\w.:+-]*/g;
/** Input that could not be read: it comes in quotes and then without them, or only without them, after a colon. */
const INPUT = /^(Invalid Input Error: (?:Could not parse string|[^:"']*(?=:))).*$/s;
const TAKEN_OUT = "…";

/** The error's kind and text less everything that may be a value; whatever is no error of DuckDB, as it is. */
export function withoutValues(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const [, kind] = KIND.exec(error.message) ?? [];
  if (kind === undefined) return error;
  const text = error.message.replace(STATEMENT, "");
  if (WITHOUT_VALUES.includes(kind)) return new Error(text);
  const rest = text.replace(INPUT, "$1").replace(QUOTED, `$1${TAKEN_OUT}$1`).replace(NUMBER, TAKEN_OUT);
  // A line of a CSV file is shown below.
  return new Error(rest.split("\n")[0]);
}
