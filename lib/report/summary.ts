/**
 * What a run did: as JSON for machines, as text for people.
 *
 * @module
 */
import type { Config } from "../config/schema.ts";
import { databaseBackend } from "../database/open.ts";
import { exitCodeOf, messageOf, PipelineError } from "../errors.ts";
import { storeBackend } from "../store/open.ts";
import { destinations } from "../run/landing.ts";
import type { Manifest } from "../run/manifest.ts";
import type { SourceFile } from "../source_file.ts";
import { countText, rowsText, visible } from "../text.ts";

/** How a run ended. `open`: a single stage of a run that is not committed yet. */
export type SummaryState = "committed" | "recovered" | "nothing-to-do" | "open" | "failed";

/** What became of one source file. */
export interface FileSummary {
  /** The whole key. */
  readonly key: string;
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
  /** `null` where the file stays where it is. */
  readonly destination: string | null;
}

/** The `--json` summary. */
export interface Summary {
  /** `null` where no run was begun. */
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
  /** Rows that the run added to each mart. */
  readonly marts: { readonly customer_data_mart: number; readonly sales_data_mart: number };
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
  const { runId, config, files, dryRun, recovered, pendingMoves, stages } = manifest;
  const keys = destinations(files, runId, config.prefixes);
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
      status: file.status,
      reason: file.reason,
      detail: file.detail,
      rowsRead: file.rowsRead,
      rowsAccepted: file.rowsAccepted,
      rowsRejected: file.rowsRejected,
      warnings: file.warnings,
      rejects: file.rejects,
      destination: STAYS.includes(file.status) ? null : keys.get(file.key)?.source ?? null,
    })),
    rows,
    // The grain of both marts is one accepted sale; the transforms assert it.
    marts: { customer_data_mart: rows.accepted, sales_data_mart: rows.accepted },
    stages,
    pendingMoves,
  };
}

/** Files that are left where they are, or of which it is not known yet. */
const STAYS: readonly FileSummary["status"][] = ["skipped", null];

/** The summary of a run that failed. `manifest` is `null` where there was none yet. */
export function summariseFailure(manifest: Manifest | null, error: unknown): Summary {
  const base = manifest ? summarise(manifest) : NO_RUN;
  return { ...base, state: "failed", committed: manifest?.committed ?? false, error: summariseError(error) };
}

/** Anything that was thrown, for machines. */
export function summariseError(error: unknown): NonNullable<Summary["error"]> {
  const code = error instanceof PipelineError ? error.code : "bug";
  return { exitCode: exitCodeOf(error), code, message: messageOf(error) };
}

/** The summary where there is no run. */
export const NO_RUN: Summary = {
  runId: null,
  state: "nothing-to-do",
  recovered: [],
  files: [],
  rows: { read: 0, accepted: 0, rejected: 0 },
  marts: { customer_data_mart: 0, sales_data_mart: 0 },
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

/** The summary for people, as several lines. `config` says where things went; `null` where it is not known. */
export function renderSummary(summary: Summary, config: Config | null): string {
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
    const { customer_data_mart: customer, sales_data_mart: sales } = summary.marts;
    lines.push(
      `Marts    customer_data_mart ${countText(customer)} rows, sales_data_mart ${countText(sales)} rows`,
    );
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
  if (config && summary.state === "committed") lines.push("", ...placeLines(summary, config));
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

function placeLines(summary: Summary, { store, database, prefixes }: Config): string[] {
  const where = storeBackend(store).nameOf(store);
  const tables = databaseBackend(database).nameOf(database);
  const lines = [`Store    ${where}`];
  if (summary.rows.accepted > 0) {
    for (const mart of [prefixes.customerMart, prefixes.salesMart, prefixes.acceptedSales]) {
      lines.push(`         ${mart}run_id=${summary.runId}/`);
    }
    lines.push(`         ${prefixes.salesPartitionedMart}sales_month=…/store_id=…/`);
  }
  if (summary.files.some((file) => file.status === "accepted" || file.status === "duplicate")) {
    lines.push(`         ${prefixes.processed}${summary.runId}/`);
  }
  if (summary.files.some((file) => file.status === "rejected" || file.rowsRejected > 0)) {
    lines.push(`         ${prefixes.error}${summary.runId}/ (rejected files, reasons, rejected rows)`);
  }
  lines.push(`Tables   customers_data_mart, sales_team_data_mart in ${tables}`);
  return lines;
}

function prefixed(prefix: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, value]) => [prefix + name, value]));
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(durationMs < 10_000 ? 2 : 1)} s`;
}
