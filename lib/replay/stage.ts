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
import { replayKeys } from "../run/landing.ts";
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
  const { config, runId, runFolder, progress } = context;
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
  const keys = replayKeys(all.map(({ part }) => part), runId, config.prefixes);
  return {
    prepared: all.map((one, i) => ({ ...one, part: { ...one.part, destination: keys[i] ?? "" } })),
    leftOut: found.flatMap(({ leftOut }) => leftOut),
  };
}

/** Puts everything under the run's staging prefix; gives the moves to the landing prefix. */
export async function stageParts(
  prepared: readonly Prepared[],
  lease: Lease,
  context: BeginContext,
): Promise<MoveOrder[]> {
  const { config: { prefixes }, runId, runFolder, store, progress, signal } = context;
  using step = progress.step("staging objects", prepared.length);
  return await pMap(prepared, async ({ rows, object, part }, index): Promise<MoveOrder> => {
    signal.throwIfAborted();
    await lease.hold(`stage ${part.destination}`);
    const from = `${prefixes.staging}${runId}/${index}`;
    const staging = object
      ? store.copy(object.key, from, { ifMatch: object.etag })
      : store.put(from, { file: join(runFolder, rows?.content ?? "") });
    const staged = await staging.catch(async (error) => {
      // Another run that has taken the lease may have swept what was being written.
      await lease.hold(`stage ${part.destination}`);
      throw error;
    });
    if (staged === null) throw new Error(`${from} was not written`);
    step.advance();
    const { etag, sizeBytes } = staged;
    const localCopy = rows?.content ?? null;
    return { kind: "publish", from, to: part.destination, etag, sizeBytes, lastModified: null, localCopy };
  }, { concurrency: CONCURRENCY });
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
