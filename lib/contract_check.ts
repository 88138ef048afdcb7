/**
 * The contract check over a set of files: accepted rows as Parquet, rejected rows with line, reason and raw text.
 *
 * Files with the same header are read together. Those whose every row a scan proves to be exact are read typed, while
 * the scan goes on; where fewer rows of such a file are accepted than it has lines, the others are looked for among
 * them. All other files are read line by line, the irregular ones once they are normalised: most rows match one pattern
 * as a whole, and of the rest each value is looked at. At the end, for each file, rows read = accepted + rejected, where
 * the rows read are counted by the scan and not by the reader.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Config } from "./config_schema.ts";
import type { Log } from "./log.ts";
import {
  acceptedCountsSql,
  acceptedRowsSql,
  bindHeader,
  type BoundHeader,
  easyRowsSql,
  knownKeysSql,
  layoutOf,
  type LineForm,
  NORMALISED_FORM,
  normalisedRowsSql,
  otherLinesSql,
  provenSql,
  provenTypes,
  regularForm,
  regularRowsSql,
  rejectsSql,
  siftedSql,
  textColumns,
  unknownKeysSql,
  warningNames,
} from "./contract_sql.ts";
import { normaliseCsv } from "./csv_normalise.ts";
import { NO_DELIMITER } from "./csv_marks.ts";
import { CHUNK_BYTES } from "./csv_chunks.ts";
import { beginProof, type HopefulFile } from "./csv_proof.ts";
import { scanCsv } from "./csv_scan.ts";
import { compileSpelling, type SpellingTable } from "./csv_spelling.ts";
import { literal } from "./duckdb.ts";
import type { Engine, Written } from "./engine/engine.ts";
import type { SourceFile } from "./manifest.ts";
import type { ProgressStep } from "./progress.ts";

/** What the check needs. */
export interface CheckContext {
  /** The run's configuration. */
  readonly config: Config;
  /** With the dimensions as views. */
  readonly engine: Engine;
  /** Absolute; paths of files are relative to it. */
  readonly runFolder: string;
  /** Stops the check. */
  readonly signal: AbortSignal;
  /** Advanced by one for every file. */
  readonly step: ProgressStep;
  /** What happens, for the operator. */
  readonly log: Log;
}

/** A file that has a header with everything in it. */
interface ReadableFile {
  readonly file: SourceFile;
  /** Absolute path of what the engine reads: the file itself, or what it was normalised to. */
  readonly path: string;
  readonly normalised: boolean;
  readonly header: BoundHeader;
  readonly rowCount: number;
}

interface Group<File extends ReadableFile = ReadableFile> {
  readonly header: BoundHeader;
  readonly files: File[];
}

/** What a check wrote, as Parquet. */
export interface Checked {
  /** Rows of accepted files, as `acceptedRowsSql` gives them. */
  readonly accepted: Written;
  /** Rejected rows, as `rejectsSql` gives them. */
  readonly rejects: Written;
}

/** An escape takes two bytes, and a row stands in a normalised line twice at most: as raw text and as fields. */
const NORMALISED_GROWTH = 4;
/** Its line number and two separators. */
const NORMALISED_HEAD_BYTES = 20;

/**
 * Checks files and fills in their status, reason and counts.
 *
 * @param folder Name of the folder within the run's that takes the results; emptied first.
 */
