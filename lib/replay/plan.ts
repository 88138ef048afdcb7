/**
 * What a replay is about: which rejected files and rows are selected, and what of them is left out, as the ledger tells.
 *
 * @module
 */
import type { Model } from "../model/model.ts";
import type { BeginContext } from "../run/context.ts";
import { rowReasons } from "../contract/contract.ts";
import type { Database } from "../database/database.ts";
import type { RejectedFile } from "../database/records.ts";
import { DataError, UsageError } from "../errors.ts";
import { destinations } from "../run/destination.ts";
import { readRejects, RejectFileError } from "../contract/reject_reader.ts";
import type { LeftOut, LeftOutReason, ReplayPart } from "./report.ts";
import { FILE_REASONS } from "../source_file.ts";
import { ObjectError, type ObjectVersion } from "../store/store.ts";

/** What is asked for; everything that is given must hold. */
export interface Selection {
  /** What this run rejected. */
  readonly runId: string | null;
  /** What was rejected of this source file, by its whole key. */
  readonly key: string | null;
  /** What was rejected for this reason. */
  readonly reason: string | null;
}

/** Something to be put back, as far as the ledger knows. */
export interface ReplayOrder {
  /** Names its local files, and it in the ledger. */
  readonly number: number;
  /** Rejected rows of it, or the file itself. */
  readonly kind: ReplayPart["kind"];
  /** Its line in the ledger. */
  readonly file: RejectedFile;
  /** The whole key of the CSV of its rejected rows. */
  readonly rejectsKey: string;
}

/** What a replay has to do. */
export interface ReplayPlan {
  /** Oldest run first. */
  readonly orders: ReplayOrder[];
  /** What is known not to be put back. */
  readonly leftOut: LeftOut[];
}

/** What keeps one part from being put back; the others can go on. */
export class LeftOutError extends Error {
  /** Why. */
  readonly reason: LeftOutReason;

  /** `detail` says it in words. */
  constructor(reason: LeftOutReason, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = "LeftOutError";
    this.reason = reason;
  }
}

/**
 * Reads the selection.
 *
 * @throws {UsageError} if nothing is selected, or duplicates are.
 */
export function parseSelection(
  flags: { readonly run?: string; readonly file?: string; readonly reason?: string },
): Selection {
  const { run: runId = null, file: key = null, reason = null } = flags;
  if (runId === null && key === null && reason === null) {
    throw new UsageError("deno task replay needs at least one of --run, --file and --reason; see --help");
  }
  if (reason === "same_content") {
    throw new UsageError("Cannot replay duplicates: their content was loaded from another delivery");
  }
  return { runId, key, reason };
}

/**
 * Refuses a reason that no dataset of the model has.
 *
 * @throws {UsageError} which lists those that there are.
 */
export function requireReason({ reason }: Selection, { datasets }: Model): void {
  const ofRows = new Set(Object.values(datasets).flatMap(({ contract }) => rowReasons(contract.keys)));
  if (reason === null || isFileReason(reason) || ofRows.has(reason)) return;
  throw new UsageError(
    `Cannot replay what was rejected for ${
      JSON.stringify(reason)
    }: it is no reason; the reasons of rows are ` +
      `${[...ofRows].join(", ")}, those of whole files ${FILE_REASONS.join(", ")}`,
  );
}

/**
 * Refuses a run or a file that the database does not know.
 *
 * @throws {DataError} `unknown_run`, `unknown_file`
 */
export async function requireSelection(database: Database, { runId, key }: Selection): Promise<void> {
  if (runId !== null && await database.runState(runId) === null) {
    throw new DataError(
      "unknown_run",
      `Cannot replay run ${JSON.stringify(runId)}: ${database.name} does not know it`,
    );
  }
  if (key === null) return;
  const isKnown = runId === null
    ? (await database.earlierVersions([key])).has(key)
    : (await database.runFiles(runId)).some((file) => file.key === key);
  if (isKnown) return;
  const what = runId === null ? "no run has taken such a file" : `run ${runId} has not taken such a file`;
  throw new DataError(
    "unknown_file",
    `Cannot replay ${JSON.stringify(key)}: ${what}; give its whole key, as in the summary`,
  );
}

