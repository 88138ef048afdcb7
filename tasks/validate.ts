/**
 * Validate: checks every downloaded file against the contract of its dataset. Accepted rows become Parquet, rejected rows
 * a CSV per file with line, reason and raw text.
 *
 * Touches the run's folder only.
 *
 * @module
 */
import { join } from "node:path";
import { main } from "../lib/command/main.ts";
import type { ComputeContext } from "../lib/run/context.ts";
import { type Checked, checkFiles } from "../lib/contract/check.ts";
import { type CheckContext, joinWritten } from "../lib/contract/context.ts";
import type { CheckSettings } from "../lib/contract/schema.ts";
import type { Dataset } from "../lib/model/model.ts";
import { settingsOf, sourceFinder } from "../lib/run/forms.ts";
import type { Manifest } from "../lib/run/manifest.ts";
import { countText, rowsText } from "../lib/text.ts";
import { nameWithin, type Written } from "../lib/engine/engine.ts";
import { DataError } from "../lib/errors.ts";
import { REPEATED_HEADER } from "../lib/contract/contract.ts";
import { writeRejectFiles } from "../lib/contract/reject_writer.ts";
import rejectsCsv from "./sql/rejects.sql" with { type: "text" };
import { duplicateOf, reset, type SourceFile, withRejectsFile } from "../lib/source_file.ts";

/** Fills in what became of each file, and the accepted rows of each dataset. */
export async function validate(context: ComputeContext): Promise<void> {
  const { manifest, runFolder, engine, log } = context;
  for (const [name, file] of Object.entries(manifest.dimensions)) {
    await engine.nameParquet(name, [join(runFolder, file)]);
  }
  manifest.files = manifest.files.map((file) => needsCheck(file) ? reset(file) : file);
  const open = manifest.files.filter(needsCheck);
  using step = context.progress.step("validating files", open.length);
  manifest.accepted = {};
  for (const [dataset, files] of Map.groupBy(open, ({ dataset }) => dataset)) {
    const found = manifest.model.datasets[dataset];
    if (!found) throw new Error(`the model has no dataset ${dataset}`);
    const checked = await checkDataset(dataset, files, {
      ...context,
      dataset: found,
      config: settingsOf(found, manifest.config.csv, null),
      step,
    });
    const decided = new Map(checked.files.map((file) => [file.id, file]));
    manifest.files = manifest.files.map((file) => decided.get(file.id) ?? file);
    const { rowCount, files: parts } = checked.accepted;
    if (rowCount > 0) {
      manifest.accepted[dataset] = { rowCount, files: parts.map((file) => nameWithin(runFolder, file)) };
    }
    assertCounts(checked.files, rowCount);
    for (const { key, warnings } of checked.files) {
      const count = warnings[REPEATED_HEADER];
      if (count) {
        log.warn("{key}: skipped {count} rows that repeat the header: files were joined", { key, count });
      }
    }
  }
  failOnUnknownShare(manifest);
  log.info("Validated {fileCount} files: {accepted} rows accepted, {rejected} rejected", {
    fileCount: open.length,
    accepted: manifest.files.reduce((sum, file) => sum + file.rowsAccepted, 0),
    rejected: manifest.files.reduce((sum, file) => sum + file.rowsRejected, 0),
  });
}

/** The same with the dataset whose files are checked. */
interface DatasetContext extends CheckContext {
  readonly dataset: Dataset;
}

/** Checks files, those of each source by its form. */
async function checkSources(
  files: readonly SourceFile[],
  folder: string,
  context: DatasetContext,
): Promise<Checked> {
  const sourceOf = sourceFinder(context.dataset);
  const parts: Checked[] = [];
  for (const [source, group] of Map.groupBy(files, ({ key }) => sourceOf(key))) {
    const number = source === null ? 0 : 1 + context.dataset.sources.indexOf(source);
    const config = settingsOf(context.dataset, context.config.csv, source);
    // Neither a dataset nor a folder of its own may be called so.
    parts.push(
      await checkFiles(group, number === 0 ? folder : `${folder}-${number}`, { ...context, config }),
    );
  }
  const decided = new Map(parts.flatMap((part) => part.files).map((file) => [file.id, file]));
  return {
    files: files.map((file) => decided.get(file.id) ?? file),
    accepted: joinWritten(parts.map(({ accepted }) => accepted)),
    rejects: joinWritten(parts.map(({ rejects }) => rejects)),
  };
}

