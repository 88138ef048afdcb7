/**
 * One DuckDB, opened with limits and locked to the folders it may touch; the only file that knows the driver.
 *
 * The foreign-function permission that the driver needs ends Deno's sandbox for it, so DuckDB's own takes over: after
 * opening, nothing outside the allowed folders can be read or written, and no setting can be changed back.
 *
 * @module
 */
import type { DuckDBConnection, DuckDBInstance, Json } from "@duckdb/node-api";
import { withoutValues } from "./errors.ts";
import { wrapSystemError } from "../errors.ts";
import { literal } from "../sql.ts";

/** A value as JSON has it; 64-bit integers and decimals arrive as text, so that they are exact. */
export type SqlValue = Json;

/** A row of a small result, by column name. */
export type Row = Record<string, SqlValue>;

/** Memory and threads as configured; `auto` takes what DuckDB finds in the container's limits. */
export interface Resources {
  /** `auto` or a size such as `2GiB`. */
  readonly memoryLimit: string;
  /** `auto`: the container's cores. */
  readonly threads: "auto" | number;
}

/** How to open a DuckDB. */
export interface DuckdbOptions {
  /** The only folders that queries may read and write. */
  readonly allowedFolders: readonly string[];
  /** A database file to {@linkcode Duckdb.attach}, besides them. */
  readonly databaseFile?: string;
  /** Where larger-than-memory work spills; within an allowed folder. */
  readonly spillFolder: string;
  /** Limits. */
  readonly resources: Resources;
  /** Joins in the order in which a query has them: facts first, dimensions after. */
  readonly joinAsWritten?: boolean;
  /** Interrupts a running query. */
  readonly signal?: AbortSignal;
}

/** Share of the detected memory that DuckDB's own default takes (DuckDB, configuration reference: memory_limit). */
const DEFAULT_MEMORY_SHARE = 0.8;
/** Share of the memory for DuckDB; above it the container was killed at 10 M rows. */
const MEMORY_SHARE = 0.55;
/** Deno with its heap and the driver's library, in MiB. */
const RUNTIME_MIB = 320;
/** DuckDB cannot work with less, in MiB. */
const LEAST_MIB = 64;
/**
 * DuckDB cannot know how many rows a CSV file has and takes it for small: it would build a join's hash table from the
 * facts, which takes three times as long.
 */
const REORDERING = "join_order,build_side_probe_side";
/**
 * Rows that a partitioned write holds back. DuckDB's default of 524,288 over 3,000 partitions, each with blocks of its
 * own, does not fit into 1 GiB; this takes as long and writes 5 % more files.
 */
const PARTITION_FLUSH_ROWS = 50_000;
/** Rows of a data chunk at most (DuckDB, STANDARD_VECTOR_SIZE). */
const CHUNK_ROWS = 2048;
/** How often the progress of a query is read. */
const PROGRESS_INTERVAL_MS = 200;
/** How often a query that is to end is told so. */
const INTERRUPT_INTERVAL_MS = 20;

/** The attached database file, for queries. */
const ATTACHED = "attached";

