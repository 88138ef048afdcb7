/**
 * Move: takes the source files of committed runs out of the landing prefix, to the processed or the error prefix.
 *
 * After the commit: pending moves only, each of which may be repeated.
 *
 * @module
 */
import { main } from "../lib/command/main.ts";
import type { RemoteContext } from "../lib/run/context.ts";
import { drainMoves } from "../lib/run/moves.ts";

/** Moves the source files of this run and of earlier ones. */
export async function move(context: RemoteContext): Promise<void> {
  const { manifest, database, log } = context;
  const { done, open } = await drainMoves("archive", { ...context, workDirPath: context.workDir.path });
  const unfinished = await database.unfinishedRuns();
  manifest.pendingMoves = unfinished.reduce((sum, run) => sum + run.openPublishes + run.openArchives, 0);
  const left = new Set(unfinished.map((run) => run.runId));
  manifest.recovered = manifest.leftovers.filter((runId) => !left.has(runId));
  if (manifest.work === "leftovers") {
    await database.finishRun(manifest.runId, manifest.recovered.length > 0 ? "recovered" : "nothing-to-do");
  }
  log.info("Moved {done} source files, {open} stay pending", { done, open });
}

if (import.meta.main) {
  await main({
    name: "move",
    description: "Move the source files of committed runs out of the landing prefix.",
    options: ["work-dir", "run"],
    run: (session) => session.remote("move", move),
  });
}
