/**
 * Upload: publishes the run. Stages its objects, commits, moves the staged objects to their final places and writes the
 * completion record.
 *
 * The commit is the one transaction that everything hangs on. Before it: objects under the staging prefix, which no
 * reader looks at and the next upload sweeps. After it: pending moves, each of which may be repeated.
 *
 * @module
 */
import { main } from "../lib/command/main.ts";
import { DataError } from "../lib/errors.ts";
import { bindStore } from "../lib/run/binding.ts";
import type { RemoteContext } from "../lib/run/context.ts";
import { drainMoves } from "../lib/run/moves.ts";
import { type PublishContext, sweepStaging, writeCompletionRecords } from "../lib/run/publish.ts";
import { archiveMoves, ledgerEntries, runObjects, runTotals } from "../lib/run/published.ts";
import { stageObjects } from "../lib/run/staging.ts";

/** Objects that are staged at once. */
const CONCURRENCY = 16;

/** Publishes what earlier runs left, then this run. */
export async function upload(context: RemoteContext): Promise<void> {
  const { manifest, store, database, lease, log } = context;
  const { config, runId, work } = manifest;
  const publishing = publishContext(context);
  await bindStore(store, database, config.prefixes);
  if (manifest.leftovers.length > 0) {
    await drainMoves("publish", publishing);
    await writeCompletionRecords(publishing);
  }
  if (work === "leftovers") await sweepStaging(publishing);
  if (work === "files") {
    const state = await database.runState(runId);
    if (state === "open") {
      await sweepStaging(publishing);
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
    const { open } = await drainMoves("publish", publishing);
    await writeCompletionRecords(publishing);
    log.info("Run {runId} is published", { runId });
    manifest.pendingMoves = open;
  }
}

async function commitRun(context: RemoteContext): Promise<void> {
  const { manifest, runFolder, store, database, lease, log } = context;
  const { runId, config } = manifest;
  const { staging } = config.prefixes;
  const objects = runObjects(manifest, store, runFolder);
  const staged = await stageObjects(objects, CONCURRENCY, { ...context, runId, staging });
  await lease.hold("commit the run");
  await database.commit({
    runId,
    token: lease.token,
    totals: runTotals(manifest, runFolder),
    incentivePercent: String(config.incentivePercent),
    ledger: ledgerEntries(manifest),
    moves: [...staged, ...archiveMoves(manifest)],
  });
  log.info("Run {runId} is committed", { runId });
}

function publishContext(context: RemoteContext): PublishContext {
  const { workDir, manifest } = context;
  return { ...context, workDirPath: workDir.path, prefixes: manifest.config.prefixes };
}

if (import.meta.main) {
  await main({
    name: "upload",
    description: "Commit the run and publish its marts.",
    options: ["work-dir", "run"],
    run: (session) => session.remote("upload", upload),
  });
}
