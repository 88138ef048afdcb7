/**
 * Writes a CSV of rejected rows for each file that has any, in the order of the source file's lines.
 *
 * A partitioned write of DuckDB does not keep an order: it collects small pieces of a partition and passes large ones on,
 * on several threads. So files share a write only as long as all their rows are one piece, and others have their own.
 *
 * @module
 */
import { join } from "node:path";
import type { ComputeContext } from "./context.ts";
import { nameWithin, type Written } from "./engine/engine.ts";
import { wrapSystemError } from "./errors.ts";
import type { SourceFile } from "./manifest.ts";
import { REJECTS_HEADER } from "./reject_file.ts";

/** Rows that DuckDB hands on in one piece (STANDARD_VECTOR_SIZE). */
const PIECE_ROWS = 2048;
/** Files of a partitioned write that DuckDB keeps open (partitioned_write_max_open_files). */
const OPEN_FILES = 100;
/** Lines whose rejects are sorted at once: a sort of 10 million rejects would not stay within the memory limit. */
const SORTED_LINES = 500_000;

/** What has to be written. */
export interface Rejects {
  /** The run's files in order of their ids; it is filled in where the CSV of each is. */
  readonly files: readonly FaultyFile[];
  /** As Parquet; see `rejectsSql`. */
  readonly rejects: Written;
  /** What the CSVs have: a SELECT from the view `rejects`, with `file_id`, ordered by it and by line. */
  readonly sql: string;
  /** Lines whose rejects are sorted at once, where a file has more rejects. */
  readonly sortedLines?: number;
}

type FaultyFile = Pick<SourceFile, "id" | "rejects" | "rejectsFile">;
type Context = Pick<ComputeContext, "engine" | "runFolder">;

/** Writes the CSVs, and makes sure that every reject is in one. */
export async function writeRejectFiles(
  { files, rejects, sql, sortedLines = SORTED_LINES }: Rejects,
  context: Context,
): Promise<void> {
  if (rejects.rowCount === 0) return;
  await context.engine.nameParquet("all_rejects", rejects.files);
  let rowCount = 0;
  for (const [file, ...others] of batchesOf(files)) {
    if (file === undefined) continue;
    rowCount += others.length > 0
      ? await writeSome([file, ...others], sql, context)
      : await writeOne(file, sql, sortedLines, context);
  }
  if (rowCount !== rejects.rowCount) {
    throw new Error(`${rejects.rowCount} rows are rejected, but ${rowCount} were written`);
  }
}

/** Files with rejects, by their ids: some that can share a write, or one. */
function* batchesOf(files: readonly FaultyFile[]): Generator<FaultyFile[]> {
  let batch: FaultyFile[] = [], rowCount = 0;
  for (const file of files) {
    const count = countOf(file);
    if (count === 0) continue;
    if (batch.length === OPEN_FILES || rowCount + count > PIECE_ROWS) {
      if (batch.length > 0) yield batch;
      batch = [];
      rowCount = 0;
    }
    batch.push(file);
    rowCount += count;
  }
  if (batch.length > 0) yield batch;
}

/** Of a file that is rejected for too many of them, all other rows count as rejected too. */
function countOf({ rejects }: FaultyFile): number {
  return Object.values(rejects).reduce((sum, count) => sum + count, 0);
}

/** Writes the rejects of files that share one piece. */
async function writeSome(
  batch: readonly FaultyFile[],
  sql: string,
  { engine, runFolder }: Context,
): Promise<number> {
  const [first, last] = [batch[0]?.id, batch.at(-1)?.id];
  const folder = join(runFolder, "rejects", `${first}-${last}`);
  await engine.nameQuery(
    "rejects",
    `SELECT * FROM all_rejects WHERE file_id BETWEEN ${first} AND ${last}`,
  );
  const written = await engine.write(sql, {
    folder,
    format: "csv",
    fileName: "rejects-{i}",
    partitionBy: ["file_id"],
  });
  const byId = new Map(batch.map((file) => [file.id, file]));
  for (const csv of written.files) {
    const id = Number(/file_id=(\d+)\//.exec(nameWithin(folder, csv))?.[1]);
    const file = byId.get(id);
    if (!file || file.rejectsFile !== null) {
      throw new Error(`the rejects of file ${id} are not in one file of their own`);
    }
    file.rejectsFile = nameWithin(runFolder, csv);
  }
  return written.rowCount;
}

/** Writes the rejects of one file, some lines after the other. */
async function writeOne(
  file: FaultyFile,
  sql: string,
  sortedLines: number,
  { engine, runFolder }: Context,
): Promise<number> {
  const ofFile = `SELECT * FROM all_rejects WHERE file_id = ${file.id}`;
  const [found] = await engine.query(`SELECT max(line) AS last_line FROM (${ofFile})`);
  const lastLine = Number(found?.last_line);
  const step = countOf(file) > sortedLines ? sortedLines : lastLine;
  let csv: string | null = null, rowCount = 0;
  for (let line = 1; line <= lastLine; line += step) {
    await engine.nameQuery("rejects", `${ofFile} AND line BETWEEN ${line} AND ${line + step - 1}`);
    const folder = join(runFolder, "rejects", `${file.id}-${line}`);
    const written = await engine.write(`SELECT * EXCLUDE file_id FROM (${sql})`, {
      folder,
      format: "csv",
      fileName: "rejects",
    });
    const [part] = written.files;
    rowCount += written.rowCount;
    if (part === undefined) continue;
    if (csv === null) {
      csv = part;
    } else {
      await appendRows(csv, part);
      await Deno.remove(folder, { recursive: true });
    }
  }
  file.rejectsFile = csv === null ? null : nameWithin(runFolder, csv);
  return rowCount;
}

/** Adds the rows of a CSV, without its header, to another. */
async function appendRows(csv: string, part: string): Promise<void> {
  try {
    using target = await Deno.open(csv, { append: true });
    using source = await Deno.open(part);
    await source.seek(REJECTS_HEADER.length + 1, Deno.SeekMode.Start);
    await source.readable.pipeTo(target.writable);
  } catch (error) {
    throw wrapSystemError(error, `Cannot write ${csv}`);
  }
}
