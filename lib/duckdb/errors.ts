/**
 * What DuckDB says of a failed query, less what it quotes: rows and dimensions hold personal data, and an error's text
 * goes into the log and the summary.
 *
 * @example
 * ```ts
 * const said = new Error("Conversion Error: Could not convert string 'Jane' to INT64 when casting from source column a");
 * console.assert(!String(withoutValues(said)).includes("Jane"));
 * ```
 * @module
 */

/** How DuckDB's text begins: sometimes with what the driver was doing, then with the error's kind. */
const KIND = /^(?:Failed to [\w ]+: )?([A-Z][\w ]*) Error: /;
/** Kinds whose texts name paths, tables, columns and the statement, but no value. */
const WITHOUT_VALUES = ["IO", "Permission", "Out of Memory", "Parser", "Binder", "Catalog"];
/** The lines at the end that show the place in the statement. */
const STATEMENT = /\n\nLINE \d+: [^\n]*\n *\^\s*$/;
/**
 * From a quote to the last one of its kind, or to the end if there is no other. DuckDB escapes nothing, so that a value
 * may have quotes and line ends of its own. An apostrophe within a word is no quote.
 */
const QUOTED = /(?<!\w)(["'])(?:.*\1(?!\w)|.*$)/gs;
/** A number, unless it is part of a type such as INT64 or DECIMAL(18,2). */
const NUMBER = /(?<![\w.])(?<!DECIMAL\((?:\d+,)?)-?\d[\w.:+-]*/g;
/** Input that could not be read. DuckDB shows it in quotes and then without, or only without, after a colon. */
const INPUT = /^(Invalid Input Error: (?:Could not parse string|[^:"']*(?=:))).*$/s;
/** The text that takes a value's place. */
const TAKEN_OUT = "…";

/** An error of DuckDB with its kind and text, less everything that may be a value; anything else as it is. */
export function withoutValues(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const [, kind] = KIND.exec(error.message) ?? [];
  if (kind === undefined) return error;
  const text = error.message.replace(STATEMENT, "");
  if (WITHOUT_VALUES.includes(kind)) return new Error(text);
  const rest = text.replace(INPUT, "$1").replace(QUOTED, `$1${TAKEN_OUT}$1`).replace(NUMBER, TAKEN_OUT);
  // The lines below the first show a line of a CSV file.
  return new Error(rest.split("\n")[0]);
}
