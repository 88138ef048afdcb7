/**
 * Puts what a run adds to the store under its staging prefix, where no reader looks.
 *
 * Before the commit: what is staged by a run that dies is swept by the next upload.
 *
 * @module
 */
import pMap from "p-map";
import type { MoveOrder } from "../database/records.ts";
import type { Progress } from "../output/progress.ts";
import type { ObjectVersion } from "../store/store.ts";
import type { Lease } from "./lease.ts";

/** An object that a run adds to the store. */
export interface StagedObject {
  /** The key that it gets in the end. */
  readonly to: string;
  /** The local copy of the same bytes, relative to the run's folder; `null` if there is none. */
  readonly localCopy: string | null;
  /** Writes it to the staging key. */
  stage(key: string): Promise<ObjectVersion | null>;
}

/** What staging needs. */
export interface StagingContext {
  /** The run's id. */
  readonly runId: string;
  /** The staging prefix of all runs. */
  readonly staging: string;
  /** Held before each write. */
  readonly lease: Lease;
  /** How far it is. */
  readonly progress: Progress;
  /** Stops it. */
  readonly signal: AbortSignal;
}

/** Stages objects, some at a time; gives the moves to their final places. */
export async function stageObjects(
  objects: readonly StagedObject[],
  concurrency: number,
  { runId, staging, lease, progress, signal }: StagingContext,
): Promise<MoveOrder[]> {
  using step = progress.step("staging objects", objects.length);
  return await pMap(objects, async ({ to, localCopy, stage }, index): Promise<MoveOrder> => {
    signal.throwIfAborted();
    await lease.hold(`stage ${to}`);
    const from = `${staging}${runId}/${index}`;
    const staged = await stage(from).catch(async (error) => {
      // Another run that has taken the lease may have swept what was being written.
      await lease.hold(`stage ${to}`);
      throw error;
    });
    if (staged === null) throw new Error(`${from} was not written`);
    step.advance();
    const { etag, sizeBytes } = staged;
    return { kind: "publish", from, to, etag, sizeBytes, lastModified: null, localCopy };
  }, { concurrency });
}
