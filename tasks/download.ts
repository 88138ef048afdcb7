/**
 * Download: begins a run. Takes the lease, finds what is new in the landing prefix, copies it into the work dir, and
 * takes a snapshot of the dimensions.
 *
 * Before the commit: the only effects outside the work dir are the lease and the registration of the run.
 *
 * @module
 */
import pMap from "p-map";
import { join } from "node:path";
import { checkBinding, checkRunsKnown } from "../lib/run/binding.ts";
import { main } from "../lib/command/command.ts";
import type { DownloadContext } from "../lib/run/context.ts";
import { findRuleFault } from "../lib/contract/rules.ts";
import { type DimensionName, DIMENSIONS, type PendingMove } from "../lib/database/database.ts";
import { downloadFile } from "../lib/run/download_file.ts";
import { AccessError, ConfigError, DataError } from "../lib/errors.ts";
import { classifyName, isHidden } from "../lib/run/landing.ts";
import { type Manifest, newManifest } from "../lib/run/manifest.ts";
import { isVersion, ObjectError, type ObjectTrouble, type ObjectVersion } from "../lib/store/store.ts";
import duplicateKeys from "./sql/audits/duplicate_dimension_keys.sql" with { type: "text" };
import {
  duplicateOfEarlierRun,
  newSourceFile,
  reject,
  skip,
  type SourceFile,
  withCopies,
  withLineage,
} from "../lib/source_file.ts";

const CONCURRENCY = 8;

