/**
 * Writes a CSV of rejected rows for each file that has any, in the order of the source file's lines.
 *
 * The engine writes the rejects of many files one after the other, and they are dealt out by their lines: a partitioned
 * write of DuckDB keeps no order, and a write for each of many files would take longer than all else.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { CheckContext } from "./context.ts";
import { rejectsSql } from "./judge_sql.ts";
import { CHUNK_BYTES, readChunks } from "../csv/chunks.ts";
import { LF } from "../csv/marks.ts";
import type { Engine, Written } from "../engine/engine.ts";
import { wrapSystemError } from "../errors.ts";
import { REJECTS_HEADER } from "./reject_reader.ts";
import type { SourceFile } from "../source_file.ts";

/** Rejects that are sorted at once: a sort of 10 million would not stay within the memory limit. */
const SORTED_ROWS = 500_000;

/** How many lines of a CSV each file has; a value may have line ends, which make more lines of a row. */
const LINE_COUNTS = `SELECT file_id, sum(CASE WHEN contains("text", chr(10))
    THEN 1 + length("text") - length(replace("text", chr(10), '')) ELSE 1 END) AS line_count
  FROM (SELECT file_id, concat(reason, "column", detail, raw) AS "text" FROM rejects)
  GROUP BY file_id ORDER BY file_id`;

/** Rejects that have to be written. */
export interface Rejects {
  /** The run's files in order of their ids. */
  readonly files: readonly FaultyFile[];
  /** Judged rows as Parquet, of which the rejected ones are counted. */
  readonly rejects: Written;
  /** The rows of the CSVs: a SELECT from the view `rejects`, with `file_id`, ordered by it and by line. */
  readonly sql: string;
  /** Rejects that are sorted at once. */
  readonly sortedRows?: number;
}

/** The parts of a source file that are used. */
export type FaultyFile = Pick<SourceFile, "id" | "rejects">;

/** Writes the CSVs, and makes sure that every reject is in one; gives their paths in the run's folder by file id. */
export async function writeRejectFiles(
  { files, rejects, sql, sortedRows = SORTED_ROWS }: Rejects,
  { engine, runFolder, signal }: Pick<CheckContext, "engine" | "runFolder" | "signal">,
): Promise<Map<number, string>> {
  const csvs = new RejectCsvs(files, runFolder);
  if (rejects.rowCount === 0) return csvs.paths;
  await engine.nameParquet("@judged", rejects.files);
  await engine.nameQuery("@all_rejects", rejectsSql("@judged"));
  const sorted = join(runFolder, "rejects", "sorted");
  let rowCount = 0;
  for await (const range of rangesOf(files, sortedRows, engine)) {
    await engine.nameQuery("rejects", `SELECT * FROM "@all_rejects" WHERE ${range}`);
    const target = { folder: sorted, format: "csv", fileName: "rejects" } as const;
    const all = await engine.write(`SELECT * EXCLUDE file_id FROM (${sql})`, target);
    rowCount += all.rowCount;
    const [csv] = all.files;
    if (csv === undefined) continue;
    const shares = (await engine.query(LINE_COUNTS)).map(({ file_id, line_count }) => ({
      fileId: Number(file_id),
      lineCount: Number(line_count),
    }));
    await dealOut(csv, shares, csvs, signal);
  }
  await Deno.remove(sorted, { recursive: true });
  if (rowCount !== rejects.rowCount) {
    throw new Error(`${rejects.rowCount} rows are rejected, but ${rowCount} were written`);
  }
  return csvs.paths;
}

/** Which rejects to sort at once, as SQL conditions in the order of files and lines: those of some files, or lines of one. */
async function* rangesOf(
  files: readonly FaultyFile[],
  sortedRows: number,
  engine: Engine,
): AsyncGenerator<string> {
  let rowCount = 0, first = 0, last = -1;
  for (const file of files) {
    const count = countOf(file);
    if (rowCount > 0 && rowCount + count > sortedRows) {
      yield `file_id BETWEEN ${first} AND ${last}`;
      rowCount = 0;
    }
    if (count > sortedRows) {
      const ofFile = `file_id = ${file.id}`;
      const [found] = await engine.query(`SELECT max(line) AS last_line FROM "@all_rejects" WHERE ${ofFile}`);
      for (let line = 1; line <= Number(found?.last_line); line += sortedRows) {
        yield `${ofFile} AND line BETWEEN ${line} AND ${line + sortedRows - 1}`;
      }
    } else if (count > 0) {
      if (rowCount === 0) first = file.id;
      last = file.id;
      rowCount += count;
    }
  }
  if (rowCount > 0) yield `file_id BETWEEN ${first} AND ${last}`;
}

/** The rejects that a file has; of one that has too many of them `rowsRejected` counts all other rows too. */
function countOf({ rejects }: FaultyFile): number {
  return Object.values(rejects).reduce((sum, count) => sum + count, 0);
}

/** The lines of one file in a CSV of many. */
interface Share {
  readonly fileId: number;
  readonly lineCount: number;
}

/** Deals out a CSV that holds the lines of one file after the other to the CSV of each file. */
async function dealOut(
  csv: string,
  shares: readonly Share[],
  csvs: RejectCsvs,
  signal: AbortSignal,
): Promise<void> {
  using source = await Deno.open(csv);
  await source.seek(REJECTS_HEADER.length + 1, Deno.SeekMode.Start);
  let at = -1, left = 0;
  for await (const chunk of readChunks(source, Buffer.alloc(CHUNK_BYTES), signal)) {
    for (let from = 0, to = 0; from < chunk.length; from = to) {
      if (left === 0) left = shares[++at]?.lineCount ?? 0;
      for (; left > 0 && to < chunk.length; left--) {
        const end = chunk.indexOf(LF, to);
        to = end < 0 ? chunk.length : end + 1;
        if (end < 0) break;
      }
      csvs.add(shares[at]?.fileId, chunk.subarray(from, to));
    }
  }
  if (left > 0 || at < shares.length - 1) throw new Error("there are fewer rejects than the files have");
}

/** The CSVs of a run's files: a file has one, beginning with the header, as soon as it has a reject. */
class RejectCsvs {
  /** Paths within the run's folder, by file id. */
  readonly paths: Map<number, string> = new Map();
  readonly #ids: ReadonlySet<number | undefined>;
  readonly #runFolder: string;

  constructor(files: readonly FaultyFile[], runFolder: string) {
    this.#ids = new Set(files.map(({ id }) => id));
    this.#runFolder = runFolder;
  }

  add(fileId: number | undefined, rows: Uint8Array): void {
    if (fileId === undefined || !this.#ids.has(fileId)) {
      throw new Error("there are more rejects than the files have");
    }
    const csv = `rejects/${fileId}.csv`;
    const path = join(this.#runFolder, csv);
    try {
      if (!this.paths.has(fileId)) Deno.writeTextFileSync(path, `${REJECTS_HEADER}\n`);
      Deno.writeFileSync(path, rows, { append: true });
    } catch (error) {
      throw wrapSystemError(error, `Cannot write ${path}`);
    }
    this.paths.set(fileId, csv);
  }
}
