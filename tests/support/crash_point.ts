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
   * What the process does to itself there, default `kill`. `stop`, not with `after`: pauses, while nothing else is under
   * way and the database's file is closed. `go on`: only says that it is there.
   */
  readonly then?: "kill" | "stop" | "go on";
}

/** The line on stderr that says that the point is reached. */
export const AT_POINT = "[crash point]";