/** Makes the run's manifest and everything local that it names. */
export async function download(context: DownloadContext): Promise<Manifest> {
  const { config, frozen, runId, dryRun, store, database, engine, log, configFault } = context;
  const fault = await findRuleFault(config.contract, engine);
  if (fault) throw await configFault(fault.path, fault.what);
  if (!dryRun) await database.prepare();
  const token = dryRun ? 0 : (await context.acquireLease()).token;
  await checkBinding(store, database, config.prefixes);
  const staged = await checkRunsKnown(store, database, config.prefixes);
  const attempt = dryRun ? 1 : await context.beginRun(token);
  const leftovers = (await database.unfinishedRuns()).map((run) => run.runId);
  if (!dryRun) await removeDeadRuns(context, leftovers);

  const manifest = newManifest({ runId, dryRun, config: frozen, token, attempt, leftovers });
  const found = await listNew(context);
  if (found.length > 0) {
    manifest.dimensions = await snapshotDimensions(context);
    const downloaded = await downloadAll(context, found);
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

/**
 * The objects of the landing prefix that are not waiting to be moved, in key order. One that a replay is still putting
 * there is not there yet: what finishes the replay may put it there once more.
 */
async function listNew({ config, store, database, log, signal }: DownloadContext) {
  const { source } = config.prefixes;
  const pending = new Set((await database.pendingMoves("archive")).map(identityOf));
  const arriving = new Set((await database.pendingMoves("publish")).map(({ to }) => to));
  const found: (ObjectVersion | ObjectTrouble)[] = [];
  let listed = false;
  for await (const page of store.list(source)) {
    signal.throwIfAborted();
    listed ||= page.length > 0;
    for (const entry of page) {
      if (!isVersion(entry)) refusePrefix(entry, source, store.name);
      const name = entry.key.slice(source.length);
      // A folder that cannot be read may hold source files; an object of such a name is a folder's marker.
      const isFolder = !isVersion(entry) && name.endsWith("/");
      if (isFolder ? isHidden(name) : classifyName(name) === "left_alone") continue;
      if (isVersion(entry) && (pending.has(identityOf(entry)) || arriving.has(entry.key))) continue;
      found.push(entry);
    }
  }
  if (!listed) log.warn("There is nothing below {source} in {store}", { source, store: store.name });
  return found;
}

/** Where the landing prefix itself cannot be read the night cannot begin. */
function refusePrefix({ key, problem }: ObjectTrouble, source: string, storeName: string): void {
  if (key !== source && key !== source.replace(/\/$/, "")) return;
  if (problem === "access_denied") {
    throw new AccessError(`Cannot read ${source} in ${storeName}: access denied; check its owner and mode`);
  }
  throw new ConfigError(
    "unreadable_prefix",
    `Cannot read ${source} in ${storeName}: it is a symlink or no folder; put a real folder there`,
  );
}

function identityOf(version: ObjectVersion | PendingMove): string {
  const key = "from" in version ? version.from : version.key;
  return JSON.stringify([key, version.etag, version.sizeBytes, version.lastModified]);
}

/** Snapshots the dimensions and refuses keys that would multiply rows. */
async function snapshotDimensions(
  { database, engine, runFolder }: DownloadContext,
): Promise<Manifest["dimensions"]> {
  await Deno.mkdir(join(runFolder, "dimensions"));
  const snapshot = await database.snapshot(join(runFolder, "dimensions"));
  const names = Object.keys(DIMENSIONS) as DimensionName[];
  for (const name of names) await engine.nameParquet(name, [snapshot[name].file]);
  const keys = names.map((name) =>
    `SELECT '${name}' AS dimension, ${DIMENSIONS[name].key} AS dimension_key FROM ${name}`
  );
  await engine.nameQuery("keys", keys.join(" UNION ALL "));
  const violations = await engine.query(duplicateKeys);
  const name = names.find((name) => name === violations[0]?.dimension);
  if (name !== undefined) {
    const found = violations.filter(({ dimension }) => dimension === name);
    throw new DataError(
      "duplicate_dimension_key",
      `Cannot use the dimension ${name}: its key ${DIMENSIONS[name].key} has duplicates or NULL ` +
        `(${found.map((row) => row.dimension_key ?? "NULL").join(", ")}), which would multiply sales; ` +
        `correct the table ${name} and run again`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, `dimensions/${name}.parquet`]));
}

async function downloadAll(
  context: DownloadContext,
  found: readonly (ObjectVersion | ObjectTrouble)[],
): Promise<SourceFile[]> {
  const { runFolder, progress, telemetry, signal, log } = context;
  await Deno.mkdir(join(runFolder, "files"));
  using step = progress.step("downloading files", found.length);
  const take = async (entry: ObjectVersion | ObjectTrouble, index: number) => {
    const file = await takeFile(entry, index + 1, context);
    if (file.status === "skipped") {
      log.warn("Skipping {key} tonight: {reason}", { key: file.key, reason: file.reason });
    }
    step.advance();
    return file;
  };
  const outcomeOf = ({ reason, status }: SourceFile) => reason ?? status ?? "downloaded";
  return await pMap(
    found,
    (entry, index) => telemetry.file("download file", entry.key, () => take(entry, index), outcomeOf),
    { concurrency: CONCURRENCY, signal },
  );
}

/** Downloads an entry of the landing prefix, or says why not. */
async function takeFile(
  entry: ObjectVersion | ObjectTrouble,
  id: number,
  { config, store, runFolder, redactor, signal }: DownloadContext,
): Promise<SourceFile> {
  if (!isVersion(entry)) {
    const unread = newSourceFile(id, { key: entry.key, etag: "", sizeBytes: 0, lastModified: "" });
    return skip(unread, entry.problem, null);
  }
  const file = newSourceFile(id, entry);
  const kind = classifyName(file.key.slice(config.prefixes.source.length));
  if (kind === "unsupported") {
    const detail = "the name ends neither in .csv nor in .csv.gz";
    return reject(file, { reason: "unsupported_type", detail });
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
    return skip(file, error.problem, redactor.redact(error.message));
  }
}

/** Skips files that were still being written while they were read: their size or time is another now than in the listing. */
async function skipChanged(
  { config, store, log }: DownloadContext,
  files: readonly SourceFile[],
): Promise<SourceFile[]> {
  const now = new Map<string, ObjectVersion>();
  for await (const page of store.list(config.prefixes.source)) {
    for (const entry of page) if (isVersion(entry)) now.set(entry.key, entry);
  }
  return files.map((file) => {
    const version = now.get(file.key);
    if (file.status === "skipped" || (version && identityOf(version) === identityOf(file))) return file;
    const reason = version ? "changed" : "vanished";
    log.warn("Skipping {key} tonight: {reason}", { key: file.key, reason });
    return skip(file, reason, `it was ${version ? "changed" : "deleted"} while it was downloaded`);
  });
}

/**
 * Finds content that an earlier run has accepted, which is not loaded again, unless a replay has put it back: two files
 * may have had the same faulty row. Twins of the same night are told apart by validate.
 */
async function findKnownContent(
  { database, log }: DownloadContext,
  files: readonly SourceFile[],
): Promise<SourceFile[]> {
  const open = files.filter((file) => file.status === null);
  const accepted = await database.acceptedContent(open.flatMap((file) => file.sha256 ?? []));
  const knownKeys = await database.knownKeys(open.map((file) => file.key));
  const replayed = await database.newByLineage(
    open.flatMap(({ key, sha256 }) => sha256 === null ? [] : [{ key, sha256 }]),
  );
  return files.map((file) => {
    if (file.status !== null) return file;
    if (replayed.has(file.key)) return withLineage(file);
    if (file.sha256 !== null && accepted.has(file.sha256)) return duplicateOfEarlierRun(file);
    if (knownKeys.has(file.key)) {
      log.info("{key} is known, with other content: it is taken as a new delivery", { key: file.key });
    }
    return file;
  });
}

if (import.meta.main) {
  await main({
    name: "download",
    description: "Begin a run: copy new files and the dimensions into the work dir.",
    options: ["work-dir"],
    run: (session) => session.download(download),
  });
}
