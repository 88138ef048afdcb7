/**
 * Rows of split files with the same layout, and how the engine reads them: the exact ones typed, the doubtful ones value
 * by value, and with these what the typed reading does not accept.
 *
 * @module
 */
import { type CheckContext, writeParquet } from "./context.ts";
import type { BoundHeader } from "./header.ts";
import { acceptedRowsSql, judgedSql } from "./judge_sql.ts";
import type { Layout } from "./layouts.ts";
import { normalisedColumns, normalisedTypes } from "./row_sql.ts";
import { copiedLinesSql, copiedRowsSql, leftRowsSql } from "./typed_sql.ts";
import type { KnownKeys } from "../csv/key_bits.ts";
import { NO_DELIMITER } from "../csv/marks.ts";
import type { RowWriter } from "../csv/row_writer.ts";
import type { SpellingTable } from "../csv/spelling.ts";
import type { SplitTarget } from "../csv/split.ts";
import type { Written } from "../engine/engine.ts";
import type { SourceFile } from "../source_file.ts";

/** What is wanted of split files: nothing but rejected rows, if their accepted ones are there already. */
export type Wanted = "all rows" | "rejects";

/** What the engine made of split files, as Parquet. */
export interface BatchResult {
  /** Accepted rows; see `acceptedRowsSql`. */
  readonly accepted: readonly Written[];
  /** Judged rows, of which the rejected ones are counted. */
  readonly rejects: readonly Written[];
}

const NO_ROWS: Written = { rowCount: 0, files: [] };

/** What batches share. */
export interface BatchTools {
  /** Known keys by column of the contract. */
  readonly keys: ReadonlyMap<string, KnownKeys>;
  /** Writes exact rows. */
  readonly exact: RowWriter;
  /** Writes doubtful rows. */
  readonly doubtful: RowWriter;
}

/** Rows of split files with the same layout, in two files. */
export class Batch implements SplitTarget {
  /** Proves lines. */
  readonly table: SpellingTable;
  /** The header of the files, bound to the contract. */
  readonly header: BoundHeader;
  /** Known keys by field, up to the last field that has any. */
  readonly keys: readonly (KnownKeys | null)[];
  /** Writes the exact rows of the file that is begun. */
  readonly exact: RowWriter;
  /** Writes the doubtful rows of that file. */
  readonly doubtful: RowWriter;
  /** The absolute beginning of the paths of its files and folders. */
  readonly path: string;
  /** Files that are in it as a whole. */
  readonly files: SourceFile[] = [];
  /** Exact rows. */
  exactCount = 0;
  /** Doubtful rows. */
  doubtfulCount = 0;
  /** Bytes of the longest exact line: the engine's buffers are as large as it needs. */
  longestExact = 0;
  /** Bytes of the longest doubtful line. */
  longestDoubtful = 0;

  /** A batch without rows. */
  constructor({ header, copied }: Layout, path: string, { keys, exact, doubtful }: BatchTools) {
    this.header = header;
    this.table = copied;
    this.path = path;
    this.keys = keysByField(header, keys);
    this.exact = exact;
    this.doubtful = doubtful;
  }

  /** The file that takes exact rows. */
  get exactPath(): string {
    return `${this.path}.exact`;
  }

  /** The file that takes doubtful rows. */
  get doubtfulPath(): string {
    return `${this.path}.doubtful`;
  }

  /** Columns whose keys are known in every exact row: the scan has looked them up. */
  get knownColumns(): Set<string> {
    return new Set(this.header.columns.filter(({ index }) => this.keys[index]).map(({ name }) => name));
  }

  /** Begins a file: the writers take its rows. */
  begin({ id }: SourceFile): void {
    this.exact.begin(this.exactPath, id);
    this.doubtful.begin(this.doubtfulPath, id);
  }

  /** Takes the file that was begun, with the rows that the writers have written since; gives how many they are. */
  take(file: SourceFile): number {
    const { exact, doubtful } = this;
    this.files.push(file);
    this.exactCount += exact.rowCount;
    this.doubtfulCount += doubtful.rowCount;
    this.longestExact = Math.max(this.longestExact, exact.longestBytes);
    this.longestDoubtful = Math.max(this.longestDoubtful, doubtful.longestBytes);
    return exact.rowCount + doubtful.rowCount;
  }
}

/** The keys of each field of a row, up to the last one that has any. */
function keysByField(
  { columns }: BoundHeader,
  keys: ReadonlyMap<string, KnownKeys>,
): (KnownKeys | null)[] {
  const byField: (KnownKeys | null)[] = [];
  for (const { name, index } of columns) {
    const known = keys.get(name);
    if (known) byField[index] = known;
  }
  return Array.from(byField, (known) => known ?? null);
}