/** An open DuckDB in memory with one connection; runs one statement at a time. */
export class Duckdb implements AsyncDisposable {
  /** DuckDB's memory limit in MiB. */
  readonly memoryLimitMib: number;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #databaseFile: string | undefined;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    memoryLimitMib: number,
    { databaseFile, signal }: DuckdbOptions,
  ) {
    this.#instance = instance;
    this.#connection = connection;
    this.memoryLimitMib = memoryLimitMib;
    this.#databaseFile = databaseFile;
    this.#signal = signal;
  }

  /** Opens and locks. */
  static async open(options: DuckdbOptions): Promise<Duckdb> {
    const { DuckDBInstance } = await loadDriver();
    const instance = await DuckDBInstance.create(":memory:");
    try {
      const connection = await instance.connect();
      const found = await connection.runAndReadAll("SELECT current_setting('memory_limit')");
      const limit = memoryLimitMib(options.resources.memoryLimit, String(found.getRowsJson()[0]?.[0]));
      const { threads } = options.resources;
      const statements = [
        `SET memory_limit = '${limit}MiB'`,
        threads === "auto" ? "" : `SET threads = ${threads}`,
        // Order and caches cost memory that grows with the data; the page cache of the system serves as well.
        "SET preserve_insertion_order = false",
        `SET partitioned_write_flush_threshold = ${PARTITION_FLUSH_ROWS}`,
        "SET enable_external_file_cache = false",
        "SET enable_progress_bar = true",
        "SET enable_progress_bar_print = false",
        options.joinAsWritten ? `SET disabled_optimizers = '${REORDERING}'` : "",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        `SET temp_directory = ${literal(options.spillFolder)}`,
        `SET allowed_directories = [${options.allowedFolders.map(literal).join(", ")}]`,
        `SET allowed_paths = [${filesOf(options.databaseFile).map(literal).join(", ")}]`,
        "SET enable_external_access = false",
        "SET lock_configuration = true",
      ];
      await connection.run(statements.filter(Boolean).join("; "));
      return new Duckdb(instance, connection, limit, options);
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }

  /**
   * Runs one statement and reads its whole, small result.
   *
   * @param parameters Bound to `$1`, `$2`, …
   * @throws {Error} With DuckDB's text, less every value that it quotes.
   */
  async query(sql: string, parameters: readonly (string | number | null)[] = []): Promise<Row[]> {
    try {
      return await this.#read(sql, parameters);
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw wrapSystemError(withoutValues(error), "Cannot run a query");
    }
  }

  /**
   * The type of each column of a SELECT, by name; it is not run.
   *
   * @throws {Error} With DuckDB's whole text, where it does not bind: without rows there are no values in it but those
   * of the statement.
   */
  async describe(select: string): Promise<Map<string, string>> {
    try {
      const columns = await this.#read(`DESCRIBE ${select}`, []);
      return new Map(
        columns.map(({ column_name, column_type }) => [String(column_name), String(column_type)]),
      );
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw wrapSystemError(error, "Cannot describe a query");
    }
  }

  /** Like {@linkcode query}, and says now and then which share of the work is done. */
  async queryWithProgress(sql: string, onProgress: (share: number) => void): Promise<Row[]> {
    const timer = setInterval(() => {
      const { percentage } = this.#connection.progress;
      if (percentage > 0) onProgress(percentage / 100);
    }, PROGRESS_INTERVAL_MS);
    try {
      return await this.query(sql);
    } finally {
      clearInterval(timer);
    }
  }

  /**
   * Appends rows to a table whose columns are all VARCHAR, as they arrive.
   *
   * @param columnCount Of the table, and of every row.
   * @returns How many rows.
   */
  async appendText(
    table: string,
    columnCount: number,
    batches: AsyncIterable<readonly (readonly (string | null)[])[]>,
  ): Promise<number> {
    const { DuckDBDataChunk, VARCHAR } = await loadDriver();
    const types = Array.from({ length: columnCount }, () => VARCHAR);
    const appender = await this.#connection.createAppender(table);
    let rowCount = 0;
    try {
      for await (const batch of batches) {
        for (let start = 0; start < batch.length; start += CHUNK_ROWS) {
          const rows = batch.slice(start, start + CHUNK_ROWS);
          const chunk = DuckDBDataChunk.create(types, rows.length);
          types.forEach((_, column) => chunk.setColumnValues(column, rows.map((row) => row[column] ?? null)));
          appender.appendDataChunk(chunk);
          rowCount += rows.length;
        }
      }
      appender.closeSync();
      return rowCount;
    } catch (error) {
      try {
        appender.closeSync();
      } catch {
        // It still has the rows that it could not append.
      }
      throw wrapSystemError(withoutValues(error), "Cannot append rows");
    }
  }

  /**
   * Opens {@linkcode DuckdbOptions.databaseFile}, created where it is missing, and makes its tables the default ones;
   * takes a tenth of the time of a DuckDB of its own. Where it cannot be opened, DuckDB's text is thrown, less the
   * values in it: opening also reads the log of changes.
   */
  async attach({ readOnly = false } = {}): Promise<void> {
    const file = literal(this.#databaseFile ?? "");
    try {
      await this.#connection.run(`ATTACH ${file} AS ${ATTACHED} (READ_ONLY ${readOnly}); USE ${ATTACHED}`);
    } catch (error) {
      throw withoutValues(error);
    }
  }

  /** Closes the file; it is free for other processes afterwards. */
  async detach(): Promise<void> {
    await this.#connection.run(`USE memory; DETACH ${ATTACHED}`);
  }

  /** Runs one statement also after the signal, which ends everything else: to give back what is held. */
  async giveBack(sql: string, parameters: readonly (string | number | null)[] = []): Promise<void> {
    await this.#connection.run(sql, [...parameters]);
  }

  /** Runs the work in one transaction; rolled back where it throws. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query("BEGIN TRANSACTION");
    try {
      const result = await work();
      await this.query("COMMIT");
      return result;
    } catch (error) {
      await this.giveBack("ROLLBACK").catch(() => {});
      throw error;
    }
  }

  async #read(sql: string, parameters: readonly (string | number | null)[]): Promise<Row[]> {
    this.#signal?.throwIfAborted();
    let timer: ReturnType<typeof setInterval> | undefined;
    const interrupt = () => {
      this.#connection.interrupt();
      // DuckDB forgets it if the query is only just being begun, in a thread that may have to wait for a processor.
      timer = setInterval(() => this.#connection.interrupt(), INTERRUPT_INTERVAL_MS);
    };
    this.#signal?.addEventListener("abort", interrupt);
    try {
      return (await this.#connection.runAndReadAll(sql, [...parameters])).getRowObjectsJson();
    } finally {
      this.#signal?.removeEventListener("abort", interrupt);
      clearInterval(timer);
    }
  }

  /** Closes connection and instance. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    this.#instance.closeSync();
    return Promise.resolve();
  }
}

/** Loads the driver with its library, which may not be allowed: not before there is somebody to say so. */
async function loadDriver(): Promise<typeof import("@duckdb/node-api")> {
  try {
    return await import("@duckdb/node-api");
  } catch (error) {
    throw wrapSystemError(error, "Cannot load DuckDB");
  }
}

/** A relation of the JSON array of objects in `$1`; names and SQL types of its columns. */
export function rowsOf(columns: Readonly<Record<string, string>>): string {
  return `SELECT unnest(from_json($1::JSON, ${literal(JSON.stringify([columns]))}), recursive := true)`;
}

/** A database file and what DuckDB 1.5 keeps beside it: the log of changes, and what it turns that into. */
function filesOf(databaseFile: string | undefined): string[] {
  if (databaseFile === undefined) return [];
  return ["", ".wal", ".wal.checkpoint", ".wal.recovery"].map((ending) => databaseFile + ending);
}

/** The memory limit in MiB: as configured, else what leaves room for the runtime beside DuckDB. */
function memoryLimitMib(configured: string, duckdbDefault: string): number {
  if (configured !== "auto") return Math.max(LEAST_MIB, Math.floor(sizeMib(configured)));
  const available = sizeMib(duckdbDefault) / DEFAULT_MEMORY_SHARE;
  return Math.max(LEAST_MIB, Math.floor(Math.min(MEMORY_SHARE * available, available - RUNTIME_MIB)));
}

function sizeMib(text: string): number {
  const [, count, unit = "", binary] = /^([\d.]+) ?([KMGT]?)(i?)B/i.exec(text) ?? [];
  if (count === undefined) throw new RangeError(`Cannot read the size ${text}`);
  const bytes = Number(count) * (binary ? 1024 : 1000) ** " KMGT".indexOf(unit.toUpperCase() || " ");
  return bytes / (1024 * 1024);
}
