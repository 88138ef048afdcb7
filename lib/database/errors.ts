/**
 * What the databases throw in the same words.
 *
 * @module
 */
import { DataError, UnavailableError } from "../errors.ts";
import type { TableTotals } from "./records.ts";

/** The lease was taken by another run, which therefore is the only one that may publish (75). */
export class LeaseLostError extends UnavailableError {
  /** `action` completes `Cannot …`. */
  constructor(action: string) {
    super(
      "lease_lost",
      `Cannot ${action}: the lease was lost to another run; this run changed nothing and its files are taken again ` +
        "by the next one",
    );
  }
}

/** The error of a database that a newer version of the pipeline has migrated (65). */
export function newerSchema(name: string): DataError {
  return new DataError(
    "newer_schema",
    `Cannot use the database ${name}: a newer version of nightly-marts has migrated it; use that version`,
  );
}

/** The error of totals that are not what was announced: rows and sums as they were found (65). */
export function totalsChanged(
  { table, rowCount, sums }: TableTotals,
  found: { readonly rowCount: string; readonly sums: Readonly<Record<string, string>> },
): DataError {
  const told = (rows: string | number, of: Readonly<Record<string, string>>) =>
    `${rows} rows of ${table.add.map((column) => of[column]).join(" and ")}`;
  return new DataError(
    "totals_changed",
    `Cannot publish the totals: they are ${told(found.rowCount, found.sums)}, not ${told(rowCount, sums)}; ` +
      'run "deno task pipeline" to begin the night again',
  );
}

/** The error of totals that have a row without a key (65). */
export function totalsWithoutKey({ table }: TableTotals): DataError {
  return new DataError(
    "totals_without_key",
    `Cannot publish the totals: a row for ${table.name} has no ${
      [...table.key, ...table.add].join(" or no ")
    }; nothing was changed, correct the mart's query`,
  );
}

/** The error of totals that have a key twice, or that a table has twice (65). */
export function keyTwice({ table }: TableTotals): DataError {
  return new DataError(
    "duplicate_key",
    `Cannot publish the totals: a key of ${table.name} (${
      table.key.join(", ")
    }) occurs twice in them or in the table; nothing was changed, correct the mart's query or the table`,
  );
}

/** The error of a total that does not fit into its column any more (65). */
export function totalTooLarge(name: string, cause: unknown): DataError {
  return new DataError(
    "total_too_large",
    `Cannot publish the totals: a total does not fit into its column in ${name}; nothing was changed, widen the column ` +
      "and run again",
    { cause },
  );
}

/** The error of a commit that would put something back a second time (65). */
export function alreadyReplayed(runId: string): DataError {
  return new DataError(
    "already_replayed",
    `Cannot commit the replay ${runId}: some of it was put back by another replay meanwhile; nothing was changed, run again`,
  );
}

/** The error of a commit whose `linesFile` does not hold the lines that were announced (65). */
export function linesChanged(file: string, found: unknown, announced: number): DataError {
  return new DataError(
    "lines_changed",
    `Cannot commit the replay: ${file} holds ${found} lines, not ${announced}; nothing was changed, run again`,
  );
}
