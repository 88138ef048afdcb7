/**
 * A DuckDB file that is open around work only.
 *
 * One process at a time can have such a file open. It is attached to a DuckDB in memory, which stays: that takes a tenth
 * of the time of a DuckDB of its own.
 *
 * @module
 */
import { resolve } from "node:path";
import { Duckdb, type Resources } from "../../duckdb/duckdb.ts";
import { databaseInUse, isInUse, openError, queryError } from "./errors.ts";

/** How long to wait for another process that has the file open. */
const OPEN_TIMEOUT_MS = 5000;
const OPEN_RETRY_MS = 50;
/** The file stays open this long after a piece of work: the next one often follows at once, and opening takes as long. */
const LINGER_MS = 20;

/** How to open the file. */
export interface DuckdbFileOptions {
  /** The file; created if it is missing. */
  readonly path: string;
  /** The only folder, besides the file, that queries may read and write. */
  readonly workDir: string;
  /** DuckDB's limits. */
  readonly resources: Resources;
  /** Whether the file may not be changed, nor created. */
  readonly readOnly: boolean;
  /** A clock that only goes forward, in milliseconds: the wait for another process is measured by it. */
  readonly monotonic: () => number;
  /** Interrupts a running query. */
  readonly signal?: AbortSignal;
}

/** See the module's head. Closing it waits for the work that was begun. */
export class DuckdbFile implements AsyncDisposable {
  readonly #options: DuckdbFileOptions;
  /** Work waits for the work before it: a second opening in one process would end the first one's file lock. */
  #queue: Promise<unknown> = Promise.resolve();
  /** The DuckDB in memory, begun before it is used: whatever comes before its first use need not wait for it. */
  #opening: Promise<Duckdb> | null;
  #attached = false;
  #detaching: ReturnType<typeof setTimeout> | undefined;

  /** Does not open the file yet. */
  constructor(options: DuckdbFileOptions) {
    this.#options = options;
    this.#opening = this.#open();
  }

  #open(): Promise<Duckdb> {
    const { path, workDir, resources, signal } = this.#options;
    const opening = Duckdb.open({
      allowedFolders: [workDir],
      databaseFile: path,
      spillFolder: resolve(workDir, "spill"),
      resources,
      ...(signal ? { signal } : {}),
    });
    // Who uses it is told; nobody may.
    opening.catch(() => {});
    return opening;
  }

  /** Runs the work after the work before it, with the file open. */
  use<T>(work: (db: Duckdb) => Promise<T>): Promise<T> {
    const result = this.#queue.then(async () => {
      clearTimeout(this.#detaching);
      const db = await this.#attach();
      try {
        return await work(db);
      } catch (error) {
        throw queryError(error, this.#options.path);
      } finally {
        this.#detaching = setTimeout(() => this.#queue = this.#queue.then(() => this.#detach()), LINGER_MS);
      }
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Opens the file, as soon as no other process has it open. */
  async #attach(): Promise<Duckdb> {
    const { path, readOnly, monotonic, signal } = this.#options;
    const deadline = monotonic() + OPEN_TIMEOUT_MS;
    while (true) {
      try {
        const db = await (this.#opening ??= this.#open());
        if (!this.#attached) await db.attach({ readOnly });
        this.#attached = true;
        return db;
      } catch (error) {
        if (!isInUse(error)) throw openError(error, path);
        signal?.throwIfAborted();
        if (monotonic() >= deadline) throw databaseInUse(error, path);
        await new Promise((done) => setTimeout(done, OPEN_RETRY_MS));
      }
    }
  }

  /** Closes the file. An error loses nothing: what was committed is in the file's log, which the next opening reads. */
  async #detach(): Promise<void> {
    clearTimeout(this.#detaching);
    try {
      if (this.#attached) await (await this.#opening)?.detach();
    } catch {
      await this.#close();
    }
    this.#attached = false;
  }

  async #close(): Promise<void> {
    const db = await this.#opening?.catch(() => null);
    this.#opening = null;
    await db?.[Symbol.asyncDispose]();
  }

  /** Closes the file and the DuckDB in memory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue;
    await this.#detach();
    await this.#close();
  }
}
