/**
 * The contract check over a set of files: accepted rows as Parquet, rejected rows with line, reason and raw text.
 *
 * Files whose every row a scan proves to be exact are read typed, while the scan goes on. Of the others the rows are
 * split into those that are proven, which are read typed as well, and those of which each value is looked at. Rows that
 * are proven and yet break a rule or have an unknown key are found by their lines and looked at too. Files with the same
 * header are read together. At the end, for each file, rows read = accepted + rejected, where the rows read are counted
 * by the scan and not by the reader.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Contract } from "./schema.ts";
import {
  type CheckContext,
  type Checked,
  joinWritten,
  newTally,
  type ReadableFile,
  writeParquet,
} from "./context.ts";
import type { BoundHeader } from "./header.ts";
import { rejectsSql } from "./judge_sql.ts";
import { type Layout, Layouts } from "./layouts.ts";
import { Splitting } from "./splitting.ts";
import {
  acceptedCountsSql,
  knownKeysSql,
  provenSql,
  provenTypes,
  textColumns,
  unknownKeysSql,
  warningNames,
} from "./typed_sql.ts";
import { CHUNK_BYTES } from "../csv/chunks.ts";
import { beginProof, type HopefulFile } from "../csv/proof.ts";
import type { Written } from "../engine/engine.ts";
import { readKnownKeys } from "./known_keys.ts";
import type { KnownKeys } from "../csv/key_bits.ts";
import { accept, reject, type SourceFile } from "../source_file.ts";
import { literal } from "../sql.ts";

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
  const { config: { contract }, runFolder, step } = context;
  const target = (name: string) => join(runFolder, folder, name);
  await Deno.remove(join(runFolder, folder), { recursive: true }).catch(() => {});
  for (const name of ["split", "suspects"]) await Deno.mkdir(target(name), { recursive: true });
  const layouts = new Layouts(context.config);
  const buffer = Buffer.alloc(CHUNK_BYTES);
  const hopeful = await findHopeful(files, layouts, buffer, context);
  // While the engine reads it cannot be asked. A file that was hopeful is split without them, which only takes longer.
  const keys = hopeful.size < files.length ? await readKnownKeys(context.engine) : null;
  const reading = acceptHopeful([...hopeful.values()], target("proven"), context);
  await using splitting = new Splitting(target("split"), layouts, keys ?? new Map(), buffer, context);
  splitting.after(reading);
  const proven: ReadableFile[] = [];
  const given: ReadableFile[] = [];
  for (const file of files) {
    const hope = hopeful.get(file);
    const rowCount = await hope?.proof.prove() ?? null;
    if (hope && rowCount !== null) {
      proven.push({ ...hope, rowCount });
    } else {
      if (hope) given.push(hope);
      await splitting.add(file);
    }
    step.advance();
  }
  const split = await splitting.end();
  const read = await dropRows(given, await reading, target("proven-only"), context);
  const accepted = await dropUnknownKeys(proven, read, target("known"), context);
  // Each of their rows is exact, but may break a rule or have an unknown key. The others are accepted already.
  const suspects = proven.filter(({ tally, rowCount }) => tally.accepted < rowCount);
  const suspected = suspects.length > 0
    ? await splitSuspects(
      suspects,
      target("suspects"),
      layouts,
      keys ?? await readKnownKeys(context.engine),
      context,
    )
    : [];
  const rejects = joinWritten([...split.rejects, ...suspected]);
  await countAccepted(split.files, joinWritten(split.accepted), context);
  await countRejects([...suspects, ...split.files], rejects, context);

  const readable = [...proven, ...split.files];
  const decided = new Map(split.rejected.map((file) => [file.id, file]));
  for (const read of readable) decided.set(read.file.id, decide(read, contract));
  const dropped = readable.filter(({ file, tally }) =>
    tally.accepted > 0 && decided.get(file.id)?.status === "rejected"
  );
  const kept = await dropRows(dropped, [...accepted, ...split.accepted], target("kept"), context);
  return {
    files: files.map((file) => decided.get(file.id) ?? file),
    accepted: joinWritten(kept),
    rejects,
  };
}

/** The rejected rows of files that are proven and accepted as far as they can be. */
async function splitSuspects(
  suspects: readonly ReadableFile[],
  folder: string,
  layouts: Layouts,
  keys: ReadonlyMap<string, KnownKeys>,
  context: CheckContext,
): Promise<readonly Written[]> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  await using splitting = new Splitting(folder, layouts, keys, buffer, context, { onlyRejects: true });
  for (const { file } of suspects) await splitting.add(file);
  return (await splitting.end()).rejects;
}

