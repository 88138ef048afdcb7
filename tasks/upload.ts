/**
 * Upload: publishes the run. Stages its objects, commits, moves the staged objects to their final places and writes the
 * completion record.
 *
 * The commit is the one transaction that everything hangs on. Before it: objects under the staging prefix, which no
 * reader looks at and the next upload sweeps. After it: pending moves, each of which may be repeated.
 *
 * @module
 */
import { join } from "node:path";
import { bindStore, checkRunsKnown } from "../lib/binding.ts";
import { main } from "../lib/command.ts";
import type { RemoteContext } from "../lib/context.ts";
import type { Totals } from "../lib/database/database.ts";
import { DataError } from "../lib/errors.ts";
import { drainMoves } from "../lib/moves.ts";
import { archiveMoves, ledgerEntries, stageObjects, writeCompletionRecords } from "../lib/publish.ts";

/** Publishes what earlier runs left, then this run. */
export async function upload(context: RemoteContext): Promise<void> {
  const { manifest, store, database, lease, log } = context;
  const { config, runId, work } = manifest;
  await bindStore(store, database, config.prefixes);
  if (manifest.leftovers.length > 0) {
    await drainMoves("publish", moveContext(context));
    await writeCompletionRecords(context);
  }
  if (work === "leftovers") await sweepStaging(context);
  if (work === "files") {
    const state = await database.runState(runId);
    if (state === "open") {
      await sweepStaging(context);
      await commitRun(context);
    } else if (state !== "committed" && state !== "published") {
      throw new DataError(
        "run_over",
        `Cannot upload run ${runId}: it is ${
          state ?? "not known to the database"
        }; run "deno task pipeline" to begin anew`,
      );
    }
    manifest.committed = true;
    await context.saveManifest();
    await lease.hold("publish the marts");
    const { open } = await drainMoves("publish", moveContext(context));
    await writeCompletionRecords(context);
    log.info("Run {runId} is published", { runId });
    manifest.pendingMoves = open.length;
  }
}

/** Deletes what runs that died before their commit left under the staging prefix, this run's own included. */
async function sweepStaging({ manifest: { config: { prefixes } }, store, database, lease }: RemoteContext) {
  const staged = await checkRunsKnown(store, database, prefixes);
  const committed = new Set((await database.unfinishedRuns()).map((run) => run.runId));
  await lease.hold("sweep the staging prefix");
  if (!staged.some((runId) => committed.has(runId))) return await store.sweep(prefixes.staging);
  for (const runId of staged) if (!committed.has(runId)) await store.sweep(`${prefixes.staging}${runId}/`);
}

async function commitRun(context: RemoteContext): Promise<void> {
  const { manifest, runFolder, database, lease, log } = context;
  const { runId, config, totals } = manifest;
  const staged = await stageObjects(context);
  const absolute = (part: Totals): Totals => ({
    ...part,
    files: part.files.map((file) => join(runFolder, file)),
  });
  await lease.hold("commit the run");
  await database.commit({
    runId,
    token: lease.token,
    customerTotals: absolute(totals.customer),
    salesTotals: absolute(totals.sales),
    incentivePercent: String(config.incentivePercent),
    ledger: ledgerEntries(manifest),
    moves: [...staged, ...archiveMoves(manifest)],
  });
  log.info("Run {runId} is committed", { runId });
}

function moveContext(context: RemoteContext) {
  return { ...context, workDirPath: context.workDir.path };
}

if (import.meta.main) {
  await main({
    name: "upload",
    description: "Commit the run and publish its marts.",
    options: ["work-dir", "run"],
    run: (session) => session.remote("upload", upload),
  });
}