/** Checks the files of one dataset; gives them as they are then, with their accepted rows. */
async function checkDataset(
  dataset: string,
  files: readonly SourceFile[],
  context: DatasetContext,
): Promise<{ files: SourceFile[]; accepted: Written }> {
  const decided = new Map<number, SourceFile>(), rejected: Written[] = [], accepted: Written[] = [];
  const check = async (some: readonly SourceFile[], folder: string) => {
    const checked = await checkSources(some, `${folder}/${dataset}`, context);
    for (const file of checked.files) decided.set(file.id, file);
    accepted.push(checked.accepted);
    rejected.push(checked.rejects);
  };
  const sourceOf = sourceFinder(context.dataset);
  let open = files;
  for (let pass = 1; open.length > 0; pass++) {
    // The first file of each content decides: if it is accepted its twins are duplicates, else they are checked too.
    const { firsts, twins } = findTwins(open);
    await check(firsts, `checked/${pass}`);
    for (const { file, original: { id } } of twins) {
      const original = decided.get(id);
      if (original?.status !== "accepted" || original.rowsRead === 0) continue;
      decided.set(file.id, duplicateOf(file, original));
    }
    const left = twins.filter(({ file }) => !decided.has(file.id));
    // One of another source may be accepted, and those after it are its twins then.
    const alike = alikeTwins(left, sourceOf);
    await check(alike, `checked-twins/${pass}`);
    open = left.map(({ file }) => file).filter((file) => !decided.has(file.id));
  }
  const checked = files.map((file) => decided.get(file.id) ?? file);

  failOnUnknownKeys(checked, context.config);
  const rejects = joinWritten(rejected);
  const rejectFiles = await writeRejectFiles({ files: checked, rejects, sql: rejectsCsv }, context);
  return {
    files: checked.map((file) => {
      const path = rejectFiles.get(file.id);
      return path === undefined ? file : withRejectsFile(file, path);
    }),
    accepted: joinWritten(accepted),
  };
}

/** Whether validate decides what becomes of the file, also when it runs again. */
function needsCheck(file: SourceFile): boolean {
  if (file.content === null || file.knownContent) return false;
  return file.status !== "skipped" && file.reason !== "known_key";
}

/** A file with the same content as one before it. */
interface Twin {
  readonly file: SourceFile;
  readonly original: SourceFile;
}

/**
 * Tells the first file of each content from the others. What a replay has put back is nobody's twin, and comes before a
 * delivery of the same content.
 */
function findTwins(files: readonly SourceFile[]): { firsts: SourceFile[]; twins: Twin[] } {
  const originals = new Map<string | null, SourceFile>();
  const byLineage = files.filter((file) => file.newByLineage);
  for (const file of [...byLineage, ...files]) {
    if (!originals.has(file.sha256)) originals.set(file.sha256, file);
  }
  const firsts: SourceFile[] = [], twins: Twin[] = [];
  for (const file of files) {
    const original = originals.get(file.sha256) ?? file;
    if (file.newByLineage || original === file) firsts.push(file);
    else twins.push({ file, original });
  }
  return { firsts, twins };
}

/** Twins that come to the same as their original: those before the first one that another source reads. */
function alikeTwins(twins: readonly Twin[], sourceOf: (key: string) => unknown): SourceFile[] {
  const ended = new Set<SourceFile>(), alike: SourceFile[] = [];
  for (const { file, original } of twins) {
    if (sourceOf(file.key) !== sourceOf(original.key)) ended.add(original);
    else if (!ended.has(original)) alike.push(file);
  }
  return alike;
}

/** Stops the run if `unknownKeys` is "fail" and a row lacks nothing but its dimension row: the dimension is at fault then. */
function failOnUnknownKeys(files: readonly SourceFile[], { contract }: CheckSettings): void {
  if (contract.unknownKeys !== "fail") return;
  const unknown = new Set<string>(contract.keys.map(({ reason }) => reason));
  for (const { key, rejects } of files) {
    const reason = Object.keys(rejects).find((reason) => unknown.has(reason));
    if (reason === undefined) continue;
    throw new DataError(
      "unknown_key",
      `Cannot publish: ${rejects[reason]} rows of ${JSON.stringify(key)} have an ${reason} ` +
        '(contract.unknownKeys is "fail"); add what is missing to the dimension and run again',
    );
  }
}

/** A share says nothing of fewer rows. */
const LEAST_ROWS_FOR_SHARE = 100;

/**
 * Stops the run if more than `maxUnknownShare` of the night's rows that are otherwise good lack the same dimension: it is
 * being loaded anew, or is the wrong one.
 */
function failOnUnknownShare({ files, model }: Pick<Manifest, "files" | "model">): void {
  for (const dimension of Object.keys(model.dimensions)) {
    let good = 0, lacking = 0, most = 1;
    for (const { dataset, rowsRead, rejects } of files) {
      const contract = model.datasets[dataset]?.contract;
      const keys = contract?.keys ?? [];
      if (!contract || !keys.some((key) => key.dimension === dimension)) continue;
      const unknown = new Set(keys.map(({ reason }) => reason));
      const faulty = Object.entries(rejects).filter(([reason]) => !unknown.has(reason));
      good += faulty.reduce((rest, [, count]) => rest - count, rowsRead);
      for (const key of keys) if (key.dimension === dimension) lacking += rejects[key.reason] ?? 0;
      most = contract.maxUnknownShare;
    }
    if (good < LEAST_ROWS_FOR_SHARE || lacking / good <= most) continue;
    throw new DataError(
      "too_many_unknown_keys",
      `Cannot publish: ${countText(lacking)} of ${
        rowsText(good)
      } that are otherwise good have a key that the dimension ` +
        `${dimension} lacks; contract.maxUnknownShare is ${most}. Nothing was published or moved: see that the table ` +
        `${dimension} is complete, and run again`,
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