export async function checkFiles(
  files: readonly SourceFile[],
  folder: string,
  context: CheckContext,
): Promise<Checked> {
  const { runFolder } = context;
  await Deno.remove(join(runFolder, folder), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(runFolder, folder, "normalised"), { recursive: true });
  const target = (name: string) => join(runFolder, folder, name);
  const buffer = Buffer.alloc(CHUNK_BYTES);
  const hopeful = await findHopeful(files, buffer, context);
  const reading = acceptHopeful([...hopeful.values()], target("proven"), context);
  // Whatever becomes of it, it is not looked at before the files are scanned.
  const settled = reading.catch(() => {});
  const proven: ReadableFile[] = [];
  const regular: ReadableFile[] = [];
  const irregular: ReadableFile[] = [];
  const given: ReadableFile[] = [];
  try {
    for (const file of files) {
      const hope = hopeful.get(file);
      const rowCount = await hope?.proof.prove() ?? null;
      if (hope && rowCount !== null) {
        proven.push({ ...hope, rowCount });
      } else {
        if (hope) given.push(hope);
        const found = await openFile(file, join(runFolder, folder), buffer, context);
        if (found) (found.normalised ? irregular : regular).push(found);
      }
      context.step.advance();
    }
  } finally {
    // The engine works on one thing at a time, and must not be closed while it does.
    await settled;
  }
  const read = await dropRows(given, await reading, "source_key", target("proven-only"), context);
  const accepted = await dropUnknownKeys(proven, read, target("known"), context);
  // As far as they are proven: a row may still break a rule, name a day that does not exist, or have an unknown key.
  const suspects = proven.filter(({ file, rowCount }) => file.rowsAccepted < rowCount);
  const rejects: Written[] = [];
  for (const [index, group] of groupByHeader(suspects).entries()) {
    const lines = await nameLines(group, context);
    const { files } = await writeParquet(
      otherLinesSql(`(${siftedSql("lines", group.header, context.config.contract, lines.form)})`),
      target(`suspect-${index}`),
      context,
    );
    if (files.length === 0) continue;
    await context.engine.nameParquet("other_lines", files);
    await lines.nameRows("other_lines");
    rejects.push(await rejectRows(group, lines, target(`suspect-rejects-${index}`), context));
  }
  const byLine: Written[] = [];
  for (const [name, part] of [["regular", regular], ["irregular", irregular]] as const) {
    for (const [index, group] of groupByHeader(part).entries()) {
      const sifted = await siftRows(group, target(`${name}-${index}`), context);
      byLine.push(...sifted.accepted);
      rejects.push(...sifted.rejects);
    }
  }
  await countAccepted([...regular, ...irregular], joinWritten(byLine), context);
  await countRejects([...suspects, ...regular, ...irregular], joinWritten(rejects), context);
  accepted.push(...byLine);

  const readable = [...proven, ...regular, ...irregular];
  for (const { file, rowCount } of readable) {
    file.rowsRead = rowCount;
    if (file.rowsAccepted + file.rowsRejected === rowCount) continue;
    throw new Error(
      `${file.key}: ${rowCount} rows read, but ${file.rowsAccepted} accepted and ${file.rowsRejected} rejected`,
    );
  }
  const dropped = readable.filter(({ file }) => judgeShare(file, context.config.contract));
  return {
    accepted: joinWritten(await dropRows(dropped, accepted, "source_key", target("kept"), context)),
    rejects: joinWritten(rejects),
  };
}

/** A file whose rows are proven as far as its first chunk goes. */
interface Hopeful extends ReadableFile {
  readonly proof: HopefulFile;
}

/** The files of which a scan may prove that they can be read typed. */
async function findHopeful(
  files: readonly SourceFile[],
  buffer: Buffer,
  { config: { csv, contract }, runFolder, signal }: CheckContext,
): Promise<Map<SourceFile, Hopeful>> {
  const layouts = new Map<string, { header: BoundHeader; table: SpellingTable } | null>();
  const layoutFor = (line: string) => {
    let layout = layouts.get(line);
    if (layout === undefined) {
      const header = bindHeader(line.split(csv.delimiter), contract, csv.maxColumns);
      layout = "reason" in header
        ? null
        : { header, table: compileSpelling(layoutOf(header), csv.delimiter, csv.quote) };
      layouts.set(line, layout);
    }
    return layout;
  };
  const hopeful = new Map<SourceFile, Hopeful>();
  for (const file of files) {
    const path = join(runFolder, file.content ?? "");
    const proof = await beginProof(
      path,
      { ...csv, buffer, signal },
      (line) => layoutFor(line)?.table ?? null,
    );
    const header = proof && layoutFor(proof.header)?.header;
    if (header) {
      hopeful.set(file, { file, path, normalised: false, header, rowCount: 0, proof });
    }
  }
  return hopeful;
}

