/**
 * Cleanup: deletes the local files of runs that are over, and releases the lease.
 *
 * A committed run whose source files are not all moved keeps its folder: it may hold the only copy of one.
 *
 * @module
 */
import { main } from "../lib/command/main.ts";
import type { LeaseContext } from "../lib/run/context.ts";

/** Deletes the folders of finished runs, this one's included. */
export async function cleanup({ manifest, workDir, database, lease, log }: LeaseContext): Promise<void> {
  const unfinished = await database.unfinishedRuns();
  const kept = new Set(
    unfinished.filter((run) => run.openArchives + run.openPublishes > 0).map((run) => run.runId),
  );
  for (const runId of await workDir.runs()) {
    if (kept.has(runId)) {
      log.warn("Keeping the local files of run {runId}: not all of its source files could be moved", {
        runId,
      });
    } else {
      await workDir.removeRun(runId);
    }
  }
  await lease.release();
  log.info("Run {runId} is over", { runId: manifest.runId });
}

if (import.meta.main) {
  await main({
    name: "cleanup",
    description: "Delete the run's local files and release the lease.",
    options: ["work-dir", "run"],
    run: (session) => session.cleanup(cleanup),
  });
}
