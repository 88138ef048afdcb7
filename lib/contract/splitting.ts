/**
 * The check of files of which not every row is proven: their rows are split, and those of files with the same layout
 * come together in two files, one that is read typed, and one of which each value is looked at.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { join } from "node:path";
import { type CheckContext, newTally, type ReadableFile, writeParquet } from "./context.ts";
import type { BoundHeader } from "./header.ts";
import { acceptedRowsSql, judgedSql } from "./judge_sql.ts";
import type { Layout, Layouts } from "./layouts.ts";
import { copiedLinesSql, copiedRowsSql, normalisedColumns, normalisedTypes, restSql } from "./typed_sql.ts";
import { NO_DELIMITER } from "../csv/marks.ts";
import { RowWriter } from "../csv/normalised.ts";
import { type SplitCsv, splitCsv } from "../csv/split.ts";
import type { Written } from "../engine/engine.ts";
import type { KnownKeys } from "../csv/key_bits.ts";
import { type FileFault, reject, type SourceFile } from "../source_file.ts";

/** Rows for which the engine begins to read while further files are split, where it has nothing else to do. */
const BATCH_ROWS = 4_000_000;

/** What became of split files. */
export interface SplitResult {
  /** Files whose rows were read. */
  readonly files: readonly ReadableFile[];
  /** Files that are rejected as a whole. */
  readonly rejected: readonly SourceFile[];
  /** As Parquet; see `acceptedRowsSql`. */
  readonly accepted: readonly Written[];
  /** Judged rows as Parquet, of which the rejected ones are counted. */
  readonly rejects: readonly Written[];
}

/** Rows of files with the same layout. */
interface Batch {
  readonly header: BoundHeader;
  /** By field, as far as there are any. */
  readonly keys: readonly (KnownKeys | null)[];
  readonly files: SourceFile[];
  /** Where its files and folders lie, less what each is called. */
  readonly path: string;
  provenCount: number;
  oddCount: number;
  /** Bytes of the longest lines: the engine's buffers are as large as these need. */
  longestProven: number;
  longestOdd: number;
}

/** Splits files, and has the engine read what has come together. */
export class Splitting implements AsyncDisposable {
  readonly #folder: string;
  readonly #layouts: Layouts;
  readonly #keys: ReadonlyMap<string, KnownKeys>;
  readonly #buffer: Buffer;
  readonly #context: CheckContext;
  readonly #onlyRejects: boolean;
  readonly #proven: RowWriter;
  readonly #odd: RowWriter;
  readonly #files: ReadableFile[] = [];
  readonly #rejected: SourceFile[] = [];
  readonly #accepted: Written[] = [];
  readonly #judged: Written[] = [];
  #batches = new Map<string, Batch>();
  #batchCount = 0;
  #rowCount = 0;
  /** The engine works on one thing at a time. */
  #work: Promise<unknown> = Promise.resolve();
  #isWorking = false;

  /**
   * Nothing is begun.
   *
   * @param folder Absolute; takes the results.
   * @param keys By column of the contract; rows with others are looked at.
   * @param buffer For reading, as `readChunks` needs it.
   * @param options.onlyRejects Proven rows that are accepted are there already, and not read again.
   */
  constructor(
    folder: string,
    layouts: Layouts,
    keys: ReadonlyMap<string, KnownKeys>,
    buffer: Buffer,
    context: CheckContext,
    { onlyRejects = false }: { readonly onlyRejects?: boolean } = {},
  ) {
    this.#onlyRejects = onlyRejects;
    this.#folder = folder;
    this.#layouts = layouts;
    this.#keys = keys;
    this.#buffer = buffer;
    this.#context = context;
    this.#proven = new RowWriter(context.config.csv);
    this.#odd = new RowWriter(context.config.csv);
  }

