/**
 * What DuckDB says of a database file, as the errors that an operator acts on.
 *
 * @module
 */
import { dirname } from "node:path";
import {
  AccessError,
  ConfigError,
  type ErrorRule,
  messageOf,
  PipelineError,
  UnavailableError,
  wrapByRule,
  wrapSystemError,
} from "../../errors.ts";

/** Texts of a file that another process has open. */
const IN_USE = /could not set lock|conflicting lock|being used by another process/i;
/** Texts of a value that is too large for its type: of a sum, and of a cast. */
const TOO_LARGE =
  /\b(Out of Range Error: Overflow|Conversion Error: .*(out of range|could not cast value))/is;

/** The text of a file that a newer DuckDB has made. */
const NEWER = /version number (\d+), but we can only read versions? (?:between )?(\d+)(?: and (\d+))?/i;

/** Texts of a table that there is not. */
const MISSING = /^Catalog Error: Table .* does not exist/i;

/** Why a file could not be opened, by DuckDB's text and the file's path. */
const OPEN_FAULTS: readonly ErrorRule<{ readonly said: string; readonly path: string }>[] = [
  {
    matches: ({ said }) => /permission denied/i.test(said),
    Class: AccessError,
    text: "access denied",
  },
  {
    matches: ({ said }) => /no such file|does not exist|cannot open file/i.test(said),
    Class: ConfigError,
    code: "database_missing",
    text: ({ path }) => `the folder ${dirname(path)} must exist, and for a dry run the file too`,
  },
  {
    matches: ({ said }) => NEWER.test(said),
    Class: ConfigError,
    code: "newer_duckdb",
    text: ({ said }) => {
      const [, version, least, most] = NEWER.exec(said) ?? [];
      return `a newer DuckDB has made it: its storage version is ${version}, and this program reads ${least} to ${most}; ` +
        "take a newer version of this program, or let that DuckDB copy it into a file with an older STORAGE_VERSION";
    },
  },
  {
    matches: ({ said }) =>
      /not a valid duckdb database file|unable to read|storage version|is a directory/i.test(said),
    Class: ConfigError,
    code: "not_a_database",
    text: "it is not a DuckDB database file that this version can read",
  },
];

/** Whether another process has the file open, which may end soon. */
export function isInUse(error: unknown): boolean {
  return IN_USE.test(messageOf(error));
}

/** Whether a value did not fit into its type. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof Error && TOO_LARGE.test(error.message);
}

/** Whether a table is missing. */
export function isMissing(error: unknown): boolean {
  return MISSING.test(messageOf(error));
}

/** Whether a table has no column of a name. */
export function isUnknownColumn(error: unknown): boolean {
  return /^Binder Error: Referenced column .* not found/i.test(messageOf(error));
}

/** The error of a file that another process has not closed in time (75). */
export function databaseInUse(error: unknown, path: string): PipelineError {
  const [, program, pid] = /held in (.*?) \(PID (\d+)\)/.exec(messageOf(error)) ?? [];
  const who = pid === undefined ? "another process" : `process ${pid} (${program})`;
  return new UnavailableError(
    "database_in_use",
    `Cannot open the database ${path}: ${who} has it open; close it there and run again`,
    { cause: error },
  );
}

/** The error of a file that cannot be opened; as it is if nothing is known of it. */
export function openError(error: unknown, path: string): unknown {
  const action = `Cannot open the database ${path}`;
  return wrapByRule(OPEN_FAULTS, { said: messageOf(error), path }, action, error) ??
    wrapSystemError(error, action);
}

/** The error of a query, which may be one already. */
export function queryError(error: unknown, path: string): unknown {
  return error instanceof PipelineError ? error : wrapSystemError(error, `Cannot use the database ${path}`);
}
