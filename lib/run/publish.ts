/**
 * What upload and replay do around the commit: stage objects, clear away what was staged in vain, and write completion
 * records.
 *
 * @module
 */
import pMap from "p-map";
import { join } from "node:path";
import { checkRunsKnown, completionKey } from "./binding.ts";
import type { Prefixes } from "../config/schema.ts";
import type { RemoteContext } from "./context.ts";
import type { LedgerEntry, MoveOrder } from "../database/database.ts";
import { type Destination, destinations } from "./landing.ts";
import type { Manifest } from "./manifest.ts";
import type { MoveContext } from "./moves.ts";
import type { ObjectSource } from "../store/store.ts";
import type { SourceFile } from "../source_file.ts";

const CONCURRENCY = 16;

/** What publishing needs. */
export interface PublishContext extends MoveContext {
  /** Where the store has what. */
  readonly prefixes: Prefixes;
}

/** An object that the run adds to the store. */
interface StagedObject {
  readonly to: string;
  readonly source: ObjectSource;
  /** Relative to the run's folder. */
  readonly localCopy: string | null;
}

/** Puts every object of the run under its staging prefix; gives the moves to their final places. */
export async function stageObjects(context: RemoteContext): Promise<MoveOrder[]> {
  const { manifest: { runId, config: { prefixes } }, store, lease, progress, signal } = context;
  const objects = runObjects(context);
  using step = progress.step("staging objects", objects.length);
  return await pMap(objects, async ({ to, source, localCopy }, index): Promise<MoveOrder> => {
    signal.throwIfAborted();
    await lease.hold(`stage ${to}`);
    const from = `${prefixes.staging}${runId}/${index}`;
    const staged = await store.put(from, source).catch(async (error) => {
      // Another run that has taken the lease may have swept what was being written.
      await lease.hold(`stage ${to}`);
      throw error;
    });
    if (staged === null) throw new Error(`${from} was not written`);
    step.advance();
    const { etag, sizeBytes } = staged;
    return { kind: "publish", from, to, etag, sizeBytes, lastModified: null, localCopy };
  }, { concurrency: CONCURRENCY });
}

/** The moves of the source files out of the landing prefix. */
export function archiveMoves({ files, runId, config }: Manifest): MoveOrder[] {
  const keys = destinations(files, runId, config.prefixes);
  return taken(files).map((file) => ({
    kind: "archive",
    from: file.key,
    to: destinationOf(file, keys).source,
    etag: file.etag,
    sizeBytes: file.sizeBytes,
    lastModified: file.lastModified,
    localCopy: file.original,
  }));
}

/** The ledger's lines for the run's files. */
export function ledgerEntries({ files, runId, config }: Manifest): LedgerEntry[] {
  const keys = destinations(files, runId, config.prefixes);
  return taken(files).map((file) => {
    const {
      key,
      etag,
      sizeBytes,
      lastModified,
      sha256,
      status,
      reason,
      rowsRead,
      rowsAccepted,
      rowsRejected,
    } = file;
    if (status === null || status === "skipped") throw new Error(`${key} is not taken`);
    const destination = destinationOf(file, keys).source;
    return {
      key,
      etag,
      sizeBytes,
      lastModified,
      sha256,
      status,
      reason,
      rowsRead,
      rowsAccepted,
      rowsRejected,
      destination,
    };
  });
}

/** Deletes what runs that died before their commit left under the staging prefix, this run's own included. */
export async function sweepStaging({ prefixes, store, database, lease }: PublishContext): Promise<void> {
  const staged = await checkRunsKnown(store, database, prefixes);
  const committed = new Set((await database.unfinishedRuns()).map((run) => run.runId));
  await lease.hold("sweep the staging prefix");
  if (!staged.some((runId) => committed.has(runId))) return await store.sweep(prefixes.staging);
  for (const runId of staged) if (!committed.has(runId)) await store.sweep(`${prefixes.staging}${runId}/`);
}

/** Writes the completion record of every committed run whose objects are all in place. */
export async function writeCompletionRecords(context: PublishContext): Promise<void> {
  const { store, database, lease, prefixes } = context;
  for (const run of await database.unfinishedRuns()) {
    if (run.published || run.openPublishes > 0) continue;
    await lease.hold(`complete run ${run.runId}`);
    const objects = await database.publishedObjects(run.runId);
    const text = JSON.stringify({ version: 1, runId: run.runId, objects }, null, 1) + "\n";
    await store.put(completionKey(prefixes, run.runId), { bytes: new TextEncoder().encode(text) });
    await database.finishRun(run.runId, "published");
  }
}

function taken(files: readonly SourceFile[]): SourceFile[] {
  return files.filter((file) => file.status !== "skipped");
}

function destinationOf(file: SourceFile, keys: ReadonlyMap<string, Destination>): Destination {
  const found = keys.get(file.key);
  if (!found) throw new Error(`${file.key} has no destination`);
  return found;
}

/** Mart files, reject records and reasons, with the keys that they get in the end. */
function runObjects({ manifest, runFolder }: RemoteContext): StagedObject[] {
  const { files, marts, accepted, runId, config: { prefixes } } = manifest;
  const local = (to: string, path: string) => ({
    to,
    source: { file: join(runFolder, path) },
    localCopy: path,
  });
  const parts = (prefix: string, dataset: Manifest["accepted"]) =>
    dataset.files.map((path, index) => local(`${prefix}run_id=${runId}/part-${index}.parquet`, path));
  const partitions = marts.salesPartitioned.files.map((path) =>
    local(prefixes.salesPartitionedMart + path.slice(path.indexOf("/") + 1), path)
  );
  const keys = destinations(files, runId, prefixes);
  const records = taken(files).flatMap((file): StagedObject[] => {
    const found: StagedObject[] = [];
    const { reason, rejects } = destinationOf(file, keys);
    if (file.rejectsFile !== null) found.push(local(rejects, file.rejectsFile));
    if (file.status === "rejected") {
      const record = {
        key: file.key,
        reason: file.reason,
        detail: file.detail,
        ...("columns" in file ? { columns: file.columns } : {}),
        ...("line" in file ? { line: file.line } : {}),
      };
      const bytes = new TextEncoder().encode(JSON.stringify(record, null, 1) + "\n");
      found.push({ to: reason, source: { bytes }, localCopy: null });
    }
    return found;
  });
  return [
    ...parts(prefixes.customerMart, marts.customer),
    ...parts(prefixes.salesMart, marts.sales),
    ...partitions,
    ...parts(prefixes.acceptedSales, accepted),
    ...records,
  ];
}
