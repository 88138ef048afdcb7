/**
 * Replay: puts rejected rows, with their header, and files that were rejected whole back into the landing prefix, once
 * the cause is mended, so that the next night takes them.
 *
 * A run of its own, with the same commit as a night's: before it nothing is changed but the staging prefix; after it
 * there are pending moves into the landing prefix, which any later run carries out. What was archived stays.
 *
 * @module
 */
import { bindStore, requireBinding, requireKnownRuns } from "../lib/run/binding.ts";
import { main, type Task } from "../lib/command/main.ts";
import type { BeginContext } from "../lib/run/context.ts";
import type { Lease } from "../lib/run/lease.ts";
import { drainMoves } from "../lib/run/moves.ts";
import { type PublishContext, sweepStaging, writeCompletionRecords } from "../lib/run/publish.ts";
import {
  parseSelection,
  planReplay,
  requireReason,
  requireSelection,
  type Selection,
} from "../lib/replay/plan.ts";
import { lineageOf, type Prepared, prepareParts, stageParts } from "../lib/replay/stage.ts";
import {
  compactReplay,
  newReplayReport,
  renderReplay,
  type ReplayReport,
  summariseReplay,
} from "../lib/replay/report.ts";

/** Puts back what is selected; fills in the report as it goes. */
export async function replay(
  selection: Selection,
  report: ReplayReport,
  context: BeginContext,
): Promise<void> {
  const { config, model, runId, dryRun, workDir, store, database, log } = context;
  requireReason(selection, model);
  Object.assign(report, { runId, dryRun });
  if (!dryRun) await database.prepare();
  const lease = dryRun ? null : await context.acquireLease();
  await requireBinding(store, database, config.prefixes);
  await requireKnownRuns(store, database, config.prefixes);
  await requireSelection(database, selection);
  const publishing = lease && publishContext(lease, context);
  if (publishing) {
    await context.beginRun(publishing.lease.token);
    await bindStore(store, database, config.prefixes);
    report.recovered = await finishEarlier(publishing);
  }
  const plan = await planReplay(context, selection);
  const { prepared, leftOut } = await prepareParts(plan.orders, selection.reason, context);
  report.leftOut = [...plan.leftOut, ...leftOut];
  const parts = prepared.map(({ part }) => part);
  if (publishing && prepared.length > 0) {
    await commitReplay(prepared, publishing, context);
    Object.assign(report, { committed: true, replayed: parts });
    await drainMoves("publish", publishing);
    await writeCompletionRecords(publishing);
  } else {
    report.replayed = parts;
    if (publishing) await database.finishRun(runId, "nothing-to-do");
  }
  const unfinished = dryRun ? [] : await database.unfinishedRuns();
  report.pendingMoves = unfinished.reduce((sum, run) => sum + run.openPublishes + run.openArchives, 0);
  // What could not be put in its place yet may be in the run's folder only.
  const isOver = !unfinished.some((run) => run.runId === runId && run.openPublishes > 0);
  if (isOver) await workDir?.removeRun(runId);
  log.info("Replay {runId}: {count} objects put back", { runId, count: report.replayed.length });
}

/** Publishes what earlier runs left, and gives those that are over now. */
async function finishEarlier(publishing: PublishContext): Promise<string[]> {
  const { database } = publishing;
  const before = await database.unfinishedRuns();
  if (before.length > 0) {
    await drainMoves("publish", publishing);
    await writeCompletionRecords(publishing);
  }
  await sweepStaging(publishing);
  const left = new Set((await database.unfinishedRuns()).map((run) => run.runId));
  return before.flatMap((run) => left.has(run.runId) ? [] : [run.runId]);
}

async function commitReplay(
  prepared: readonly Prepared[],
  { lease, database, log }: PublishContext,
  context: BeginContext,
): Promise<void> {
  const { runId, config } = context;
  const moves = await stageParts(prepared, lease, context);
  const replayed = await lineageOf(prepared, context);
  await lease.hold("commit the replay");
  await database.commit({
    runId,
    token: lease.token,
    totals: [],
    incentivePercent: String(config.incentivePercent),
    ledger: [],
    moves,
    replayed,
  });
  log.info("Replay {runId} is committed", { runId });
}

function publishContext(lease: Lease, context: BeginContext): PublishContext {
  const { workDir, config } = context;
  return { ...context, lease, workDirPath: workDir?.path ?? "", prefixes: config.prefixes };
}

/** The command, with a report of its own. */
export function replayTask(): Task {
  const report = newReplayReport();
  return {
    name: "replay",
    description: "Put rejected rows and files back into the landing prefix.",
    options: ["of-run", "file", "reason", "dry-run"],
    releaseLease: true,
    run(session, flags) {
      const selection = parseSelection(flags);
      return session.replay((context) => replay(selection, report, context));
    },
    ending(thrown) {
      const summary = summariseReplay(report, thrown);
      return { summary, text: renderReplay(summary), compact: compactReplay(summary) };
    },
  };
}

if (import.meta.main) await main(replayTask());