/** Looks up what is selected. */
export async function planReplay(context: BeginContext, selection: Selection): Promise<ReplayPlan> {
  const { database } = context;
  const rejectsKeyOf = rejectsKeys(context);
  const plan: ReplayPlan = { orders: [], leftOut: [] };
  for (const file of await database.rejectedFiles(selection)) {
    context.signal.throwIfAborted();
    const kind = file.status === "accepted" ? "rows" : "file";
    const leaveOut = (reason: LeftOutReason, detail: string) =>
      plan.leftOut.push({ ...partOf(file, kind), reason, detail });
    const choice = choose(file, selection);
    if (choice === "not selected") continue;
    if (!(file.dataset in context.model.datasets)) {
      leaveOut("unknown_dataset", `the model has no dataset ${file.dataset} any more`);
      continue;
    }
    const all = kind === "rows" ? file.rowsRejected : 1;
    if (choice === "duplicate") {
      leaveOut("duplicate", "its content was loaded from another delivery");
    } else if (file.replayedCount >= all) {
      leaveOut(
        "already_replayed",
        kind === "rows" ? "all its rejected rows were put back" : "it was put back",
      );
    } else {
      const order = { number: plan.orders.length, kind, file, rejectsKey: await rejectsKeyOf(file) } as const;
      if (choice === "selected") plan.orders.push(order);
      else await leaveOutWhole(order, selection.reason, { plan, context });
    }
  }
  return plan;
}

/** What a replay says of a part that it leaves out; anything else that was thrown is thrown again. */
export function leftOutOf(part: ReplayPart, error: unknown): LeftOut {
  if (error instanceof LeftOutError) return { ...part, reason: error.reason, detail: error.message };
  if (error instanceof RejectFileError) {
    return {
      ...part,
      reason: "object_changed",
      detail: `the CSV of its rejected rows was changed: ${error.message}`,
    };
  }
  if (!(error instanceof ObjectError)) throw error;
  const reason = error.reason === "vanished"
    ? "object_missing"
    : error.reason === "changed"
    ? "object_changed"
    : error.reason;
  return { ...part, reason, detail: error.message };
}

/** A file, or its rejected rows, as it is listed. */
export function partOf(
  { runId, key, rowsRead, rowsRejected }: RejectedFile,
  kind: ReplayPart["kind"],
): ReplayPart {
  return { runId, key, kind, rowCount: kind === "rows" ? rowsRejected : rowsRead };
}

/** `perhaps`: only whole, while a reason of rows is asked for, which some of its rows may have. */
function choose(
  { status, reason }: RejectedFile,
  selection: Selection,
): "selected" | "not selected" | "duplicate" | "perhaps" {
  // Of a run that is asked for, what is no reject need not be explained; of a file it does.
  if (status === "duplicate") return selection.key === null ? "not selected" : "duplicate";
  if (selection.reason === null) return "selected";
  if (isFileReason(selection.reason)) return reason === selection.reason ? "selected" : "not selected";
  if (status === "accepted") return "selected";
  return reason === "too_many_rejects" ? "perhaps" : "not selected";
}

/** Says of a file with too many rejects that its rows are not replayed one by one, if it has such rows. */
async function leaveOutWhole(
  { file, kind, rejectsKey }: ReplayOrder,
  reason: string | null,
  { plan: { leftOut }, context }: { plan: ReplayPlan; context: BeginContext },
): Promise<void> {
  const part = partOf(file, kind);
  try {
    for await (const reject of readRejects(await readArchived(rejectsKey, context))) {
      if (reject.reason !== reason) continue;
      const detail =
        "its good rows were not loaded either: replay it by --reason too_many_rejects, or by --file alone";
      leftOut.push({ ...part, reason: "whole_file_only", detail });
      return;
    }
  } catch (error) {
    leftOut.push(leftOutOf(part, error));
  }
}

/**
 * An object that a run has archived, as it is now.
 *
 * @throws {LeftOutError} if it is gone, or not there yet.
 */
export async function findArchived(
  key: string,
  { store, database }: Pick<BeginContext, "store" | "database">,
): Promise<ObjectVersion> {
  const found = await store.head(key);
  if (found) return found;
  for (const kind of ["publish", "archive"] as const) {
    if (!(await database.pendingMoves(kind)).some(({ to }) => to === key)) continue;
    throw new LeftOutError("move_pending", `${key} is not there yet; the next run moves it there`);
  }
  throw new LeftOutError("object_missing", `${key} is not there any more`);
}

/** The bytes of an object that a run has archived. */
export async function readArchived(key: string, context: BeginContext): Promise<ReadableStream<Uint8Array>> {
  const { etag: ifMatch } = await findArchived(key, context);
  return await context.store.get(key, { ifMatch });
}

/** Gives the key of a file's rejects; which one it is depends on the run's other files. */
function rejectsKeys({ database, model }: BeginContext): (file: RejectedFile) => Promise<string> {
  let last: { runId: string; keys: ReturnType<typeof destinations> } | null = null;
  return async ({ runId, key }) => {
    if (last?.runId !== runId) {
      last = { runId, keys: destinations(await database.runFiles(runId), runId, model.datasets) };
    }
    return last.keys.get(key)?.rejects ?? "";
  };
}

function isFileReason(reason: string): boolean {
  return (FILE_REASONS as readonly string[]).includes(reason);
}