/** Scans a file, normalises it where needed, and binds its header; `null` where the whole file is rejected. */
async function openFile(
  file: SourceFile,
  folder: string,
  buffer: Buffer,
  context: CheckContext,
): Promise<ReadableFile | null> {
  const { config: { csv, contract }, runFolder, signal } = context;
  let path = join(runFolder, file.content ?? "");
  const scan = await scanCsv(path, { ...csv, buffer, signal });
  if (scan.kind === "empty") return reject(file, "empty_file", "it has no bytes");
  if (scan.kind === "not_utf8") return reject(file, "not_utf8", "it is not UTF-8 text");
  let names: readonly string[],
    rowCount: number,
    malformed: { line: number; detail: string } | null = null;
  if (scan.kind === "regular") {
    names = scan.header.split(csv.delimiter);
    rowCount = scan.rowCount;
  } else {
    const normalised = join(folder, "normalised", `${file.id}.txt`);
    const result = await normaliseCsv(path, normalised, csv, signal);
    if (result.kind === "empty") return reject(file, "empty_file", "it has nothing but blank lines");
    path = normalised;
    names = result.header ?? [];
    rowCount = result.rowCount;
    malformed = result.malformed;
  }
  // A header that cannot be read comes before what would be wrong with its columns.
  const header = names.length > 0 ? bindHeader(names, contract, csv.maxColumns) : null;
  if (header && "reason" in header) {
    if ("columns" in header) file.columns = header.columns;
    return reject(file, header.reason, header.detail);
  }
  if (malformed) {
    file.line = malformed.line;
    return reject(file, "malformed_csv", `line ${malformed.line}: ${malformed.detail}`);
  }
  return header && { file, path, normalised: scan.kind === "irregular", header, rowCount };
}

function reject(file: SourceFile, reason: string, detail: string): null {
  Object.assign(file, { status: "rejected", reason, detail });
  return null;
}

/** Files whose columns stand in the same places, so that one query reads them all. */
function groupByHeader<File extends ReadableFile>(files: readonly File[]): Group<File>[] {
  const groups = new Map<string, Group<File>>();
  for (const file of files) {
    const layout = JSON.stringify([file.header.width, file.header.columns.map((column) => column.index)]);
    const group = groups.get(layout) ?? { header: file.header, files: [] };
    group.files.push(file);
    groups.set(layout, group);
  }
  return [...groups.values()];
}

