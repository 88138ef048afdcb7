/**
 * The engine: what turns files into files with SQL. DuckDB here; where one machine is too small, Spark can take its
 * place, since the mart queries in `tasks/sql` keep to what both understand.
 *
 * **Atomic.** Nothing: an engine writes only to the run's work dir, which no reader looks at. A query that failed or
 * was cancelled may leave partial files there; writing the same target again replaces them.
 *
 * **Idempotent.** Naming a view again replaces it, writing a target again replaces it.
 *
 * **Raised.** The abort reason when cancelled; `UnavailableError` when the disk is full, `ConfigError` when the memory
 * limit is too small; anything else is a bug in the SQL.
 *
 * @module
 */

/** Where a query's result goes: a folder of its own, which is emptied first. */
export type WriteTarget = ParquetTarget | CsvTarget;

/** Parquet in as many files as it takes; within a file there is no order. */
export interface ParquetTarget {
  /** Absolute path. */
  readonly folder: string;
  /** The kind. */
  readonly format: "parquet";
  /** Name of each file without its ending; `{i}` is its number. */
  readonly fileName: string;
  /** Columns that go into the path, Hive style, instead of the file. The query should be ordered by them. */
  readonly partitionBy?: readonly string[];
}

/** CSV in one file, with a header and the rows in the order of the query. */
export interface CsvTarget {
  /** Absolute path. */
  readonly folder: string;
  /** The kind. */
  readonly format: "csv";
  /** Name of the file without its ending. */
  readonly fileName: string;
}

/** What a query wrote. */
export interface Written {
  /** Over all files. */
  readonly rowCount: number;
  /** Absolute paths in order of their names; none where there were no rows. */
  readonly files: readonly string[];
}

/**
 * A set of delimited text files without quoting: fields that are empty are NULL. A row with another number of fields, or
 * with one that does not cast to its type, is left out: count and compare.
 */
export interface TextFiles {
  /** Absolute paths. */
  readonly files: readonly string[];
  /** One byte. */
  readonly delimiter: string;
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** SQL types by column; the others are VARCHAR. A cast rounds: the texts must be known to be exact. */
  readonly types?: ReadonlyMap<string, string>;
  /** Lines before the first row. */
  readonly skipLines: number;
  /** Longest line, in bytes. */
  readonly maxLineBytes: number;
}

/** A value as JSON has it; 64-bit integers and decimals are text, so that they are exact. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };

/** The contract that every engine keeps; see the module's head. */
export interface Engine extends AsyncDisposable {
  /** Names Parquet files as a view. */
  nameParquet(view: string, files: readonly string[]): Promise<void>;
  /** Names text files as a view, with a further column `filename`. */
  nameText(view: string, source: TextFiles): Promise<void>;
  /** Makes a small table from values of this program. Types are SQL types, in the order of the columns. */
  nameValues(
    view: string,
    columns: Readonly<Record<string, string>>,
    rows: readonly Readonly<Record<string, JsonValue>>[],
  ): Promise<void>;
  /** Names a query as a view. */
  nameQuery(view: string, sql: string): Promise<void>;
  /** Runs a SELECT whose result is small. */
  query(sql: string): Promise<Record<string, JsonValue>[]>;
  /** Runs a SELECT and writes its result. */
  write(sql: string, target: WriteTarget, onProgress?: (share: number) => void): Promise<Written>;
  /**
   * Checks a boolean expression over the named columns (name to SQL type): `null` where it binds and uses nothing but
   * columns, constants, operators and scalar functions, else what is wrong with it.
   */
  checkExpression(expression: string, columns: Readonly<Record<string, string>>): Promise<string | null>;
}

/** A written file's path relative to a folder that it lies in. */
export function nameWithin(folder: string, file: string): string {
  if (!file.startsWith(`${folder}/`)) throw new RangeError(`${file} does not lie in ${folder}`);
  return file.slice(folder.length + 1);
}