/** A file whose rows are proven as far as its first chunk goes. */
interface Hopeful extends ReadableFile {
  /** Absolute. */
  readonly path: string;
  readonly layout: Layout;
  readonly proof: HopefulFile;
}

/** The files of which a scan may prove that they can be read typed. */
async function findHopeful(
  files: readonly SourceFile[],
  layouts: Layouts,
  buffer: Buffer,
  { config: { csv }, runFolder, signal }: CheckContext,
): Promise<Map<SourceFile, Hopeful>> {
  const hopeful = new Map<SourceFile, Hopeful>();
  for (const file of files) {
    const path = join(runFolder, file.content ?? "");
    let layout: Layout | null = null as Layout | null;
    const proof = await beginProof(path, { ...csv, buffer, signal }, (line) => {
      const found = layouts.of(line.split(csv.delimiter));
      layout = "reason" in found ? null : found;
      return layout?.inPlace ?? null;
    });
    if (proof && layout) {
      hopeful.set(file, { file, path, layout, header: layout.header, rowCount: 0, proof, tally: newTally() });
    }
  }
  return hopeful;
}

/** Files whose columns stand in the same places, so that one query reads them all. */
function groupByLayout(
  files: readonly Hopeful[],
): { readonly header: BoundHeader; readonly files: Hopeful[] }[] {
  return [...Map.groupBy(files, ({ layout }) => layout.key).values()]
    .flatMap((group) => group[0] ? { header: group[0].header, files: group } : []);
}

/** Large files that are read each by a view of its own, which costs less per row than looking its key up. */
const MOST_SINGLE_VIEWS = 64;

/** Reads files typed, before they are proven; what turns out not to be has to be dropped. */
async function acceptHopeful(
  files: readonly Hopeful[],
  folder: string,
  context: CheckContext,
): Promise<Written[]> {
  const { engine, config: { contract } } = context;
  const written: Written[] = [];
  for (const [index, { header, files: group }] of groupByLayout(files).entries()) {
    const selects: string[] = [];
    const large = group.filter(({ proof }) => !proof.isWhole).slice(0, MOST_SINGLE_VIEWS);
    for (const { file, path } of large) {
      await nameTyped(`typed_${file.id}`, [path], header, context);
      selects.push(`SELECT *, ${literal(file.key)} AS source_key FROM typed_${file.id}`);
    }
    const others = group.filter((file) => !large.includes(file));
    if (others.length > 0) {
      await engine.nameValues(
        "source",
        { filename: "VARCHAR", source_key: "VARCHAR" },
        others.map(({ file, path }) => ({ filename: path, source_key: file.key })),
      );
      await nameTyped("typed", others.map(({ path }) => path), header, context);
      selects.push("SELECT t.*, s.source_key FROM typed t JOIN source s ON t.filename = s.filename");
    }
    const sql = provenSql(selects.join(" UNION ALL "), header, contract);
    written.push(await writeParquet(sql, join(folder, String(index)), context));
  }
  return written;
}

async function nameTyped(
  view: string,
  files: readonly string[],
  header: BoundHeader,
  { engine, config: { csv } }: CheckContext,
): Promise<void> {
  await engine.nameText(view, {
    files,
    delimiter: csv.delimiter,
    columns: textColumns(header.width),
    types: provenTypes(header),
    skipLines: 1,
    maxLineBytes: csv.maxRowBytes,
  });
}

/** Counts the rows of proven files, and writes them anew without those whose keys are unknown, where there are any. */
async function dropUnknownKeys(
  files: readonly ReadableFile[],
  written: readonly Written[],
  folder: string,
  context: CheckContext,
): Promise<Written[]> {
  await countAccepted(files, joinWritten(written), context);
  if (written.every(({ rowCount }) => rowCount === 0)) return [];
  const [found] = await context.engine.query(unknownKeysSql());
  if (Number(found?.unknown_count) === 0) return [...written];
  const known = await writeParquet(knownKeysSql(), folder, context);
  for (const { tally } of files) tally.accepted = 0, tally.warnings = {};
  await countAccepted(files, known, context);
  return [known];
}