/** Has the engine read a batch, and removes its files. */
export async function readBatch(batch: Batch, wanted: Wanted, context: CheckContext): Promise<BatchResult> {
  await context.engine.nameValues(
    "@source",
    { source_key: "VARCHAR", file_id: "BIGINT" },
    batch.files.map(({ key, id }) => ({ source_key: key, file_id: id })),
  );
  if (batch.exactCount > 0) await nameExact(batch, context);
  const typed = wanted === "all rows" ? await acceptExact(batch, context) : NO_ROWS;
  const leftCount = typed.rowCount < batch.exactCount ? await findLeft(batch, wanted, typed, context) : 0;
  const judged = leftCount + batch.doubtfulCount > 0 ? await judge(batch, leftCount, context) : null;
  // The two files are as large as the source files together.
  for (const path of [batch.exactPath, batch.doubtfulPath]) await Deno.remove(path).catch(() => {});
  return { accepted: [typed, judged?.accepted ?? NO_ROWS], rejects: judged?.rejects ?? [] };
}

/** Reads exact rows typed, and writes those that pass every rule and have known keys. */
async function acceptExact(batch: Batch, context: CheckContext): Promise<Written> {
  if (batch.exactCount === 0) return NO_ROWS;
  const sql = copiedRowsSql("@exact_rows", batch.header, context.config.contract, batch.knownColumns);
  return await writeParquet(sql, `${batch.path}-typed`, context);
}

/** Names the exact rows that are not accepted `@left_rows`; gives how many there are. */
async function findLeft(
  batch: Batch,
  wanted: Wanted,
  typed: Written,
  context: CheckContext,
): Promise<number> {
  const sql = leftRowsSql("@exact_rows", batch.header, context.config.contract, batch.knownColumns);
  const left = await writeParquet(sql, `${batch.path}-left`, context);
  if (wanted === "all rows") assertCount(left, batch.exactCount - typed.rowCount);
  if (left.rowCount > 0) await context.engine.nameParquet("@left_rows", left.files);
  return left.rowCount;
}

/** Looks at each value of the doubtful rows, and of the exact ones that are left. */
async function judge(batch: Batch, leftCount: number, context: CheckContext): Promise<{
  readonly accepted: Written;
  readonly rejects: readonly Written[];
}> {
  const { header, path, doubtfulCount } = batch;
  const { engine, config: { contract, csv, form } } = context;
  const lines: string[] = [];
  if (leftCount > 0) {
    await nameLines("@exact_lines", batch.exactPath, batch.longestExact, context);
    lines.push(copiedLinesSql("@exact_lines", "@left_rows", csv.delimiter));
  }
  if (doubtfulCount > 0) {
    await nameLines("@doubtful_lines", batch.doubtfulPath, batch.longestDoubtful, context);
    lines.push('SELECT "@text" FROM "@doubtful_lines"');
  }
  const sql = judgedSql(lines.join(" UNION ALL "), header, contract, {
    delimiter: csv.delimiter,
    ...form ? { form } : {},
  });
  const judged = await writeParquet(sql, `${path}-judged`, context);
  assertCount(judged, leftCount + doubtfulCount);
  await engine.nameParquet("@judged", judged.files);
  // Exact rows that are left have nothing among them that could be accepted.
  const accepted = doubtfulCount > 0
    ? await writeParquet(acceptedRowsSql("@judged", header), `${path}-accepted`, context)
    : NO_ROWS;
  const rowCount = judged.rowCount - accepted.rowCount;
  if (rowCount > 0) return { accepted, rejects: [{ rowCount, files: judged.files }] };
  await Deno.remove(`${path}-judged`, { recursive: true });
  return { accepted, rejects: [] };
}

/** Names the exact rows, typed. */
async function nameExact(batch: Batch, { engine, config: { csv } }: CheckContext): Promise<void> {
  await engine.nameText("@exact_rows", {
    files: [batch.exactPath],
    delimiter: csv.delimiter,
    columns: normalisedColumns(batch.header.width),
    types: normalisedTypes(batch.header),
    skipLines: 0,
    maxLineBytes: batch.longestExact,
  });
}

/** Names the lines of a file as they stand. */
async function nameLines(
  view: string,
  file: string,
  maxLineBytes: number,
  { engine }: CheckContext,
): Promise<void> {
  await engine.nameText(view, {
    files: [file],
    delimiter: NO_DELIMITER,
    columns: ["@text"],
    skipLines: 0,
    maxLineBytes,
  });
}

/** Asserts that the engine has read every row that was given to it. */
function assertCount({ rowCount }: Written, expected: number): void {
  if (rowCount !== expected) throw new Error(`${expected} rows were split off, but ${rowCount} read`);
}
