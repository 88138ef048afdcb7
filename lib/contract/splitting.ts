/**
 * The check of files of which not every row is known to be exact: their rows are split, and those of files with the same
 * layout come together in a batch, which the engine reads.
 *
 * @module
 */
import { join } from "node:path";
import { Batch, type BatchResult, type BatchTools, readBatch, type Wanted } from "./batch.ts";
import { explainFault } from "./cause.ts";
import type { ReadableFile, ScanContext } from "./context.ts";
import type { Layout } from "./layouts.ts";
import type { KnownKeys } from "../csv/key_bits.ts";
import { RowWriter } from "../csv/row_writer.ts";
import { splitCsv } from "../csv/split.ts";
import type { Written } from "../engine/engine.ts";
import { reject, type SourceFile } from "../source_file.ts";

/** Rows for which the engine begins to read while further files are split, if it has nothing else to do. */
const BATCH_ROWS = 4_000_000;

/** What became of split files. */
export interface SplitResult extends BatchResult {
  /** Files whose rows were read. */
  readonly files: readonly ReadableFile[];
  /** Files that are rejected as a whole. */
  readonly rejected: readonly SourceFile[];
}

/** How files are split. */
export interface SplitOrder {
  /** Takes the results; absolute, and empty. */
  readonly folder: string;
  /** Known keys by column of the contract: a row with others counts as doubtful. */
  readonly keys: ReadonlyMap<string, KnownKeys>;
  /** What is wanted of the files. */
  readonly wanted: Wanted;
}

/** Splits files, and has the engine read what has come together. */
export class Splitting implements AsyncDisposable {
  readonly #order: SplitOrder;
  readonly #context: ScanContext;
  readonly #tools: BatchTools;
  readonly #files: ReadableFile[] = [];
  readonly #rejected: SourceFile[] = [];
  readonly #accepted: Written[] = [];
  readonly #rejects: Written[] = [];
  #batches = new Map<string, Batch>();
  #batchCount = 0;
  #rowCount = 0;
  /** The engine works on one thing at a time. */
  #work: Promise<unknown> = Promise.resolve();
  #isWorking = false;

  /** Nothing is split yet. */
  constructor(order: SplitOrder, context: ScanContext) {
    this.#order = order;
    this.#context = context;
    const { csv } = context.config;
    this.#tools = { keys: order.keys, exact: new RowWriter(csv), doubtful: new RowWriter(csv) };
  }

  /** Lets the engine finish other work before it reads. */
  after(work: Promise<unknown>): void {
    this.#isWorking = true;
    this.#work = work.then(() => {
      this.#isWorking = false;
    });
    this.#work.catch(() => {});
  }

  /** Splits a file. */
  async add(file: SourceFile): Promise<void> {
    const { config, layouts, buffer, runFolder, signal } = this.#context;
    const path = join(runFolder, file.content ?? "");
    const found = await splitCsv<Batch>(
      path,
      { ...config.csv, buffer, signal, ...config.form ? { text: config.form } : {} },
      (names) => {
        const layout = layouts.of(names);
        if ("reason" in layout) return { fault: layout };
        const batch = this.#batchOf(layout);
        batch.begin(file);
        return batch;
      },
    );
    if ("fault" in found) {
      this.#rejected.push(reject(file, await explainFault(path, found.fault, config)));
      return;
    }
    const rowCount = found.target.take(file);
    const { repeatedHeaders } = found;
    this.#files.push({ file, header: found.target.header, rowCount, repeatedHeaders });
    this.#rowCount += rowCount;
    if (this.#rowCount >= BATCH_ROWS && !this.#isWorking) this.#beginReading();
  }

  /** Waits for the engine. */
  async end(): Promise<SplitResult> {
    this.#beginReading();
    await this.#work;
    return {
      files: this.#files,
      rejected: this.#rejected,
      accepted: this.#accepted,
      rejects: this.#rejects,
    };
  }

  /** Waits for the engine, which must not be closed while it works. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work.catch(() => {});
  }

  #batchOf(layout: Layout): Batch {
    let batch = this.#batches.get(layout.key);
    if (batch === undefined) {
      const path = join(this.#order.folder, String(++this.#batchCount));
      batch = new Batch(layout, path, this.#tools);
      this.#batches.set(layout.key, batch);
    }
    return batch;
  }

  #beginReading(): void {
    const batches = [...this.#batches.values()];
    this.#batches = new Map();
    this.#rowCount = 0;
    this.after(this.#work.then(async () => {
      for (const batch of batches) {
        const { accepted, rejects } = await readBatch(batch, this.#order.wanted, this.#context);
        this.#accepted.push(...accepted);
        this.#rejects.push(...rejects);
      }
    }));
  }
}
