/**
 * One DuckDB, opened with limits and locked to the folders it may touch; the only file that knows the driver.
 *
 * The driver needs the foreign-function permission, which ends Deno's sandbox for it. DuckDB's own takes over: once open,
 * it reads and writes nothing outside the allowed folders, and no setting can be changed back.
 *
 * @module
 */
import type { DuckDBConnection, DuckDBInstance, Json } from "@duckdb/node-api";
import { withoutValues } from "./errors.ts";
import { memoryLimitMib } from "./limits.ts";
import { wrapSystemError } from "../errors.ts";
import { identifier, literal } from "../sql.ts";

/** A value as JSON has it. A 64-bit integer or a decimal is text, so that it is exact. */
export type SqlValue = Json;

/** A row of a small result, by column name. */
export type Row = Record<string, SqlValue>;

/** Memory and threads as they are configured; `auto` takes what DuckDB finds in the container's limits. */
export interface Resources {
  /** DuckDB's memory: `auto` or a size such as `2GiB`. */
  readonly memoryLimit: string;
  /** DuckDB's threads; `auto` is one for each of the container's cores. */
  readonly threads: "auto" | number;
}

/** What a DuckDB may touch and use. */
export interface DuckdbOptions {
  /** The only folders that queries may read and write. */
  readonly allowedFolders: readonly string[];
  /** A database file outside these folders, for {@linkcode Duckdb.attach}. */
  readonly databaseFile?: string;
  /** The folder that takes what does not fit into memory; within an allowed folder. */
  readonly spillFolder: string;
  /** How much memory and how many threads it gets. */
  readonly resources: Resources;
  /** Whether joins keep the order in which a query has them: facts first, dimensions after. */
  readonly joinAsWritten?: boolean;
  /** Interrupts a running query, and keeps the next one from running. */
  readonly signal?: AbortSignal;
}

/**
 * The optimisers that are off for {@linkcode DuckdbOptions.joinAsWritten}. DuckDB cannot know how many rows a CSV file
 * has and takes it for small: it would build a join's hash table from the facts, which takes three times as long.
 */
const REORDERING = "join_order,build_side_probe_side";
/**
 * Rows that a partitioned write holds back. DuckDB's default of 524,288 does not fit into 1 GiB with 3,000 partitions,
 * each of which has blocks of its own; this takes as long and writes 5 % more files.
 */
const PARTITION_FLUSH_ROWS = 50_000;
/** The most rows of a data chunk (DuckDB, STANDARD_VECTOR_SIZE). */
const CHUNK_ROWS = 2048;
/** How often the progress of a query is read. */
const PROGRESS_INTERVAL_MS = 200;
/** How often a query that is to end is told so. */
const INTERRUPT_INTERVAL_MS = 20;

/** The name under which queries find the attached database file. */
const ATTACHED = "attached";