/** Names the accepted rows, and fills in how many of them each file has, and their warnings. */
async function countAccepted(
  files: readonly ReadableFile[],
  accepted: Written,
  { engine, config: { contract } }: CheckContext,
): Promise<void> {
  if (accepted.rowCount === 0) return;
  await engine.nameParquet("accepted_sales", accepted.files);
  const byKey = new Map(files.map(({ file, tally }) => [file.key, tally]));
  const warnings = warningNames(contract);
  for (const row of await engine.query(acceptedCountsSql(contract))) {
    const tally = byKey.get(String(row["@source_key"]));
    if (!tally) throw new Error(`accepted rows of ${row["@source_key"]}, which was not read`);
    tally.accepted = Number(row["@accepted"]);
    tally.warnings = Object.fromEntries(
      warnings.map((name) => [name, Number(row[name])] as const).filter(([, count]) => count > 0),
    );
  }
}

/** Fills in rejected rows of the files, by reason. */
async function countRejects(
  files: readonly ReadableFile[],
  rejects: Written,
  { engine }: CheckContext,
): Promise<void> {
  if (rejects.rowCount === 0) return;
  await engine.nameParquet("judged", rejects.files);
  const byId = new Map(files.map(({ file, tally }) => [file.id, tally]));
  const rows = await engine.query(
    `SELECT file_id, reason, count(*) AS row_count FROM (${rejectsSql("judged")})
     GROUP BY file_id, reason ORDER BY file_id, reason`,
  );
  for (const row of rows) {
    const tally = byId.get(Number(row.file_id));
    if (!tally) throw new Error(`rejects of file ${row.file_id}, which was not read`);
    tally.rejects[String(row.reason)] = Number(row.row_count);
  }
}

/** Decides between accepted and too_many_rejects. */
function decide({ file, rowCount: rowsRead, tally }: ReadableFile, contract: Contract): SourceFile {
  const { accepted: rowsAccepted, warnings, rejects } = tally;
  const rowsRejected = Object.values(rejects).reduce((sum, count) => sum + count, 0);
  if (rowsAccepted + rowsRejected !== rowsRead) {
    throw new Error(
      `${file.key}: ${rowsRead} rows read, but ${rowsAccepted} accepted and ${rowsRejected} rejected`,
    );
  }
  const tooMany = rowsRejected >= contract.minRejectsForShare && rowsRejected > 0 &&
    // Not as a product: 0.29 * 100 is less than 29, while 29 / 100 is the same number as 0.29.
    rowsRejected / rowsRead > contract.maxRejectedShare;
  if (!tooMany) return accept(file, { rowsRead, rowsAccepted, rowsRejected, warnings, rejects });
  const share = (100 * rowsRejected / rowsRead).toFixed(1);
  const detail = `${rowsRejected} of ${rowsRead} rows (${share} %) were rejected; ` +
    `contract.maxRejectedShare is ${contract.maxRejectedShare}`;
  const counts = { rowsRead, rowsAccepted: 0, rowsRejected: rowsRead, warnings: {}, rejects };
  return reject(file, { reason: "too_many_rejects", detail }, counts);
}

/** Writes the folders anew that hold rows of the dropped files. */
async function dropRows(
  dropped: readonly ReadableFile[],
  parts: readonly Written[],
  folder: string,
  context: CheckContext,
): Promise<Written[]> {
  if (dropped.length === 0) return [...parts];
  const { engine } = context;
  await engine.nameValues(
    "dropped",
    { source_key: "VARCHAR" },
    dropped.map(({ file }) => ({ source_key: file.key })),
  );
  const kept: Written[] = [];
  for (const [index, written] of parts.entries()) {
    if (written.rowCount === 0) continue;
    await engine.nameParquet("written", written.files);
    const [hit] = await engine.query(
      `SELECT count(*) AS row_count FROM written SEMI JOIN dropped USING (source_key)`,
    );
    const sql = `SELECT * FROM written ANTI JOIN dropped USING (source_key)`;
    const untouched = Number(hit?.row_count) === 0;
    kept.push(untouched ? written : await writeParquet(sql, join(folder, String(index)), context));
  }
  return kept;
}