  /** What the engine does before. */
  after(work: Promise<unknown>): void {
    this.#isWorking = true;
    this.#work = work.then(() => {
      this.#isWorking = false;
    });
    this.#work.catch(() => {});
  }

  /** Splits a file. */
  async add(file: SourceFile): Promise<void> {
    const { config: { csv }, runFolder, signal } = this.#context;
    const options = { ...csv, buffer: this.#buffer, signal };
    const begun: { layout?: Layout | FileFault; batch?: Batch } = {};
    const found = await splitCsv(join(runFolder, file.content ?? ""), options, (names) => {
      const layout = begun.layout = this.#layouts.of(names);
      if ("reason" in layout) return null;
      const batch = begun.batch = this.#batchOf(layout);
      this.#proven.begin(provenOf(batch), file.id);
      this.#odd.begin(oddOf(batch), file.id);
      return { table: layout.copied, keys: batch.keys, proven: this.#proven, odd: this.#odd };
    });
    const { layout, batch } = begun;
    if (found.kind === "rows" && batch) {
      const rowCount = found.provenCount + found.oddCount;
      batch.files.push(file);
      batch.provenCount += found.provenCount;
      batch.oddCount += found.oddCount;
      batch.longestProven = Math.max(batch.longestProven, this.#proven.longestBytes);
      batch.longestOdd = Math.max(batch.longestOdd, this.#odd.longestBytes);
      this.#files.push({ file, header: batch.header, rowCount, tally: newTally() });
      this.#rowCount += rowCount;
      if (this.#rowCount >= BATCH_ROWS && !this.#isWorking) this.#beginReading();
    } else if (found.kind === "header" && layout && "reason" in layout) {
      this.#rejected.push(reject(file, layout));
    } else {
      this.#rejected.push(reject(file, faultOf(found)));
    }
  }

  /** Waits for the engine. */
  async end(): Promise<SplitResult> {
    this.#beginReading();
    await this.#work;
    return {
      files: this.#files,
      rejected: this.#rejected,
      accepted: this.#accepted,
      rejects: this.#judged,
    };
  }

  /** The engine must not be closed while it works. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work.catch(() => {});
  }

  #batchOf({ key, header }: Layout): Batch {
    let batch = this.#batches.get(key);
    if (batch === undefined) {
      const path = join(this.#folder, String(++this.#batchCount));
      const keys = keysByField(header, this.#keys);
      batch = { header, keys, files: [], path, provenCount: 0, oddCount: 0, longestProven: 0, longestOdd: 0 };
      this.#batches.set(key, batch);
    }
    return batch;
  }

  #beginReading(): void {
    const batches = [...this.#batches.values()];
    this.#batches = new Map();
    this.#rowCount = 0;
    this.after(this.#work.then(async () => {
      for (const batch of batches) await this.#read(batch);
    }));
  }

  async #read(batch: Batch): Promise<void> {
    const { files, path, header, oddCount } = batch;
    const { engine, config: { contract, csv } } = this.#context;
    await engine.nameValues(
      "source",
      { source_key: "VARCHAR", file_id: "BIGINT" },
      files.map(({ key, id }) => ({ source_key: key, file_id: id })),
    );
    const lines: string[] = [];
    const restCount = await this.#readProven(batch);
    if (restCount > 0) {
      await this.#nameLines("proven_lines", provenOf(batch), batch.longestProven);
      lines.push(copiedLinesSql("proven_lines", "rest_rows", csv.delimiter));
    }
    if (oddCount > 0) {
      await this.#nameLines("odd_lines", oddOf(batch), batch.longestOdd);
      lines.push('SELECT "@text" FROM odd_lines');
    }
    if (lines.length > 0) {
      const sql = judgedSql(lines.join(" UNION ALL "), header, contract, csv.delimiter);
      const judged = await this.#write(sql, `${path}-judged`);
      assertCount(judged, restCount + oddCount);
      await engine.nameParquet("judged", judged.files);
      // Of the proven rows only those are here that were not accepted.
      const accepted = oddCount > 0
        ? await this.#write(acceptedRowsSql("judged", header), `${path}-accepted`)
        : { rowCount: 0, files: [] };
      const rejectCount = judged.rowCount - accepted.rowCount;
      this.#accepted.push(accepted);
      if (rejectCount > 0) this.#judged.push({ rowCount: rejectCount, files: judged.files });
      else await Deno.remove(`${path}-judged`, { recursive: true });
    }
    // They are as large as all the others together.
    for (const name of [provenOf(batch), oddOf(batch)]) await Deno.remove(name).catch(() => {});
  }

  /** Reads proven rows typed; names those that are not accepted `rest_rows`, and gives how many there are. */
  async #readProven(batch: Batch): Promise<number> {
    if (batch.provenCount === 0) return 0;
    const { header, path } = batch;
    const { engine, config: { contract, csv } } = this.#context;
    await engine.nameText("proven_rows", {
      files: [provenOf(batch)],
      delimiter: csv.delimiter,
      columns: normalisedColumns(header.width),
      types: normalisedTypes(header),
      skipLines: 0,
      maxLineBytes: batch.longestProven,
    });
    // The scan has looked at these, and copied no row with another key.
    const known = new Set(header.columns.map(({ name }) => name).filter((name) => this.#keys.has(name)));
    let restCount: number | null = null;
    if (!this.#onlyRejects) {
      const sql = copiedRowsSql("proven_rows", header, contract, known);
      const accepted = await this.#write(sql, `${path}-copied`);
      this.#accepted.push(accepted);
      restCount = batch.provenCount - accepted.rowCount;
      if (restCount === 0) return 0;
    }
    const rest = await this.#write(restSql("proven_rows", header, contract, known), `${path}-rest`);
    if (restCount !== null) assertCount(rest, restCount);
    if (rest.rowCount > 0) await engine.nameParquet("rest_rows", rest.files);
    return rest.rowCount;
  }

  #write(sql: string, folder: string): Promise<Written> {
    return writeParquet(sql, folder, this.#context);
  }

  /** Names the lines of a normalised file as they stand. */
  async #nameLines(view: string, file: string, maxLineBytes: number): Promise<void> {
    await this.#context.engine.nameText(view, {
      files: [file],
      delimiter: NO_DELIMITER,
      columns: ["@text"],
      skipLines: 0,
      maxLineBytes,
    });
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

/** Where the proven rows of a batch are. */
function provenOf({ path }: Batch): string {
  return `${path}.proven`;
}

/** Where the other rows of a batch are. */
function oddOf({ path }: Batch): string {
  return `${path}.odd`;
}

/** The reader takes every row that was given to it. */
function assertCount({ rowCount }: Written, expected: number): void {
  if (rowCount !== expected) throw new Error(`${expected} rows were split off, but ${rowCount} read`);
}

/** Why a file cannot be read. */
function faultOf(found: SplitCsv): FileFault {
  switch (found.kind) {
    case "empty":
      return { reason: "empty_file", detail: found.detail };
    case "not_utf8":
      return { reason: "not_utf8", detail: "it is not UTF-8 text" };
    case "malformed": {
      const { line, detail } = found;
      return { reason: "malformed_csv", detail: `line ${line}: ${detail}`, line };
    }
    default:
      throw new TypeError("a file was begun, but is neither read nor rejected");
  }
}
