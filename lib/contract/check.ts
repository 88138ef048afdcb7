/**
 * The contract check over a set of files: accepted rows as Parquet, rejected rows with line, reason and raw text.
 *
 * A row is *exact* if a scan proves that a typed reader takes each of its values as the contract wants it; else it is
 * *doubtful*, and each of its values is looked at, which takes many times as long. A file is a *candidate* while all of
 * its rows are exact, and is read in its place. Else it is *split*: its exact rows go into one file for the engine, its
 * doubtful ones into another. Exact rows may yet break a rule or have an unknown key.
 *
 * ```text
 * file ── first chunk is exact ──▶ candidate ── all rows are exact ──▶ typed reading ─▶ accepted rows
 *  │                                  │                                      │
 *  │ else                             │ a row is doubtful                    │ some rows are not accepted:
 *  ▼                                  ▼                                      ▼ the file is split for its rejects
 * split file ◀────────────────────────┘                                 split file
 *  ├─ exact rows ────▶ typed reading ─▶ accepted rows
 *  │                        │ not accepted
 *  └─ doubtful rows ──▶ judged value by value ─▶ accepted rows, rejected rows
 * ```
 *
 * At the end, for each file, rows read = accepted + rejected; the rows read are counted by the scan and not by the
 * reader. Then a file with too many rejects is rejected, and its accepted rows are dropped.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { dropFiles, dropUnknownKeys } from "./accepted.ts";
import { type CheckContext, joinWritten, type ReadableFile, type ScanContext } from "./context.ts";
import { readKnownKeys } from "./known_keys.ts";
import { Layouts } from "./layouts.ts";
import { type SplitResult, Splitting } from "./splitting.ts";
import { Tally } from "./tally.ts";
import { type CandidateFile, findCandidates, readCandidates } from "./typed.ts";
import { CHUNK_BYTES } from "../csv/chunks.ts";
import type { KnownKeys } from "../csv/key_bits.ts";
import type { Written } from "../engine/engine.ts";
import type { SourceFile } from "../source_file.ts";

/** What a check gives. */
export interface Checked {
  /** The files with what became of them, in the order in which they were given. */
  readonly files: readonly SourceFile[];
  /** Rows of accepted files as Parquet: every contract column, additional_column, source_key. */
  readonly accepted: Written;
  /** Judged rows as Parquet, of which the rejected ones are counted; `rejectsSql` gives those. */
  readonly rejects: Written;
}

/**
 * Checks files, and gives what became of them and of their rows.
 *
 * @param folder Name of the folder within the run's that takes the results; emptied first.
 */
export async function checkFiles(
  files: readonly SourceFile[],
  folder: string,
  context: CheckContext,
): Promise<Checked> {
  const check = await beginCheck(folder, context);
  const candidates = await findCandidates(files, check);
  const scanned = await scanFiles(files, candidates, check);
  const tally = new Tally([...scanned.exact, ...scanned.split.files], check);
  const accepted = await takeAccepted(scanned, tally, check);
  const rejects = await takeRejects(scanned, tally, check);
  return await decideFiles(files, { scanned, tally, accepted, rejects }, check);
}

/** Empties the folder of the results, and makes what the scans share. */
async function beginCheck(folder: string, context: CheckContext): Promise<ScanContext> {
  const results = (name: string) => join(context.runFolder, folder, name);
  await Deno.remove(results(""), { recursive: true }).catch(() => {});
  for (const name of ["split", "split-for-rejects"]) await Deno.mkdir(results(name), { recursive: true });
  return { ...context, results, layouts: new Layouts(context.config), buffer: Buffer.alloc(CHUNK_BYTES) };
}

/** What the scan of whole files has found. */
interface Scanned {
  /** Candidates that have nothing but exact rows. */
  readonly exact: readonly ReadableFile[];
  /** Candidates in which a doubtful row was found, and which were split instead. */
  readonly withdrawn: readonly SourceFile[];
  /** Rows of all candidates that pass every rule, as Parquet. */
  readonly typed: readonly Written[];
  /** What became of the files that were split. */
  readonly split: SplitResult;
  /** Known keys by column of the contract, if they were read. */
  readonly keys: ReadonlyMap<string, KnownKeys> | null;
}

