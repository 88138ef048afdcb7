/**
 * What upload and replay do around the commit: clear away what was staged in vain, and write completion records.
 *
 * @module
 */
import { completionKey, requireKnownRuns } from "./binding.ts";
import type { Prefixes } from "../config/schema.ts";
import type { MoveContext } from "./moves.ts";

/** What publishing needs. */
export interface PublishContext extends MoveContext {
  /** The prefixes of the pipeline's own objects. */
  readonly prefixes: Pick<Prefixes, "staging" | "runs">;
}

/** Deletes what runs that died before their commit left under the staging prefix, this run's own included. */
export async function sweepStaging({ prefixes, store, database, lease }: PublishContext): Promise<void> {
  const staged = await requireKnownRuns(store, database, prefixes);
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
