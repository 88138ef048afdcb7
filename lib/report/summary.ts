/**
 * What a run did: as JSON for machines, as text for people.
 *
 * @module
 */
import type { Config } from "../config/schema.ts";
import { databaseBackend } from "../database/open.ts";
import { exitCodeOf, messageOf, PipelineError } from "../errors.ts";
import { storeBackend } from "../store/open.ts";
import { destinations } from "../run/destination.ts";
import type { Model } from "../model/model.ts";
import type { Manifest } from "../run/manifest.ts";
import type { SourceFile } from "../source_file.ts";
import { countText, rowsText, visible } from "../text.ts";

/** How a run ended. `open`: a single stage of a run that is not committed yet. */
export type SummaryState = "committed" | "recovered" | "nothing-to-do" | "open" | "failed";

/** What became of one source file. */
export interface FileSummary {
  /** The whole key. */
  readonly key: string;
  /** The dataset that the file belongs to. */
  readonly dataset: string;
  /** `null` before validate. */
  readonly status: SourceFile["status"];
  /** A code of the contract, or of what kept the object from being taken. */
  readonly reason: string | null;
  /** The reason in words. */
  readonly detail: string | null;
  /** Rows after the header. */
  readonly rowsRead: number;
  /** Rows in the marts. */
  readonly rowsAccepted: number;
  /** Rows that are not. */
  readonly rowsRejected: number;
  /** Accepted rows by warning. */
  readonly warnings: Readonly<Record<string, number>>;
  /** Rejected rows by reason. */
  readonly rejects: Readonly<Record<string, number>>;
  /** Only present if rows of another content under the same key are in the marts already. */
  readonly knownKey?: true;
  /** Only present then: the newest run that has accepted some, and how many. */
  readonly earlier?: { readonly runId: string; readonly rowsRead: number; readonly rowsAccepted: number };
  /** `null` if the file stays where it is. */
  readonly destination: string | null;
}

/** The `--json` summary. */
export interface Summary {
  /** `null` if no run was begun. */
  readonly runId: string | null;
  /** How it ended. */
  readonly state: SummaryState;
  /** Only present for a dry run. */
  readonly dryRun?: true;
  /** Earlier runs that this one finished. */
  readonly recovered: readonly string[];
  /** In key order. */
  readonly files: readonly FileSummary[];
  /** Over all files. */
  readonly rows: { readonly read: number; readonly accepted: number; readonly rejected: number };
  /** Rows that the run added to each mart of grain `row`, and totals that it added to each table. */
  readonly marts: Readonly<Record<string, number>>;
  /** In the order in which they ran. */
  readonly stages: Manifest["stages"];
  /** Moves that could not be carried out yet; every later run tries them again. */
  readonly pendingMoves: number;
  /** Only present for a failure: whether the tables hold the night. */
  readonly committed?: boolean;
  /** Only present for a failure. */
  readonly error?: { readonly exitCode: number; readonly code: string; readonly message: string };
}

/** Builds the summary of a run from its manifest. */
export function summarise(manifest: Manifest): Summary {
  const { runId, model, files, dryRun, recovered, pendingMoves, stages } = manifest;
  const keys = destinations(files, runId, model.datasets);
  const sum = (pick: (file: SourceFile) => number) => files.reduce((total, file) => total + pick(file), 0);
  const rows = {
    read: sum((file) => file.rowsRead),
    accepted: sum((file) => file.rowsAccepted),
    rejected: sum((file) => file.rowsRejected),
  };
  return {
    runId,
    state: stateOf(manifest),
    ...(dryRun ? { dryRun: true as const } : {}),
    recovered,
    files: files.map((file) => ({
      key: file.key,
      dataset: file.dataset,
      status: file.status,
      reason: file.reason,
      detail: file.detail,
      rowsRead: file.rowsRead,
      rowsAccepted: file.rowsAccepted,
      rowsRejected: file.rowsRejected,
      warnings: file.warnings,
      rejects: file.rejects,
      ...(file.earlier ? { knownKey: true as const, earlier: file.earlier } : {}),
      destination: STAYS.includes(file.status) ? null : keys.get(file.key)?.source ?? null,
    })),
    rows,
    marts: martRows(manifest),
    stages,
    pendingMoves,
  };
}

