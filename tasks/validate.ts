/**
 * Validate: checks every downloaded file against the contract. Accepted rows become the accepted_sales dataset, rejected
 * rows a CSV per file with line, reason and raw text.
 *
 * Touches the run's folder only.
 *
 * @module
 */
import { join } from "node:path";
import { main } from "../lib/command/main.ts";
import type { ComputeContext } from "../lib/run/context.ts";
import { checkFiles } from "../lib/contract/check.ts";
import { joinWritten } from "../lib/contract/context.ts";
import { nameWithin } from "../lib/engine/engine.ts";
import { DataError } from "../lib/errors.ts";
import { writeRejectFiles } from "../lib/contract/reject_writer.ts";
import rejectsCsv from "./sql/rejects.sql" with { type: "text" };
import type { SourceFile } from "../lib/source_file.ts";

/** Fills in what became of each file, and the accepted_sales dataset. */
export async function validate(context: ComputeContext): Promise<void> {
  const { manifest, runFolder, engine, log } = context;
  const { config, files } = manifest;
  for (const [name, file] of Object.entries(manifest.dimensions)) {
    await engine.nameParquet(name, [join(runFolder, file)]);
  }
  const open = files.filter(needsCheck);
  for (const file of open) reset(file);
  using step = context.progress.step("validating files", open.length);
  const check = { ...context, config, step };

  // Twins: the first of each content decides. If it is accepted the others are duplicates, else they are checked too.
  const firsts = new Map<string, SourceFile>();
  // What a replay put back is nobody's duplicate, and comes before a delivery of the same content.
  const byLineage = open.filter((file) => file.newByLineage);
  for (const file of [...byLineage, ...open]) {
    if (!firsts.has(file.sha256 ?? "")) firsts.set(file.sha256 ?? "", file);
  }
  const isTwin = (file: SourceFile) => !file.newByLineage && firsts.get(file.sha256 ?? "") !== file;
  const twins = open.filter(isTwin);
  const first = await checkFiles(open.filter((file) => !isTwin(file)), "checked", check);
  for (const twin of twins) {
    const original = firsts.get(twin.sha256 ?? "");
    if (original?.status !== "accepted" || original.rowsRead === 0) continue;
    Object.assign(twin, {
      status: "duplicate",
      reason: "same_content",
      detail: `the same content as ${original.key}`,
    });
  }
  const second = await checkFiles(twins.filter((twin) => twin.status === null), "checked-twins", check);

  failOnUnknownKeys(context);
  const { rowCount, files: parts } = joinWritten([first.accepted, second.accepted]);
  manifest.accepted = { rowCount, files: parts.map((file) => nameWithin(runFolder, file)) };
  await writeRejectFiles(
    { files, rejects: joinWritten([first.rejects, second.rejects]), sql: rejectsCsv },
    context,
  );
  assertCounts(files, rowCount);
  log.info("Validated {fileCount} files: {accepted} rows accepted, {rejected} rejected", {
    fileCount: open.length,
    accepted: files.reduce((sum, file) => sum + file.rowsAccepted, 0),
    rejected: files.reduce((sum, file) => sum + file.rowsRejected, 0),
  });
}

/** Whether validate decides what becomes of the file, also when it runs again. */
function needsCheck(file: SourceFile): boolean {
  return file.content !== null && file.status !== "skipped" && !file.knownContent;
}

function reset(file: SourceFile): void {
  delete file.columns;
  delete file.line;
  Object.assign(file, {
    status: null,
    reason: null,
    detail: null,
    rejectsFile: null,
    warnings: {},
    rejects: {},
  });
  Object.assign(file, { rowsRead: 0, rowsAccepted: 0, rowsRejected: 0 });
}

/** With `unknownKeys: "fail"` a row that only lacks its dimension row stops the run: the dimension is at fault. */
function failOnUnknownKeys({ manifest: { config, files } }: ComputeContext): void {
  if (config.contract.unknownKeys !== "fail") return;
  for (const file of files) {
    const [reason, rowCount] = Object.entries(file.rejects).find(([name]) => name.startsWith("unknown_")) ??
      [];
    if (reason === undefined) continue;
    throw new DataError(
      "unknown_key",
      `Cannot publish: ${rowCount} rows of ${
        JSON.stringify(file.key)
      } have an ${reason} (contract.unknownKeys is "fail"); ` +
        "add what is missing to the dimension and run again",
    );
  }
}

/** Every row that was read is accepted or rejected, and exactly the accepted ones are in the dataset. */
function assertCounts(files: readonly SourceFile[], inDataset: number): void {
  const expected = files.reduce((sum, file) => sum + file.rowsAccepted, 0);
  if (inDataset !== expected) {
    throw new Error(`${expected} rows are accepted, but the dataset has ${inDataset}`);
  }
  for (const { key, rowsRead, rowsAccepted, rowsRejected } of files) {
    if (rowsRead !== rowsAccepted + rowsRejected) {
      throw new Error(`${key}: ${rowsRead} rows read are not accounted for`);
    }
  }
}

if (import.meta.main) {
  await main({
    name: "validate",
    description: "Check the downloaded files against the contract.",
    options: ["work-dir", "run"],
    run: (session) => session.compute("validate", validate),
  });
}
