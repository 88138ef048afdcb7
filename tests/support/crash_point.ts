/**
 * The moment at which a test wants a pipeline to die; between the tests and the entry point that dies there.
 *
 * @module
 */

/** One moment of a run, told by a call that crosses the contract of store, database or engine, or by a statement. */
export interface CrashPoint {
  /** `during`: when the call has begun and waits for something, such as the disk. */
  readonly when: "before" | "during" | "after";
  /** Contract and method, as in `store.put`, or `duckdb.statement`. */
  readonly call: string;
  /** Regular expression that the call's arguments, joined by spaces, must match; any arguments where left out. */
  readonly match?: string;
  /** Which of the matching calls, in the order in which they begin, or with `after` end; from 1, the default. */
  readonly nth?: number;
  /**
   * What happens there, default `kill`.
   *
   * - `kill in MS`: the call goes on, and the process is killed so many milliseconds later.
   * - `stop`, not with `after`: the process pauses itself, while nothing else is under way and the database's file is
   *   closed, until SIGCONT.
   * - `await signal`: the call goes on when SIGINT or SIGTERM has come. Timers of a second and more that are set from
   *   then on never come: what ends has not waited for one.
   * - `hang`: the call never ends. Such timers come at once, and are told as {@linkcode TIMER} lines.
   */
  readonly then?: "kill" | `kill in ${number}` | "stop" | "await signal" | "hang";
}

/** A process that comes to no point: it differs from the task only in that it waits for the database for ever. */
export const NO_POINT: CrashPoint = { when: "before", call: "" };

/** The line on stderr that says that the point is reached. */
export const AT_POINT = "[crash point]";

/** The line on stderr that says that a process which had paused itself goes on. */
export const RESUMED = "[resumed]";

/** Begins the line on stderr that tells the milliseconds of a timer. */
export const TIMER = "[timer]";