/** Scans candidates to their end while the engine reads them, and splits all other files. */
async function scanFiles(
  files: readonly SourceFile[],
  candidates: ReadonlyMap<SourceFile, CandidateFile>,
  context: ScanContext,
): Promise<Scanned> {
  // While the engine reads it cannot be asked for keys. A candidate that has a doubtful row is split without them if all
  // files were candidates, which takes longer, but gives the same.
  const keys = candidates.size < files.length
    ? await readKnownKeys(context.engine, context.config.contract.keys)
    : null;
  const reading = readCandidates([...candidates.values()], context);
  const order = { folder: context.results("split"), keys: keys ?? new Map(), wanted: "all rows" } as const;
  await using splitting = new Splitting(order, context);
  splitting.after(reading);
  const exact: ReadableFile[] = [], withdrawn: SourceFile[] = [];
  for (const file of files) {
    const candidate = candidates.get(file);
    const rowCount = await candidate?.proof.prove() ?? null;
    if (candidate && rowCount !== null) {
      exact.push({ file, header: candidate.proof.layout.header, rowCount, repeatedHeaders: 0 });
    } else {
      if (candidate) withdrawn.push(file);
      await splitting.add(file);
    }
    context.step.advance();
  }
  const split = await splitting.end();
  return { exact, withdrawn, typed: await reading, split, keys };
}

/** Counts accepted rows, and gives them: those of candidates without what should not have been read or has unknown keys. */
async function takeAccepted(
  { exact, withdrawn, typed, split }: Scanned,
  tally: Tally,
  context: ScanContext,
): Promise<Written[]> {
  const ofExact = await dropFiles(withdrawn, typed, context.results("typed-exact"), context);
  const known = await dropUnknownKeys(exact, ofExact, tally, context);
  await tally.countAccepted(split.files, joinWritten(split.accepted));
  return [...known, ...split.accepted];
}

/** Counts rejected rows, and gives them: candidates that have any are split for them, and for nothing else. */
async function takeRejects(
  { exact, split, keys }: Scanned,
  tally: Tally,
  context: ScanContext,
): Promise<Written> {
  const rejects = [...split.rejects];
  const faulty = exact.map(({ file }) => file).filter((file) => !tally.isAccepted(file));
  if (faulty.length > 0) {
    const folder = context.results("split-for-rejects");
    const known = keys ?? await readKnownKeys(context.engine, context.config.contract.keys);
    await using splitting = new Splitting({ folder, keys: known, wanted: "rejects" }, context);
    for (const file of faulty) await splitting.add(file);
    rejects.push(...(await splitting.end()).rejects);
  }
  const joined = joinWritten(rejects);
  await tally.countRejects(joined);
  return joined;
}

/** Decides on each file, and drops the accepted rows of those that have too many rejects. */
async function decideFiles(
  files: readonly SourceFile[],
  { scanned: { exact, split }, tally, accepted, rejects }: {
    readonly scanned: Scanned;
    readonly tally: Tally;
    readonly accepted: readonly Written[];
    readonly rejects: Written;
  },
  context: ScanContext,
): Promise<Checked> {
  const read = [...exact, ...split.files].map(({ file }) => file);
  const decided = new Map(split.rejected.map((file) => [file.id, file]));
  for (const file of read) decided.set(file.id, tally.decide(file));
  const excessive = read.filter((file) =>
    tally.hasAccepted(file) && decided.get(file.id)?.status === "rejected"
  );
  const kept = await dropFiles(excessive, accepted, context.results("kept"), context);
  return {
    files: files.map((file) => decided.get(file.id) ?? file),
    accepted: joinWritten(kept),
    rejects,
  };
}