/** Rows by mart, of those that a summary counts. */
function martRows({ model, files, totals }: Manifest): Record<string, number> {
  const acceptedOf = (dataset: string) =>
    files.reduce((sum, file) => sum + (file.dataset === dataset ? file.rowsAccepted : 0), 0);
  return Object.fromEntries(
    Object.entries(model.marts).filter(([, { summary }]) => summary).map(([name, { from, table }]) => [
      name,
      // The grain of a mart without a table is one accepted row; the transforms assert it.
      table
        ? totals[name]?.rowCount ?? 0
        : Object.keys(from).reduce((sum, dataset) => sum + acceptedOf(dataset), 0),
    ]),
  );
}

/** Files that are left where they are, or of which it is not known yet. */
const STAYS: readonly FileSummary["status"][] = ["skipped", null];

/** The summary of a run that failed. `manifest` is `null` if there was none yet. */
export function summariseFailure(manifest: Manifest | null, error: unknown): Summary {
  const base = manifest ? summarise(manifest) : NO_RUN;
  return { ...base, state: "failed", committed: manifest?.committed ?? false, error: summariseError(error) };
}

/** Anything that was thrown, for machines. */
export function summariseError(error: unknown): NonNullable<Summary["error"]> {
  const code = error instanceof PipelineError ? error.code : "bug";
  return { exitCode: exitCodeOf(error), code, message: messageOf(error) };
}

/** The summary if there is no run. */
export const NO_RUN: Summary = {
  runId: null,
  state: "nothing-to-do",
  recovered: [],
  files: [],
  rows: { read: 0, accepted: 0, rejected: 0 },
  marts: {},
  stages: [],
  pendingMoves: 0,
};

function stateOf(manifest: Manifest): SummaryState {
  if (manifest.work === "files") return manifest.committed || manifest.dryRun ? "committed" : "open";
  const finished = manifest.dryRun ? manifest.leftovers : manifest.recovered;
  return manifest.work === "leftovers" && finished.length > 0 ? "recovered" : "nothing-to-do";
}

/** Files listed one by one at most, of each status. */
const LISTED_FILES = 40;

/** What tells the places that a run's results went to, as far as it is known. */
export interface Places {
  /** Names the store and the database. */
  readonly config: Config;
  /** Names the marts. */
  readonly model: Model;
}

/** The summary for people, as several lines. */
export function renderSummary(summary: Summary, places: Places | null): string {
  const lines = [headline(summary)];
  if (summary.error) {
    lines.push("", summary.error.message);
    lines.push(
      summary.committed
        ? "The night was committed: the tables hold it. Run again to finish what is left."
        : "Nothing was published: the source files are where they were. Run again once the cause is mended.",
    );
  }
  if (summary.files.length > 0) lines.push("", "Files", ...fileLines(summary.files));
  if (summary.rows.read > 0 || summary.files.length > 0) {
    const { read, accepted, rejected } = summary.rows;
    lines.push(
      "",
      `Rows     ${countText(read)} read = ${countText(accepted)} accepted + ${countText(rejected)} rejected`,
    );
  }
  if (summary.state === "committed") {
    const marts = Object.entries(summary.marts).map(([name, rowCount]) => `${name} ${rowsText(rowCount)}`);
    lines.push(`Marts    ${marts.join(", ")}`);
  }
  if (summary.recovered.length > 0) lines.push(`Finished earlier runs: ${summary.recovered.join(", ")}`);
  if (summary.pendingMoves > 0) {
    lines.push(`${summary.pendingMoves} objects could not be moved yet; the next run tries again`);
  }
  if (summary.stages.length > 0) {
    const total = summary.stages.reduce((sum, stage) => sum + stage.durationMs, 0);
    const each = summary.stages.map(({ name, durationMs }) => `${name} ${seconds(durationMs)}`).join(", ");
    lines.push(`Time     ${seconds(total)} (${each})`);
  }
  if (places && summary.state === "committed") lines.push("", ...placeLines(summary, places));
  return lines.join("\n") + "\n";
}

