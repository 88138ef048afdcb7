/**
 * The engine: what turns files into files by SQL. Here it is DuckDB; if one machine is too small, Spark can take its
 * place, since the mart queries in `tasks/sql` keep to what both understand.
 *
 * **Atomic.** Nothing is: an engine writes only to the run's work dir, which no reader looks at. A query that failed or
 * was cancelled may leave partial files there; writing the same target again replaces them.
 *
 * **Idempotent.** Naming a view again replaces it, and so does writing a target again.
 *
 * **Raised.** The abort's reason if it is cancelled, `UnavailableError` if the disk is full, `ConfigError` if the
 * memory limit is too small. Anything else is a bug in the SQL.
 *
 * @module
 */

/** The place of a query's result: a folder of its own, which is emptied first. */
export type WriteTarget = ParquetTarget | CsvTarget;

/** Parquet in as many files as it takes; the rows of a file have no order. */
export interface ParquetTarget {
  /** Absolute path. */
  readonly folder: string;
  /** Tells the two kinds of target apart. */
  readonly format: "parquet";
  /** The name of each file without its ending; `{i}` becomes its number. */
  readonly fileName: string;
  /** Columns that go into the path, as Hive has them, instead of into the file. The query should be ordered by them. */
  readonly partitionBy?: readonly string[];
}

/** CSV in one file: a header, then the rows in the order of the query. */
export interface CsvTarget {
  /** Absolute path. */
  readonly folder: string;
  /** Tells the two kinds of target apart. */
  readonly format: "csv";
  /** The name of the file without its ending. */
  readonly fileName: string;
}

/** What a query wrote. */
export interface Written {
  /** The rows of all files together. */
  readonly rowCount: number;
  /** Absolute paths in the order of their names; none if there were no rows. */
  readonly files: readonly string[];
}

/**
 * A set of delimited text files without quoting. An empty field is NULL. A row with another number of fields, or with
 * one that does not cast to its type, is left out: count and compare.
 */
export interface TextFiles {
  /** Absolute paths. */
  readonly files: readonly string[];
  /** The delimiter of fields, one byte. */
  readonly delimiter: string;
  /** The names of the columns, from left to right. */
  readonly columns: readonly string[];
  /** SQL types by column; what is not among them is VARCHAR. A cast rounds: the texts must be known to be exact. */
  readonly types?: ReadonlyMap<string, string>;
  /** How many lines there are before the first row. */
  readonly skipLines: number;
  /** The length of the longest line, in bytes. */
  readonly maxLineBytes: number;
}

/** A value as JSON has it. A 64-bit integer or a decimal is text, so that it is exact. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };

/** Views that a query may read: by the name of each its columns with their SQL types. */
export type Inputs = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The columns of a query's result by name, in their order, with their types as DuckDB writes them; or its fault. */
export type CheckedQuery = { readonly columns: ReadonlyMap<string, string> } | { readonly fault: string };

/** What every engine can do, by the contract at the module's head. */
export interface Engine extends AsyncDisposable {
  /** Names Parquet files as a view. */
  nameParquet(view: string, files: readonly string[]): Promise<void>;
  /** Names text files as a view, which has one column more, `filename`. */
  nameText(view: string, source: TextFiles): Promise<void>;
  /** Makes a small table of values of this program. `columns` has its SQL types, in the order of the columns. */
  nameValues(
    view: string,
    columns: Readonly<Record<string, string>>,
    rows: readonly Readonly<Record<string, JsonValue>>[],
  ): Promise<void>;
  /** Names a query as a view. */
  nameQuery(view: string, sql: string): Promise<void>;
  /** Runs a SELECT whose result is small. */
  query(sql: string): Promise<Record<string, JsonValue>[]>;
  /** Runs a SELECT and writes its result; says now and then which share of the work is done. */
  write(sql: string, target: WriteTarget, onProgress?: (share: number) => void): Promise<Written>;
  /**
   * Checks a boolean expression over columns, of which `columns` has the SQL types. Gives `null` if it binds and uses
   * nothing but columns, constants, operators and functions of their values, else its fault in words.
   */
  checkExpression(expression: string, columns: Readonly<Record<string, string>>): Promise<string | null>;
  /**
   * Checks a query over the inputs without running it: it must be one SELECT (with CTEs if it likes) that reads nothing
   * but them, calls nothing that could give something else another night, names each column once and binds. Types are
   * such as `BIGINT` and `DECIMAL(18,2)`. A fault is in words, and begins with `line N: ` if the line is known.
   */
  checkQuery(sql: string, inputs: Inputs): Promise<CheckedQuery>;
}

/** The path of a written file, relative to a folder that it lies in. */
export function nameWithin(folder: string, file: string): string {
  if (!file.startsWith(`${folder}/`)) throw new RangeError(`${file} does not lie in ${folder}`);
  return file.slice(folder.length + 1);
}
