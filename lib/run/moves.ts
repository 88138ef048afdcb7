/**
 * Carries out pending moves: copy, verify, delete, note as done; each may be repeated after a crash at any point.
 *
 * All of this is after the commit: a move that cannot be done stays pending and keeps nothing else from going on.
 *
 * @module
 */
import { join } from "node:path";
import pMap from "p-map";
import type { Database } from "../database/database.ts";
import type { MoveOrder, PendingMove, SettledMove } from "../database/records.ts";
import type { Lease } from "./lease.ts";
import type { Log } from "../output/log.ts";
import type { Progress } from "../output/progress.ts";
import { ObjectError, type ObjectStore } from "../store/store.ts";
import { runFolder } from "./workdir.ts";
import type { FileTracer } from "./context.ts";

/** What draining needs. */
export interface MoveContext {
  /** The store whose objects are moved. */
  readonly store: ObjectStore;
  /** Holds the pending moves. */
  readonly database: Database;
  /** The lease, which is held before every move. */
  readonly lease: Lease;
  /** The work dir, which has the local copies; an absolute path. */
  readonly workDirPath: string;
  /** What happens, for the operator. */
  readonly log: Log;
  /** How far the moves are. */
  readonly progress: Progress;
  /** Traces each move. */
  readonly telemetry: FileTracer;
  /** Stops between two moves. */
  readonly signal: AbortSignal;
}

/** What became of the moves that were pending. */
export interface MoveReport {
  /** Moves that were carried out. */
  readonly done: number;
  /** Moves that could not be carried out and stay pending. */
  readonly open: number;
}

const CONCURRENCY = 16;
/** Settled moves are noted in the database in groups of this size; those of a crashed group are found done again. */
const SETTLE_BATCH = 500;

/** Carries out all pending moves of one kind, oldest run first. */
export async function drainMoves(kind: MoveOrder["kind"], context: MoveContext): Promise<MoveReport> {
  const { database, log, progress, telemetry, signal } = context;
  const moves = await database.pendingMoves(kind);
  let done = 0, open = 0;
  const lost: string[] = [];
  using step = progress.step(kind === "publish" ? "publishing objects" : "moving source files", moves.length);
  for (let start = 0; start < moves.length; start += SETTLE_BATCH) {
    const settled: SettledMove[] = [];
    /** After a signal there is no time: the next run finds these moves done already. */
    const settle = async () => {
      if (settled.length > 0 && !signal.aborted) await database.settleMoves(settled);
    };
    try {
      await pMap(moves.slice(start, start + SETTLE_BATCH), async (move) => {
        signal.throwIfAborted();
        const outcome = await telemetry.file(
          `${kind} file`,
          move.from,
          () => carryOut(move, context),
          String,
        );
        if (outcome === "open") {
          open++;
        } else {
          settled.push({ id: move.id, outcome });
          if (outcome === "lost") lost.push(move.from);
          else done++;
        }
        step.advance();
      }, { concurrency: CONCURRENCY });
    } catch (error) {
      // Noting the others may fail too, but this error came first.
      await settle().catch(() => {});
      throw error;
    }
    await settle();
  }
  for (const key of lost) {
    log.error(
      "Object {key} is lost: it is gone from the store, its destination is empty and there is no local copy",
      { key },
    );
  }
  return { done, open };
}

async function carryOut(move: PendingMove, context: MoveContext): Promise<SettledMove["outcome"] | "open"> {
  const { store, lease, log } = context;
  try {
    await lease.hold(`move ${move.from}`);
    if (!await copyToDestination(move, context)) return "lost";
    await lease.hold(`move ${move.from}`);
    const { etag: ifMatch, lastModified } = move;
    await store.delete(move.from, lastModified === null ? { ifMatch } : { ifMatch, lastModified });
    return "done";
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error;
    if (error.reason === "changed" || error.reason === "vanished") {
      log.warn("Object {key} was replaced after it was loaded: it stays and is the next run's delivery", {
        key: move.from,
      });
      return "done";
    }
    log.warn("Cannot move {key} yet, it stays pending: {problem}", {
      key: move.from,
      problem: error.message,
    });
    return "open";
  }
}

/** Makes sure that the destination holds the object's bytes; `false` if they are nowhere to be found. */
async function copyToDestination(
  move: PendingMove,
  { store, workDirPath, log }: MoveContext,
): Promise<boolean> {
  try {
    await store.copy(move.from, move.to, { ifMatch: move.etag });
    return true;
  } catch (error) {
    if (!(error instanceof ObjectError) || !["changed", "vanished"].includes(error.reason)) throw error;
  }
  // Source gone or replaced: a run that died between copy and delete, or a third party.
  const found = await store.head(move.to);
  if (found?.sizeBytes === move.sizeBytes) return true;
  if (move.localCopy === null) return false;
  const file = join(runFolder(workDirPath, move.runId), move.localCopy);
  const present = await Deno.stat(file).then((stat) => stat.size === move.sizeBytes, () => false);
  if (!present) return false;
  log.warn("Object {key} is gone or replaced: its loaded bytes are archived from the local copy", {
    key: move.from,
  });
  await store.put(move.to, { file });
  return true;
}
