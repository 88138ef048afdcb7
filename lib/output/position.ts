/**
 * Where a process is in the night: what every line of its log says besides the line itself.
 *
 * @module
 */

/** Filled in as the process learns it; one for each process. */
export interface Position {
  /** `null` until the run is known. */
  runId: string | null;
  /** The stage that is at work, else the task. */
  stage: string;
  /**
   * Which try this is, from 1; `null` until it is known. One more for each run that was begun since the last one that
   * left nothing to do, and for each time that the same stage of the same run was started before.
   */
  attempt: number | null;
}