/** @param parts Files whose rows are numbered one after the other. */
async function nameSource(parts: readonly (readonly ReadableFile[])[], engine: Engine): Promise<void> {
  const rows = parts.flatMap((files) => {
    let firstRow = 1;
    return files.map(({ file, path, rowCount }) => {
      const row = { filename: path, source_key: file.key, file_id: file.id, first_row: firstRow };
      firstRow += rowCount;
      return row;
    });
  });
  const columns = { filename: "VARCHAR", source_key: "VARCHAR", file_id: "BIGINT", first_row: "BIGINT" };
  await engine.nameValues("source", columns, rows);
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
  for (const [index, group] of groupByHeader(files).entries()) {
    const selects: string[] = [];
    const large = group.files.filter(({ proof }) => !proof.isWhole).slice(0, MOST_SINGLE_VIEWS);
    for (const { file, path } of large) {
      await nameTyped(`typed_${file.id}`, [path], group.header, context);
      selects.push(`SELECT *, ${literal(file.key)} AS source_key FROM typed_${file.id}`);
    }
    const others = group.files.filter((file) => !large.includes(file));
    if (others.length > 0) {
      await nameSource([others], engine);
      await nameTyped("typed", others.map(({ path }) => path), group.header, context);
      selects.push("SELECT t.*, s.source_key FROM typed t JOIN source s ON t.filename = s.filename");
    }
    await engine.nameQuery("typed_rows", selects.join(" UNION ALL "));
    const sql = provenSql("typed_rows", group.header, contract);
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
  for (const { file } of files) Object.assign(file, { rowsAccepted: 0, warnings: {} });
  await countAccepted(files, known, context);
  return [known];
}

/** Lines are numbered by one thread; so many parts are read at once. */
const NUMBERED_PARTS = 4;
/** A smaller part is not worth a reader of its own. */
const LEAST_PART_ROWS = 100_000;

/** Splits files into a few parts of about as many rows, in their order. */
function splitFiles(files: readonly ReadableFile[]): (readonly ReadableFile[])[] {
  const rowCount = files.reduce((sum, file) => sum + file.rowCount, 0);
  const partRows = Math.max(LEAST_PART_ROWS, rowCount / NUMBERED_PARTS);
  const parts: ReadableFile[][] = [[]];
  let inPart = 0;
  for (const file of files) {
    if (inPart >= partRows) {
      parts.push([]);
      inPart = 0;
    }
    parts.at(-1)?.push(file);
    inPart += file.rowCount;
  }
  return parts;
}

/** The lines of a group's files. */
interface Lines {
  readonly form: LineForm;
  /** What `rejectsSql` takes. */
  readonly plainDelimiter: string | null;
  /** Names the rows of such lines `checked_rows`. */
  nameRows(lines: string): Promise<void>;
}

/** Names the lines of a group's files `lines`. */
async function nameLines(group: Group, { engine, config: { csv } }: CheckContext): Promise<Lines> {
  const text = { delimiter: NO_DELIMITER, columns: ["@text"] };
  if (group.files[0]?.normalised) {
    await nameSource([group.files], engine);
    const files = group.files.map(({ path }) => path);
    const maxLineBytes = csv.maxRowBytes * NORMALISED_GROWTH + NORMALISED_HEAD_BYTES;
    await engine.nameText("text_lines", { ...text, files, skipLines: 0, maxLineBytes });
    await engine.nameQuery("lines", "SELECT *, NULL::BIGINT AS line_number FROM text_lines");
    return {
      form: NORMALISED_FORM,
      plainDelimiter: null,
      nameRows: (lines) => engine.nameQuery("checked_rows", normalisedRowsSql(lines, csv.delimiter)),
    };
  }
  const parts = splitFiles(group.files);
  await nameSource(parts, engine);
  for (const [i, part] of parts.entries()) {
    const files = part.map(({ path }) => path);
    const options = { ...text, files, skipLines: 1, maxLineBytes: csv.maxRowBytes, numbered: true };
    await engine.nameText(`lines_${i}`, options);
  }
  await engine.nameQuery("lines", parts.map((_, i) => `SELECT * FROM lines_${i}`).join(" UNION ALL "));
  return {
    form: regularForm(csv.delimiter),
    plainDelimiter: csv.delimiter,
    nameRows: (lines) => engine.nameQuery("checked_rows", regularRowsSql(lines, csv.delimiter)),
  };
}

/** Reads the lines once, takes the rows that are accepted easily, and looks at the others value by value. */
async function siftRows(
  group: Group,
  folder: string,
  context: CheckContext,
): Promise<{ accepted: Written[]; rejects: Written[] }> {
  const { engine, config: { contract } } = context;
  const { header } = group;
  const lines = await nameLines(group, context);
  const sifted = await writeParquet(
    siftedSql("lines", header, contract, lines.form),
    `${folder}-sifted`,
    context,
  );
  if (sifted.rowCount === 0) return { accepted: [], rejects: [] };
  await engine.nameParquet("sifted", sifted.files);
  const easy = await writeParquet(easyRowsSql("sifted", header), `${folder}-easy`, context);
  const accepted = [easy], rejects: Written[] = [];
  if (easy.rowCount < sifted.rowCount) {
    await engine.nameQuery("other_lines", otherLinesSql("sifted"));
    await lines.nameRows("other_lines");
    const others = acceptedRowsSql("checked_rows", header, contract);
    accepted.push(await writeParquet(others, `${folder}-others`, context));
    rejects.push(await rejectRows(group, lines, `${folder}-rejects`, context));
  }
  // It is as large as all the others together.
  await Deno.remove(`${folder}-sifted`, { recursive: true });
  return { accepted, rejects };
}

async function rejectRows(
  group: Group,
  { plainDelimiter }: Lines,
  folder: string,
  context: CheckContext,
): Promise<Written> {
  return await writeParquet(
    rejectsSql("checked_rows", group.header, context.config.contract, plainDelimiter),
    folder,
    context,
  );
}

function writeParquet(sql: string, folder: string, { engine, step }: CheckContext): Promise<Written> {
  return engine.write(
    sql,
    { folder, format: "parquet", fileName: "part-{i}" },
    (share) => step.update(share),
  );
}

/** Names the accepted rows, and fills in how many of them each file has, and their warnings. */
async function countAccepted(
  files: readonly ReadableFile[],
  accepted: Written,
  { engine, config: { contract } }: CheckContext,
): Promise<void> {
  if (accepted.rowCount === 0) return;
  await engine.nameParquet("accepted_sales", accepted.files);
  const byKey = new Map(files.map(({ file }) => [file.key, file]));
  const warnings = warningNames(contract);
  for (const row of await engine.query(acceptedCountsSql(contract))) {
    const file = byKey.get(String(row["@source_key"]));
    if (!file) throw new Error(`accepted rows of ${row["@source_key"]}, which was not read`);
    file.rowsAccepted = Number(row["@accepted"]);
    file.warnings = Object.fromEntries(
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
  await engine.nameParquet("rejects", rejects.files);
  const byId = new Map(files.map(({ file }) => [file.id, file]));
  const rows = await engine.query(
    "SELECT file_id, reason, count(*) AS row_count FROM rejects GROUP BY file_id, reason ORDER BY file_id, reason",
  );
  for (const row of rows) {
    const file = byId.get(Number(row.file_id));
    if (!file) throw new Error(`rejects of file ${row.file_id}, which was not read`);
    file.rejects[String(row.reason)] = Number(row.row_count);
    file.rowsRejected += Number(row.row_count);
  }
}

/** Decides between accepted and too_many_rejects; whether accepted rows have to be taken out again. */
function judgeShare(file: SourceFile, contract: Config["contract"]): boolean {
  const { rowsRead, rowsAccepted, rowsRejected } = file;
  const tooMany = rowsRejected >= contract.minRejectsForShare && rowsRejected > 0 &&
    // Not as a product: 0.29 * 100 is less than 29, while 29 / 100 is the same number as 0.29.
    rowsRejected / rowsRead > contract.maxRejectedShare;
  if (!tooMany) {
    file.status = "accepted";
    return false;
  }
  const share = (100 * rowsRejected / rowsRead).toFixed(1);
  reject(
    file,
    "too_many_rejects",
    `${rowsRejected} of ${rowsRead} rows (${share} %) were rejected; contract.maxRejectedShare is ` +
      contract.maxRejectedShare,
  );
  Object.assign(file, { rowsAccepted: 0, rowsRejected: rowsRead, warnings: {} });
  return rowsAccepted > 0;
}

/** Writes the folders anew that hold rows of the dropped files. */
async function dropRows(
  dropped: readonly ReadableFile[],
  parts: readonly Written[],
  by: "source_key" | "file_id",
  folder: string,
  context: CheckContext,
): Promise<Written[]> {
  if (dropped.length === 0) return [...parts];
  const { engine } = context;
  await engine.nameValues(
    "dropped",
    { source_key: "VARCHAR", file_id: "BIGINT" },
    dropped.map(({ file }) => ({ source_key: file.key, file_id: file.id })),
  );
  const kept: Written[] = [];
  for (const [index, written] of parts.entries()) {
    if (written.rowCount === 0) continue;
    await engine.nameParquet("written", written.files);
    const [hit] = await engine.query(
      `SELECT count(*) AS row_count FROM written SEMI JOIN dropped USING (${by})`,
    );
    const sql = `SELECT * FROM written ANTI JOIN dropped USING (${by})`;
    const untouched = Number(hit?.row_count) === 0;
    kept.push(untouched ? written : await writeParquet(sql, join(folder, String(index)), context));
  }
  return kept;
}

/** Several results as one. */
export function joinWritten(parts: readonly Written[]): Written {
  return {
    rowCount: parts.reduce((sum, part) => sum + part.rowCount, 0),
    files: parts.flatMap((part) => part.files),
  };
}
