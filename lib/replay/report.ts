/**
 * What a replay did: as JSON for machines, as text for people.
 *
 * @module
 */
import { ExitCode } from "../errors.ts";
import type { ObjectReason } from "../store/store.ts";
import { summariseError } from "../report/summary.ts";
import { countText, rowsText, visible } from "../text.ts";
import { type Compact, tally } from "../report/compact.ts";

/** Rejected rows of a file, or a file that was rejected whole. */
export interface ReplayPart {
  /** The run that rejected it. */
  readonly runId: string;
  /** The whole key that the source file had then. */
  readonly key: string;
  /** Rows of it, or the file itself. */
  readonly kind: "rows" | "file";
  /** How many; for a file those that were read of it. */
  readonly rowCount: number;
}

/** Something that was put back. */
export interface PutBack extends ReplayPart {
  /** The whole key in the landing prefix. */
  readonly destination: string;
}

/** Why something that was asked for is not put back. */
export type LeftOutReason =
  /** An earlier replay has. */
  | "already_replayed"
  /** Its good rows were not loaded either: the file can be replayed whole only. */
  | "whole_file_only"
  /** Its content was loaded from another delivery. */
  | "duplicate"
  /** The run that rejected it has not moved it yet: the next run does. */
  | "move_pending"
  /** What was archived of it is gone. */
  | "object_missing"
  /** What was archived of it is not what the run has written. */
  | "object_changed"
  /** The header of the archived file cannot be read. */
  | "unreadable_header"
  /** The name that it would get is one of another source. */
  | "other_source"
  /** The model does not have its dataset any more. */
  | "unknown_dataset"
  | Exclude<ObjectReason, "changed" | "vanished">;

/** Something that was asked for and is not put back. */
export interface LeftOut extends ReplayPart {
  /** Why. */
  readonly reason: LeftOutReason;
  /** The reason in words. */
  readonly detail: string;
}

/** What is known of a replay so far. */
export interface ReplayReport {
  /** `null` until it has begun. */
  runId: string | null;
  /** It changes nothing. */
  dryRun: boolean;
  /** What it puts back. */
  replayed: PutBack[];
  /** What it does not. */
  leftOut: LeftOut[];
  /** Earlier runs that it has finished. */
  recovered: string[];
  /** Moves of any run that could not be carried out. */
  pendingMoves: number;
  /** What it puts back cannot get lost any more. */
  committed: boolean;
}

/** The `--json` summary. */
export interface ReplaySummary extends Readonly<Omit<ReplayReport, "committed">> {
  /** How it ended; for a dry run, how it would. */
  readonly state: "replayed" | "nothing-to-do" | "failed";
  /** Over all that is put back. */
  readonly counts: { readonly rows: number; readonly files: number };
  /** Only present for a failure: whether it was put back all the same. */
  readonly committed?: boolean;
  /** Only present for a failure. */
  readonly error?: { readonly exitCode: number; readonly code: string; readonly message: string };
}

/** A report of a replay that has not begun. */
export function newReplayReport(): ReplayReport {
  return {
    runId: null,
    dryRun: false,
    replayed: [],
    leftOut: [],
    recovered: [],
    pendingMoves: 0,
    committed: false,
  };
}

/** Builds the summary; `failure` has what was thrown, `null` if nothing was. */
export function summariseReplay(report: ReplayReport, failure: { error: unknown } | null): ReplaySummary {
  const { runId, dryRun, recovered, replayed, leftOut, pendingMoves, committed } = report;
  const sum = (kind: ReplayPart["kind"], pick: (part: ReplayPart) => number) =>
    replayed.reduce((total, part) => part.kind === kind ? total + pick(part) : total, 0);
  const counts = { rows: sum("rows", ({ rowCount }) => rowCount), files: sum("file", () => 1) };
  const state = replayed.length > 0 ? "replayed" : "nothing-to-do";
  const summary = { runId, state, dryRun, recovered, replayed, leftOut, counts, pendingMoves } as const;
  if (failure === null) return summary;
  const error = summariseError(failure.error);
  const { exitCode } = error;
  return {
    ...summary,
    // Wrong usage and configuration: no run was begun.
    runId: exitCode === ExitCode.usage || exitCode === ExitCode.config ? null : runId,
    state: "failed",
    committed,
    error,
  };
}

/** Parts listed one by one at most, of each list. */
const LISTED_PARTS = 40;

/** The summary for people, as several lines. */
export function renderReplay(summary: ReplaySummary): string {
  const lines = [headline(summary)];
  if (summary.error) {
    lines.push("", summary.error.message);
    lines.push(
      summary.committed
        ? "What is listed was put back all the same. Run again to finish what is left."
        : "Nothing was put back. Run again once the cause is mended.",
    );
  }
  const list = <T extends ReplayPart>(title: string, parts: readonly T[], linesOf: (part: T) => string[]) => {
    if (parts.length === 0) return;
    lines.push("", title, ...parts.slice(0, LISTED_PARTS).flatMap(linesOf));
    if (parts.length > LISTED_PARTS) lines.push(`  and ${countText(parts.length - LISTED_PARTS)} more`);
  };
  list("Put back", summary.replayed, (part) => [`  ${nameOf(part)}`, `    → ${visible(part.destination)}`]);
  list("Left out", summary.leftOut, (part) => [
    `  ${nameOf(part)}`,
    `    ${part.reason}: ${visible(part.detail)}`,
  ]);
  if (summary.recovered.length > 0) lines.push("", `Finished earlier runs: ${summary.recovered.join(", ")}`);
  if (summary.pendingMoves > 0) {
    lines.push("", `${summary.pendingMoves} objects could not be moved yet; the next run tries again`);
  }
  return lines.join("\n") + "\n";
}

function headline({ runId, state, dryRun, counts, error }: ReplaySummary): string {
  const run = runId ? `Replay ${runId}` : "Replay";
  if (state === "failed") return `${run}: failed (exit ${error?.exitCode}, ${error?.code})`;
  if (state === "nothing-to-do") return `${run}: nothing to put back`;
  const files = `${countText(counts.files)} whole ${counts.files === 1 ? "file" : "files"}`;
  const what = [...counts.rows > 0 ? [rowsText(counts.rows)] : [], ...counts.files > 0 ? [files] : []].join(
    " and ",
  );
  return dryRun
    ? `${run}: dry run, nothing was changed. A real one would put back ${what}:`
    : `${run}: put back ${what}; the next run takes them`;
}

function nameOf({ runId, key, kind, rowCount }: ReplayPart): string {
  return `${kind === "rows" ? `${rowsText(rowCount)} of ` : ""}${visible(key)}, run ${runId}`;
}

/** Counts in place of lists, for the last line of a log and the termination log. */
export function compactReplay(summary: ReplaySummary): Compact {
  const { state, dryRun, recovered, counts, leftOut, pendingMoves, committed, error } = summary;
  return {
    state,
    ...(dryRun ? { dryRun } : {}),
    recovered: recovered.length,
    replayed: counts,
    leftOut: tally(leftOut.map(({ reason }) => [reason, 1])),
    pendingMoves,
    ...(committed === undefined ? {} : { committed }),
    ...(error === undefined ? {} : { error }),
  };
}
