/**
 * The errors that end a run, each with the exit code that an operator or a scheduler acts on.
 *
 * Bad data is not an error but a value (a reject); a broken program is a built-in `TypeError` or `RangeError`
 * and ends with 70. {@linkcode exitCodeOf} is the only place that picks an exit code.
 *
 * @example
 * ```ts
 * console.assert(exitCodeOf(new ConfigError("bad_value", "config.jsonc:3: leaseTtl is not known")) === 78);
 * ```
 * @module
 */

/** What the process exits with; the numbers are those of sysexits.h, and of the shell for signals. */
export const ExitCode = {
  /** Done, also when there was nothing to do or some files were rejected. */
  ok: 0,
  /** Wrong usage of a command. */
  usage: 64,
  /** Data or state that a retry cannot mend. */
  data: 65,
  /** A bug. */
  bug: 70,
  /** Try again later. */
  unavailable: 75,
  /** Access denied. */
  access: 77,
  /** The configuration is wrong. */
  config: 78,
  /** Stopped by SIGINT. */
  sigint: 130,
  /** Stopped by SIGTERM. */
  sigterm: 143,
} as const;

/** One of the values of {@linkcode ExitCode}. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** An error of the world around the program: what was wrong, where, and what to do about it. */
export class PipelineError extends Error {
  /** What the process exits with. */
  readonly exitCode: ExitCode;
  /** A stable word in lower case, as in the `--json` summary. */
  readonly code: string;

  /** Used by the subclasses, which fix the exit code. */
  constructor(exitCode: ExitCode, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
    this.code = code;
  }
}

/** Wrong usage of a command (64). */
export class UsageError extends PipelineError {
  /** `message` says what was wrong with the arguments. */
  constructor(message: string, options?: ErrorOptions) {
    super(ExitCode.usage, "usage", message, options);
  }
}

/** Data or state that a retry cannot mend (65). */
export class DataError extends PipelineError {
  /** `code` is a stable word such as `missing_dimension_table`. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(ExitCode.data, code, message, options);
  }
}

/** Something that may work later: an unreachable server, a lease held by another run, a full disk (75). */
export class UnavailableError extends PipelineError {
  /** `code` is a stable word such as `lease_held`. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(ExitCode.unavailable, code, message, options);
  }
}

/** Access denied by the store, the database or the file system (77). */
export class AccessError extends PipelineError {
  /** `message` names the bucket and key, the table or the path. */
  constructor(message: string, options?: ErrorOptions) {
    super(ExitCode.access, "access_denied", message, options);
  }
}

/** The configuration is wrong (78). */
export class ConfigError extends PipelineError {
  /** `message` names file, line and key. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(ExitCode.config, code, message, options);
  }
}

/** A signal asked the process to stop (130 or 143). Used as the reason of the run's `AbortSignal`. */
export class InterruptedError extends PipelineError {
  /** The signal that arrived. */
  readonly signal: "SIGINT" | "SIGTERM";

  /** `signal` is the one that arrived. */
  constructor(signal: "SIGINT" | "SIGTERM") {
    super(
      signal === "SIGINT" ? ExitCode.sigint : ExitCode.sigterm,
      "interrupted",
      `Interrupted by ${signal}`,
    );
    this.signal = signal;
  }
}

/** The exit code for anything that was thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof PipelineError ? error.exitCode : ExitCode.bug;
}

/** The errors that were thrown, in their order: several if something could not be closed after the first one. */
export function errorsIn(thrown: unknown): unknown[] {
  if (!(thrown instanceof SuppressedError)) return [thrown];
  return [...errorsIn(thrown.suppressed), ...errorsIn(thrown.error)];
}

/** The message of anything that was thrown, with those of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`;
}

/** The code that the system or a library gave an error, as in `ENOENT`; `undefined` if it has none. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

/** What errors of some kind become, as a row of a table; the first row that matches an error counts. */
export type ErrorRule<Thrown> =
  & {
    /** Whether the rule is for this error. */
    readonly matches: (thrown: Thrown) => boolean;
    /** What was wrong, a semicolon, and what to do. */
    readonly text: string | ((thrown: Thrown) => string);
  }
  & (
    | { readonly Class: typeof AccessError; readonly code?: undefined }
    | {
      readonly Class: typeof DataError | typeof UnavailableError | typeof ConfigError;
      /** A stable word, as in the `--json` summary. */
      readonly code: string;
    }
  );

/**
 * Wraps an error by the first rule that matches it; `null` if none does.
 *
 * @param action What was being done, as in `Cannot list "sales_data/" in s3://sales`.
 * @param cause What the new error keeps of the old one.
 */
export function wrapByRule<Thrown>(
  rules: readonly ErrorRule<Thrown>[],
  thrown: Thrown,
  action: string,
  cause: unknown,
): PipelineError | null {
  const rule = rules.find(({ matches }) => matches(thrown));
  if (rule === undefined) return null;
  const message = `${action}: ${typeof rule.text === "string" ? rule.text : rule.text(thrown)}`;
  return rule.code === undefined
    ? new rule.Class(message, { cause })
    : new rule.Class(rule.code, message, { cause });
}

/** Errors of the file system and of native libraries, by their name with their code or text. */
const SYSTEM_ERRORS: readonly ErrorRule<string>[] = [
  {
    matches: (text) => /ENOSPC|EDQUOT|No space left|max_temp_directory_size/i.test(text),
    Class: UnavailableError,
    code: "disk_full",
    text: "the disk is full; free some space and run again",
  },
  {
    matches: (text) => /EFBIG|File too large/i.test(text),
    Class: UnavailableError,
    code: "disk_full",
    text: "a file may not grow further; raise the file size limit (ulimit -f) or the quota, and run again",
  },
  {
    matches: (text) => /EROFS|Read-only file system/i.test(text),
    Class: AccessError,
    text: "the file system is read-only; choose a writable folder",
  },
  {
    matches: (text) => /EACCES|EPERM|PermissionDenied|NotCapable|Permission denied/i.test(text),
    Class: AccessError,
    text: "access denied; check the owner and mode of the path",
  },
  {
    matches: (text) => /EMFILE|ENFILE|Too many open files/i.test(text),
    Class: UnavailableError,
    code: "too_many_files",
    text: "too many open files; raise the limit (ulimit -n)",
  },
  {
    matches: (text) => /\b(EIO|EBUSY|ESTALE|ETIMEDOUT)\b/.test(text),
    Class: UnavailableError,
    code: "disk_error",
    text: "the disk or file server failed; run again",
  },
  {
    matches: (text) => /out of memory|OutOfMemory|could not allocate|failed to (pin|allocate)/i.test(text),
    Class: ConfigError,
    code: "out_of_memory",
    text: "the memory limit is too small; raise resources.memoryLimit",
  },
];

/**
 * Wraps an error of the file system or of a native library in the one that fits it, or returns it as it is.
 *
 * @param action What was being done, as in `Cannot write the manifest data/work/…`.
 */
export function wrapSystemError(error: unknown, action: string): unknown {
  if (!(error instanceof Error) || error instanceof PipelineError) return error;
  // A code says it for sure. The text counts only if there is none (DuckDB): it may have names of files in it.
  const text = `${error.name} ${codeOf(error) ?? error.message}`;
  return wrapByRule(SYSTEM_ERRORS, text, action, error) ?? error;
}