function headline(summary: Summary): string {
  const run = summary.runId ? `Run ${summary.runId}` : "Run";
  switch (summary.state) {
    case "committed":
      return summary.dryRun
        ? `${run}: dry run, nothing was changed. A real run would do this:`
        : `${run}: committed`;
    case "recovered":
      return `${run}: no new files; earlier runs were finished`;
    case "nothing-to-do":
      return `${run}: nothing to do, no new files`;
    case "open":
      return `${run}: not committed yet`;
    case "failed":
      return `${run}: failed (exit ${summary.error?.exitCode}, ${summary.error?.code})`;
  }
}

function fileLines(files: readonly FileSummary[]): string[] {
  const lines: string[] = [];
  for (const [status, all] of Map.groupBy(files, (file) => file.status ?? "downloaded")) {
    for (const file of all.slice(0, LISTED_FILES)) {
      const size = file.rowsRead > 0
        ? `, ${rowsText(file.rowsRead)}${
          file.rowsRejected > 0 ? `, ${countText(file.rowsRejected)} rejected` : ""
        }`
        : "";
      const why = file.reason === null ? "" : `, ${file.reason}${file.detail ? ` (${file.detail})` : ""}`;
      lines.push(`  ${status.padEnd(10)} ${visible(file.key)}${size}${visible(why)}`);
      const counted = { ...file.rejects, ...prefixed("warning ", file.warnings) };
      for (const [reason, rowCount] of Object.entries(counted)) {
        lines.push(`  ${"".padEnd(10)}   ${reason}: ${rowsText(rowCount)}`);
      }
      if (file.earlier && status !== "rejected") {
        const { runId, rowsAccepted } = file.earlier;
        lines.push(`  ${"".padEnd(10)}   known key: added to ${rowsText(rowsAccepted)} of run ${runId}`);
      }
      if (file.destination && status !== "accepted") {
        lines.push(`  ${"".padEnd(10)}   → ${visible(file.destination)}`);
      }
    }
    if (all.length > LISTED_FILES) {
      lines.push(`  ${status.padEnd(10)} and ${countText(all.length - LISTED_FILES)} more`);
    }
  }
  return lines;
}

function placeLines(summary: Summary, { config: { store, database }, model }: Places): string[] {
  const where = storeBackend(store).nameOf(store);
  const tables = databaseBackend(database).nameOf(database);
  const marts = Object.entries(model.marts);
  const names = marts.filter(([, { table }]) => table).map(([name]) => name);
  return [
    `Store    ${where}`,
    ...[...martPlaces(summary, model), ...sourcePlaces(summary, model)].map((place) => `         ${place}`),
    ...names.length > 0 ? [`Tables   ${names.join(", ")} in ${tables}`] : [],
  ];
}

/** The prefixes that the run's Parquet files lie below: those of whole runs first, then partitions. */
function martPlaces({ runId, files }: Summary, { datasets, marts }: Model): string[] {
  const filled = new Set(files.filter(({ rowsAccepted }) => rowsAccepted > 0).map(({ dataset }) => dataset));
  const written = Object.values(marts).flatMap((mart) =>
    mart.files && Object.keys(mart.from).some((dataset) => filled.has(dataset)) ? [mart.files] : []
  );
  const partitioned = written.filter(({ partitionBy }) => partitionBy.length > 0);
  return [
    ...written.filter((mart) => !partitioned.includes(mart)).map(({ prefix }) => `${prefix}run_id=${runId}/`),
    ...[...filled].map((dataset) => `${datasets[dataset]?.accepted}run_id=${runId}/`),
    ...partitioned.map(({ prefix, partitionBy }) =>
      prefix + partitionBy.map((column) => `${column}=…/`).join("")
    ),
  ];
}

/** The prefixes that the run's source files were moved to. */
function sourcePlaces({ runId, files }: Summary, { datasets }: Model): string[] {
  return Object.entries(datasets).flatMap(([name, { processed, error }]) => {
    const own = files.filter(({ dataset }) => dataset === name);
    return [
      ...own.some(({ status }) => status === "accepted" || status === "duplicate")
        ? [`${processed}${runId}/`]
        : [],
      ...own.some(({ status, rowsRejected }) => status === "rejected" || rowsRejected > 0)
        ? [`${error}${runId}/ (rejected files, reasons, rejected rows)`]
        : [],
    ];
  });
}

function prefixed(prefix: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, value]) => [prefix + name, value]));
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(durationMs < 10_000 ? 2 : 1)} s`;
}
