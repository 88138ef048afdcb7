/**
 * What DuckDB says of a database file, as the errors that an operator acts on.
 *
 * @module
 */
import { dirname } from "node:path";
import {
  AccessError,
  ConfigError,
  messageOf,
  PipelineError,
  UnavailableError,
  wrapSystemError,
} from "../../errors.ts";

/** Texts of a file that another process has open. */
const IN_USE = /could not set lock|conflicting lock|being used by another process/i;
/** Texts of a value that is too large for its type: of a sum, and of a cast. */
const TOO_LARGE =
  /\b(Out of Range Error: Overflow|Conversion Error: .*(out of range|could not cast value))/is;

/** Why a file could not be opened, by DuckDB's text; the first that matches counts. */
const OPEN_FAULTS: readonly {
  readonly matches: RegExp;
  readonly error: (message: string, options: ErrorOptions) => PipelineError;
  readonly text: (path: string) => string;
}[] = [
  {
    matches: /permission denied/i,
    error: (message, options) => new AccessError(message, options),
    text: () => "access denied",
  },
  {
    matches: /no such file|does not exist|cannot open file/i,
    error: (message, options) => new ConfigError("database_missing", message, options),
    text: (path) => `the folder ${dirname(path)} must exist, and for a dry run the file too`,
  },
  {
    matches: /not a valid duckdb database file|unable to read|storage version|is a directory/i,
    error: (message, options) => new ConfigError("not_a_database", message, options),
    text: () => "it is not a DuckDB database file that this version can read",
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
  const said = messageOf(error);
  const fault = OPEN_FAULTS.find(({ matches }) => matches.test(said));
  return fault
    ? fault.error(`Cannot open the database ${path}: ${fault.text(path)}`, { cause: error })
    : wrapSystemError(error, `Cannot open the database ${path}`);
}

/** The error of a query, which may be one already. */
export function queryError(error: unknown, path: string): unknown {
  return error instanceof PipelineError ? error : wrapSystemError(error, `Cannot use the database ${path}`);
}