/** An open DuckDB in memory. It runs one statement at a time. */
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

  /** Opens a DuckDB and locks it. */
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
        // Order and caches cost memory that grows with the data; the system's page cache serves as well.
        "SET preserve_insertion_order = false",
        `SET partitioned_write_flush_threshold = ${PARTITION_FLUSH_ROWS}`,
        "SET enable_external_file_cache = false",
        "SET enable_progress_bar = true",
        "SET enable_progress_bar_print = false",
        options.joinAsWritten ? `SET disabled_optimizers = '${REORDERING}'` : "",
        // Else a night would depend on the machine's own.
        "SET TimeZone = 'UTC'",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        `SET temp_directory = ${literal(options.spillFolder)}`,
        `SET allowed_directories = [${options.allowedFolders.map(literal).join(", ")}]`,
        `SET allowed_paths = [${filesOf(options.databaseFile).map(literal).join(", ")}]`,
        // The last two in this order: the folders cannot be set once access is off, nor anything once all is locked.
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
   * @param parameters The values of `$1`, `$2`, …
   * @throws {Error} with DuckDB's text, less every value that it quotes.
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
   * The name and type of each column of a SELECT, in their order; it is not run.
   *
   * @param views What exists for this SELECT, and for nothing else: by the name of each view the SQL types of its columns.
   * @throws {Error} with DuckDB's whole text if it does not bind: without rows there are no values in it but those of the
   * statement.
   */
  async describe(
    select: string,
    views: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
  ): Promise<[name: string, type: string][]> {
    // Temporary names belong to a connection: on one of its own nothing is in the way, and nothing stays.
    const connection = await this.#instance.connect();
    try {
      const statements = Object.entries(views).map(([view, columns]) => {
        const row = Object.entries(columns).map(([name, type]) => `NULL::${type} AS ${identifier(name)}`);
        return `CREATE TEMP VIEW ${identifier(view)} AS SELECT ${row.join(", ")}`;
      });
      if (statements.length > 0) await connection.run(statements.join("; "));
      // In brackets it cannot be more than one; the line end keeps a comment at its end from hiding the bracket.
      const columns = await this.#read(`DESCRIBE (\n${select}\n)`, [], connection);
      return columns.map(({ column_name, column_type }) => [String(column_name), String(column_type)]);
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw wrapSystemError(error, "Cannot describe a query");
    } finally {
      connection.closeSync();
    }
  }

  /** Runs a {@linkcode query}, and says now and then which share of the work is done, above 0 and up to 1. */
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
   * @param columnCount How many columns the table has, and every row.
   * @returns How many rows there were.
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
   * Opens {@linkcode DuckdbOptions.databaseFile}, which is created if it is missing, and makes its tables the default
   * ones. That takes a tenth of the time of a DuckDB of its own.
   *
   * @throws {Error} with DuckDB's text, less the values in it: opening also reads the log of changes.
   */
  async attach({ readOnly = false } = {}): Promise<void> {
    const file = literal(this.#databaseFile ?? "");
    try {
      await this.#connection.run(`ATTACH ${file} AS ${ATTACHED} (READ_ONLY ${readOnly}); USE ${ATTACHED}`);
    } catch (error) {
      throw withoutValues(error);
    }
  }

  /** Closes the database file, which other processes may open then. */
  async detach(): Promise<void> {
    await this.#connection.run(`USE memory; DETACH ${ATTACHED}`);
  }

  /** Runs one statement that gives back what is held; also after the signal, which ends everything else. */
  async giveBack(sql: string, parameters: readonly (string | number | null)[] = []): Promise<void> {
    await this.#connection.run(sql, [...parameters]);
  }

  /** Runs the work in one transaction, which is rolled back if the work throws. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query("BEGIN TRANSACTION");
    try {
      const result = await work();
      await this.query("COMMIT");
      return result;
    } catch (error) {
      // What the work threw is the error to report; one that broke the connection has ended the transaction as well.
      await this.giveBack("ROLLBACK").catch(() => {});
      throw error;
    }
  }

  async #read(
    sql: string,
    parameters: readonly (string | number | null)[],
    connection = this.#connection,
  ): Promise<Row[]> {
    this.#signal?.throwIfAborted();
    let timer: ReturnType<typeof setInterval> | undefined;
    const interrupt = () => {
      connection.interrupt();
      // DuckDB forgets it if the query is only just being begun, in a thread that may have to wait for a processor.
      timer = setInterval(() => connection.interrupt(), INTERRUPT_INTERVAL_MS);
    };
    this.#signal?.addEventListener("abort", interrupt);
    try {
      return (await connection.runAndReadAll(sql, [...parameters])).getRowObjectsJson();
    } finally {
      this.#signal?.removeEventListener("abort", interrupt);
      clearInterval(timer);
    }
  }

  /** Closes the connection and the instance. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    this.#instance.closeSync();
    return Promise.resolve();
  }
}

/** Loads the driver late: its library may not be allowed, and at the start of the process nobody would report that. */
async function loadDriver(): Promise<typeof import("@duckdb/node-api")> {
  try {
    return await import("@duckdb/node-api");
  } catch (error) {
    throw wrapSystemError(error, "Cannot load DuckDB");
  }
}

/** A SELECT of the rows in `$1`, a JSON array of objects; `columns` gives the SQL type of each name. */
export function rowsOf(columns: Readonly<Record<string, string>>): string {
  return `SELECT unnest(from_json($1::JSON, ${literal(JSON.stringify([columns]))}), recursive := true)`;
}

/** A database file with what DuckDB 1.5 keeps beside it: the log of changes, and what that becomes at a checkpoint. */
function filesOf(databaseFile: string | undefined): string[] {
  if (databaseFile === undefined) return [];
  return ["", ".wal", ".wal.checkpoint", ".wal.recovery"].map((ending) => databaseFile + ending);
}
