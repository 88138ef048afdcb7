/**
 * Download: begins a run. Takes the lease, finds what is new in the landing prefixes, copies it into the work dir, and
 * takes a snapshot of the dimensions.
 *
 * Before the commit: the only effects outside the work dir are the lease and the registration of the run.
 *
 * @module
 */
import pMap from "p-map";
import { join } from "node:path";
import { main } from "../lib/command/main.ts";
import type { EarlierVersion, Snapshot } from "../lib/database/records.ts";
import { DataError } from "../lib/errors.ts";
import { describeModel } from "../lib/model/describe.ts";
import { reportingTables } from "../lib/model/model.ts";
import { requireBinding, requireKnownRuns } from "../lib/run/binding.ts";
import type { DownloadContext } from "../lib/run/context.ts";
import { type Delivered, listNew, skipChanged } from "../lib/run/deliveries.ts";
import { downloadFile } from "../lib/run/download_file.ts";
import { explainName } from "../lib/run/landing.ts";
import { type Manifest, newManifest } from "../lib/run/manifest.ts";
import {
  duplicateOfEarlierRun,
  newSourceFile,
  reject,
  skip,
  type SourceFile,
  withCopies,
  withEarlier,
  withLineage,
} from "../lib/source_file.ts";
import { identifier, literal } from "../lib/sql.ts";
import { isVersion, ObjectError } from "../lib/store/store.ts";
import { rowsText } from "../lib/text.ts";
import duplicateKeys from "./sql/audits/duplicate_dimension_keys.sql" with { type: "text" };

/** Files that are downloaded at once. */
const CONCURRENCY = 8;

/** Makes the run's manifest and everything local that it names. */
export async function download(context: DownloadContext): Promise<Manifest> {
  const { config, frozen, model, runId, dryRun, store, database, engine, log, modelFault } = context;
  // The engine and the database are busy at the same time; what is wrong with the model is said first.
  const preparing = dryRun ? Promise.resolve() : database.prepare();
  preparing.catch(() => {});
  const fault = await describeModel(model, engine);
  if (fault) throw modelFault(fault.path, fault.what);
  await preparing;
  await database.prepareTables(reportingTables(model));
  const token = dryRun ? 0 : (await context.acquireLease()).token;
  await requireBinding(store, database, config.prefixes);
  const staged = await requireKnownRuns(store, database, config.prefixes);
  const attempt = dryRun ? 1 : await context.beginRun(token);
  const leftovers = (await database.unfinishedRuns()).map((run) => run.runId);
  if (!dryRun) await removeDeadRuns(context, leftovers);

  const manifest = newManifest({ runId, dryRun, config: frozen, model, token, attempt, leftovers });
  const found = await listNew(context);
  if (found.length > 0) {
    const { dimensions, downloaded } = await takeAll(context, found);
    manifest.dimensions = dimensions;
    manifest.files = await findKnownContent(context, await skipChanged(context, downloaded));
  }
  const taken = manifest.files.filter((file) => file.status !== "skipped");
  // What a run that lost its lease still staged is left over too: upload sweeps it.
  const leftOver = leftovers.length + staged.length > 0;
  manifest.work = taken.length > 0 ? "files" : leftOver ? "leftovers" : "nothing";
  if (manifest.work === "nothing" && !dryRun) await database.finishRun(runId, "nothing-to-do");
  log.info("Run {runId}: {fileCount} new files, {leftoverCount} earlier runs to finish", {
    runId,
    fileCount: taken.length,
    leftoverCount: leftovers.length,
  });
  return manifest;
}

/** Deletes the folders of runs that never committed; those of committed runs may hold the only copy of a source file. */
async function removeDeadRuns(
  { workDir, runId, log }: DownloadContext,
  leftovers: readonly string[],
): Promise<void> {
  for (const run of await workDir?.runs() ?? []) {
    if (run === runId || leftovers.includes(run)) continue;
    log.info("Removing the local files of run {run}, which is over", { run });
    await workDir?.removeRun(run);
  }
}

