/**
 * Gets ready what a replay puts back: composed in the run's folder, then staged in the store, where no reader looks.
 *
 * @module
 */
import pMap from "p-map";
import { join } from "node:path";
import type { BeginContext } from "../run/context.ts";
import type { MoveOrder, Replayed } from "../database/records.ts";
import { wrapSystemError } from "../errors.ts";
import { sourceFinder } from "../run/forms.ts";
import { replayKeys } from "../run/destination.ts";
import { type StagedObject, stageObjects } from "../run/staging.ts";
import type { Lease } from "../run/lease.ts";
import { findArchived, leftOutOf, partOf, type ReplayOrder } from "./plan.ts";
import type { LeftOut, PutBack } from "./report.ts";
import { type ComposedRows, composeRows } from "./rows.ts";
import type { ObjectVersion } from "../store/store.ts";

const CONCURRENCY = 8;

/** Something that will be put back: rows in a local file, or an object in the store. */
export interface Prepared {
  /** What it is for. */
  readonly order: ReplayOrder;
  /** `null` for a whole file. */
  readonly rows: ComposedRows | null;
  /** The archived object of a whole file; `null` for rows. */
  readonly object: ObjectVersion | null;
  /** As it is listed, with the key that it gets. */
  readonly part: PutBack;
}

/** Composes files of rows and looks for whole files; what cannot be had is left out. */
export async function prepareParts(
  orders: readonly ReplayOrder[],
  reason: string | null,
  context: BeginContext,
): Promise<{ prepared: Prepared[]; leftOut: LeftOut[] }> {
  const { model, runId, runFolder, progress } = context;
  await Deno.mkdir(join(runFolder, "replay"));
  using step = progress.step("reading what was rejected", orders.length);
  const found = await pMap(orders, async (order) => {
    const part = partOf(order.file, order.kind);
    const leftOut: LeftOut[] = [];
    try {
      const rows = order.kind === "rows" ? await composeRows(order, reason, context) : null;
      const object = rows ? null : await findArchived(order.file.destination, context);
      if (rows && rows.repeatedCount > 0) {
        const detail = "an earlier replay has put them back";
        leftOut.push({ ...part, rowCount: rows.repeatedCount, reason: "already_replayed", detail });
      }
      const prepared = { order, rows, object, part: { ...part, rowCount: rows?.rowCount ?? part.rowCount } };
      return { prepared: rows?.rowCount === 0 ? [] : [prepared], leftOut };
    } catch (error) {
      return { prepared: [], leftOut: [leftOutOf(part, error)] };
    } finally {
      step.advance();
    }
  }, { concurrency: CONCURRENCY });
  const all = found.flatMap(({ prepared }) => prepared);
  const sources = all.map(({ part, order }) => ({ ...part, dataset: order.file.dataset }));
  const keys = replayKeys(sources, runId, model.datasets);
  const named = all.map((one, i) => ({ ...one, part: { ...one.part, destination: keys[i] ?? "" } }));
  const { kept, misread } = withoutMisread(named, model);
  return { prepared: kept, leftOut: [...found.flatMap(({ leftOut }) => leftOut), ...misread] };
}

/**
 * Leaves out what would be read by another source under the name that it gets: a name that is too long, or taken, is
 * shortened, and no pattern need match it then.
 */
function withoutMisread(
  prepared: readonly Prepared[],
  { datasets }: BeginContext["model"],
): { kept: Prepared[]; misread: LeftOut[] } {
  const finders = new Map(Object.entries(datasets).map(([name, dataset]) => [name, sourceFinder(dataset)]));
  const kept: Prepared[] = [], misread: LeftOut[] = [];
  for (const one of prepared) {
    const { order: { file }, part: { destination, ...part } } = one;
    const sourceOf = finders.get(file.dataset);
    if (sourceOf?.(destination) === sourceOf?.(file.key)) kept.push(one);
    else {
      const detail = `as ${destination} it would be read by another source of the model; deliver it by hand`;
      misread.push({ ...part, reason: "other_source", detail });
    }
  }
  return { kept, misread };
}

/** Puts everything under the run's staging prefix; gives the moves to the landing prefixes. */
export function stageParts(
  prepared: readonly Prepared[],
  lease: Lease,
  context: BeginContext,
): Promise<MoveOrder[]> {
  const { config: { prefixes: { staging } }, runFolder, store } = context;
  const objects = prepared.map(({ rows, object, part }): StagedObject => ({
    to: part.destination,
    localCopy: rows?.content ?? null,
    stage: (key) =>
      object
        ? store.copy(object.key, key, { ifMatch: object.etag })
        : store.put(key, { file: join(runFolder, rows?.content ?? "") }),
  }));
  return stageObjects(objects, CONCURRENCY, { ...context, lease, staging });
}

/** What the ledger is to note of it. */
export async function lineageOf(
  prepared: readonly Prepared[],
  { runFolder }: BeginContext,
): Promise<Replayed> {
  const linesFile = join(runFolder, "replay", "lines.tsv");
  try {
    for (const { order, rows } of prepared) {
      const bytes = rows
        ? (await Deno.open(rows.linesFile)).readable
        : new Blob([`${order.number}\t0\n`]).stream();
      await Deno.writeFile(linesFile, bytes, { append: true });
    }
  } catch (error) {
    throw wrapSystemError(error, `Cannot write ${linesFile}`);
  }
  const files = prepared.map(({ order: { number, kind, file }, rows, part }) => ({
    number,
    kind,
    runId: file.runId,
    key: file.key,
    landingKey: part.destination,
    lineCount: rows?.rowCount ?? 1,
    sha256: rows?.sha256 ?? file.lineageSha256,
  }));
  return { files, linesFile, lineCount: files.reduce((sum, { lineCount }) => sum + lineCount, 0) };
}
