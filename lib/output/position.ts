/**
 * The run and the stage that a process works on, which every line of its log names.
 *
 * @module
 */

/** The run and the stage that a process works on. There is one for each process, which fills it in as it learns more. */
export interface Position {
  /** The run's id; `null` until it is known. */
  runId: string | null;
  /** The stage that is at work; outside of stages the task. */
  stage: string;
  /**
   * Which try this is, from 1; `null` until it is known. One more for each run that was begun since the last one that
   * left nothing to do, and for each time that the same stage of the same run was started before.
   */
  attempt: number | null;
}