/** Downloads the files while the database writes the snapshot; if that fails, what is being downloaded is stopped. */
async function takeAll(context: DownloadContext, found: readonly Delivered[]) {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const downloading = downloadAll({ ...context, signal }, found);
  // Its error is thrown below, and not before the snapshot is over.
  downloading.catch(() => {});
  try {
    return { dimensions: await snapshotDimensions(context, found), downloaded: await downloading };
  } catch (error) {
    stop.abort(error);
    await downloading.catch(() => {});
    throw error;
  }
}

/** Snapshots the dimensions and refuses keys that would multiply rows. */
async function snapshotDimensions(
  { model, database, engine, runFolder }: DownloadContext,
  found: readonly Delivered[],
): Promise<Manifest["dimensions"]> {
  await Deno.mkdir(join(runFolder, "dimensions"));
  const snapshot = await database.snapshot(join(runFolder, "dimensions"), model.dimensions);
  requireRows(snapshot, found, model);
  for (const [name, { file }] of Object.entries(snapshot)) await engine.nameParquet(name, [file]);
  const dimensions = Object.entries(model.dimensions);
  // Numbers are compared in half the time of texts.
  const isNumber = dimensions.every(([, { key, ids }]) => ids.includes(key));
  const keys = dimensions.map(([name, { key }]) => {
    const value = isNumber ? identifier(key) : `CAST(${identifier(key)} AS STRING)`;
    return `SELECT ${literal(name)} AS dimension, ${value} AS dimension_key FROM ${identifier(name)}`;
  });
  if (keys.length === 0) return {};
  await engine.nameQuery("keys", keys.join(" UNION ALL "));
  const violations = await engine.query(duplicateKeys);
  const duplicate = dimensions.find(([name]) => name === violations[0]?.dimension);
  if (duplicate) {
    const [name, { key }] = duplicate;
    const found = violations.filter(({ dimension }) => dimension === name);
    throw new DataError(
      "duplicate_dimension_key",
      `Cannot use the dimension ${name}: its key ${key} has duplicates or NULL ` +
        `(${found.map((row) => row.dimension_key ?? "NULL").join(", ")}), which would multiply rows; ` +
        `correct the table ${name} and run again`,
    );
  }
  return Object.fromEntries(Object.keys(snapshot).map((name) => [name, `dimensions/${name}.parquet`]));
}

/** Refuses an empty dimension: it is being loaded anew, and every row that points at it would be rejected. */
function requireRows(
  snapshot: Snapshot,
  found: readonly Delivered[],
  { datasets }: DownloadContext["model"],
): void {
  for (const dataset of new Set(found.map(({ dataset }) => dataset))) {
    const empty = datasets[dataset]?.contract.keys.find(({ dimension }) =>
      snapshot[dimension]?.rowCount === 0
    );
    if (empty === undefined) continue;
    throw new DataError(
      "empty_dimension",
      `Cannot use the dimension ${empty.dimension}: it has no rows, so that every row of ${dataset} would be rejected ` +
        `for its ${empty.column}; fill the table ${empty.dimension} and run again`,
    );
  }
}

async function downloadAll(
  context: DownloadContext,
  found: readonly Delivered[],
): Promise<SourceFile[]> {
  const { runFolder, progress, telemetry, signal, log } = context;
  await Deno.mkdir(join(runFolder, "files"));
  using step = progress.step("downloading files", found.length);
  const take = async (delivered: Delivered, index: number) => {
    const file = await takeFile(delivered, index + 1, context);
    if (file.status === "skipped") {
      const { key, reason, detail } = file;
      // What reading it threw names it already, and is in the summary.
      if (detail === null || isVersion(delivered.entry)) {
        log.warn("Skipping {key} tonight: {reason}", { key, reason });
      } else {
        log.warn("Skipping {key} tonight: {reason}, {detail}", { key, reason, detail });
      }
    }
    step.advance();
    return file;
  };
  const outcomeOf = ({ reason, status }: SourceFile) => reason ?? status ?? "downloaded";
  return await pMap(
    found,
    (delivered, index) =>
      telemetry.file("download file", delivered.entry.key, () => take(delivered, index), outcomeOf),
    { concurrency: CONCURRENCY, signal },
  );
}

