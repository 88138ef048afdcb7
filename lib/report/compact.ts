/**
 * A summary in so few bytes that the kubelet keeps all of it as a container's termination message.
 *
 * @module
 */
import type { Position } from "../output/position.ts";
import type { Redactor } from "../secrets/redactor.ts";
import type { Summary } from "./summary.ts";

/**
 * The most bytes of a summary. The kubelet keeps 4,096 bytes of a termination message, 12 KiB of all those of a Pod, which has seven
 * containers, and 2,048 of a log's end, of which a line's time and level take some:
 * https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
 */
const LIMIT_BYTES = 1700;

/** What is short by itself, and the error, whose message may be cut. */
export interface Compact {
  /** How it ended. */
  readonly state: string;
  /** Only present for a failure. */
  readonly error?: { readonly exitCode: number; readonly code: string; readonly message: string };
  /** Counts and such. */
  readonly [field: string]: unknown;
}

/** Counts in place of lists. */
export function compactSummary(summary: Summary): Compact {
  const { state, dryRun, recovered, files, rows, stages, pendingMoves, committed, error } = summary;
  return {
    state,
    ...(dryRun ? { dryRun } : {}),
    recovered: recovered.length,
    files: tally(files.map(({ status }) => [status ?? "downloaded", 1])),
    reasons: tally(files.flatMap(({ reason }) => reason === null ? [] : [[reason, 1]])),
    rows,
    rejects: tally(files.flatMap(({ rejects }) => Object.entries(rejects))),
    pendingMoves,
    durationsMs: Object.fromEntries(stages.map(({ name, durationMs }) => [name, durationMs])),
    ...(committed === undefined ? {} : { committed }),
    ...(error === undefined ? {} : { error }),
  };
}

/**
 * Says where it comes from, takes the secrets out, and then cuts the error's message to what there is room for: in this
 * order, since half a secret is not recognised.
 */
export function fitSummary(
  compact: Compact,
  { runId, stage, attempt }: Position,
  redactor: Redactor,
): object {
  const summary = redactor.redactValue({ runId, stage, attempt, ...compact });
  const { error } = summary;
  const sizeOf = (value: object) => new TextEncoder().encode(JSON.stringify(value)).length;
  let fitting = summary;
  for (let kept = error?.message.length ?? 0; error && kept > 0 && sizeOf(fitting) > LIMIT_BYTES;) {
    // A character has a byte at least.
    kept = Math.max(0, kept - Math.max(1, Math.floor((sizeOf(fitting) - LIMIT_BYTES) / 6)));
    fitting = { ...summary, error: { ...error, message: error.message.slice(0, kept).toWellFormed() + "…" } };
  }
  return fitting;
}

/** Adds up counts of the same name. */
export function tally(entries: readonly (readonly [name: string, count: number])[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, count] of entries) counts[name] = (counts[name] ?? 0) + count;
  return counts;
}