/** Downloads an object of a landing prefix, or says why not. */
async function takeFile(
  { entry, dataset, kind }: Delivered,
  id: number,
  { config, store, runFolder, redactor, signal }: DownloadContext,
): Promise<SourceFile> {
  if (!isVersion(entry)) {
    const unread = newSourceFile(id, { key: entry.key, dataset, etag: "", sizeBytes: 0, lastModified: "" });
    return skip(unread, entry.reason, entry.detail ?? null);
  }
  const file = newSourceFile(id, { ...entry, dataset });
  if (kind === "unsupported") {
    return reject(file, { reason: "unsupported_type", detail: explainName(entry.key) });
  }
  try {
    const { key, etag, sizeBytes } = entry;
    const { maxFileBytes } = config.csv;
    const order = { id, key, etag, sizeBytes, gzip: kind === "gzip", runFolder, maxFileBytes, signal };
    const { fault, ...copies } = await downloadFile(store, order);
    const downloaded = withCopies(file, copies);
    return fault ? reject(downloaded, fault) : downloaded;
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error;
    return skip(file, error.reason, redactor.redact(error.message));
  }
}

/**
 * Finds content that an earlier run has accepted, which is not loaded again, unless a replay has put it back: two files
 * may have had the same faulty row. Twins of the same night are told apart by validate.
 */
async function findKnownContent(
  context: DownloadContext,
  files: readonly SourceFile[],
): Promise<SourceFile[]> {
  const { database, log } = context;
  const open = files.filter((file) => file.status === null);
  const accepted = new Set<string>();
  for (const [dataset, files] of Map.groupBy(open, ({ dataset }) => dataset)) {
    const known = await database.acceptedContent(dataset, files.flatMap(({ sha256 }) => sha256 ?? []));
    for (const { key, sha256 } of files) if (sha256 !== null && known.has(sha256)) accepted.add(key);
  }
  const versions = await database.earlierVersions(open.map((file) => file.key));
  const replayed = await database.newByLineage(
    open.flatMap(({ key, sha256 }) => sha256 === null ? [] : [{ key, sha256 }]),
  );
  return files.map((file) => {
    if (file.status !== null) return file;
    if (replayed.has(file.key)) return withLineage(file);
    if (accepted.has(file.key)) return duplicateOfEarlierRun(file);
    const earlier = versions.get(file.key);
    if (earlier === undefined) return file;
    if (earlier.rowsAccepted > 0) return takeFurtherVersion(file, earlier, context);
    log.info("{key} is known, with other content: it is taken as a new delivery", { key: file.key });
    return file;
  });
}

/** Another content under a key of which rows are in the marts already: a correction would be counted twice. */
function takeFurtherVersion(
  file: SourceFile,
  earlier: EarlierVersion,
  { model, log }: Pick<DownloadContext, "model" | "log">,
): SourceFile {
  const known = withEarlier(file, earlier);
  const isRejected = model.datasets[file.dataset]?.contract.redelivery === "reject";
  log.warn(
    isRejected
      ? "{key} is known, with other content: it is rejected; run {earlierRun} accepted {rowsAccepted} rows of it"
      : "{key} is known, with other content: it is added to the {rowsAccepted} rows that run {earlierRun} accepted of it",
    { key: file.key, earlierRun: earlier.runId, rowsAccepted: earlier.rowsAccepted },
  );
  if (!isRejected) return known;
  const detail =
    `run ${earlier.runId} accepted ${rowsText(earlier.rowsAccepted)} of another content under this key ` +
    '(contract.redelivery is "reject")';
  return reject(known, { reason: "known_key", detail });
}

if (import.meta.main) {
  await main({
    name: "download",
    description: "Begin a run: copy new files and the dimensions into the work dir.",
    options: ["work-dir"],
    run: (session) => session.download(download),
  });
}
