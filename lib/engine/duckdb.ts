/**
 * The engine on DuckDB, locked to the run's work dir.
 *
 * @module
 */
import { Duckdb, type Resources, type Row, rowsOf } from "../duckdb/duckdb.ts";
import type { CheckedQuery, Engine, Inputs, JsonValue, TextFiles, WriteTarget, Written } from "./engine.ts";
import { checkExpression } from "./expression.ts";
import { FunctionCatalog } from "./functions.ts";
import { checkQuery } from "./query.ts";
import { identifier, literal } from "../sql.ts";

/** A Parquet file grows to about this size before the next one is begun. */
const PARQUET_FILE_SIZE = "256MB";
/**
 * Tells Spark that dates are those of the proleptic Gregorian calendar. Spark 3 fails on a whole mart if it has one date
 * before 1582, such as 0023 for 2023, and no such note (`DataSourceUtils.datetimeRebaseSpec` in Spark's source).
 */
const PARQUET_NOTES = "KV_METADATA {'org.apache.spark.version': '3.0.0'}";
/** DuckDB's read buffer is 16 times the longest line; below this it would read in needlessly small steps. */
const LEAST_MAX_LINE_BYTES = 256 * 1024;
/** DuckDB counts the line end with the line. */
const LINE_END_BYTES = 2;

/** Opens an engine that can read and write nothing outside the folder. */
export async function openDuckdbEngine(
  options: { folder: string; resources: Resources; signal?: AbortSignal },
): Promise<Engine> {
  const db = await Duckdb.open({
    allowedFolders: [options.folder],
    spillFolder: `${options.folder}/spill`,
    resources: options.resources,
    joinAsWritten: true,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  return new DuckdbEngine(db);
}

class DuckdbEngine implements Engine {
  readonly #db: Duckdb;
  /** The query of each view, which is not named again: stages that run in one process name many of the same. */
  readonly #views = new Map<string, string>();
  readonly #functions: FunctionCatalog;

  constructor(db: Duckdb) {
    this.#db = db;
    this.#functions = new FunctionCatalog(db);
  }

  async nameParquet(view: string, files: readonly string[]): Promise<void> {
    await this.nameQuery(
      view,
      `SELECT * FROM read_parquet([${files.map(literal).join(", ")}], hive_partitioning = false)`,
    );
  }

  async nameText(view: string, source: TextFiles): Promise<void> {
    const columns = source.columns.map((name) =>
      `${literal(name)}: ${literal(source.types?.get(name) ?? "VARCHAR")}`
    ).join(", ");
    // The files hold no quote character and no other line end (see `csv/split.ts`), so that quoting can be off: a reader
    // that looks for quotes on several threads has to guess where a row begins.
    const reader = `read_csv([${source.files.map(literal).join(", ")}], auto_detect = false, header = false,
      columns = {${columns}}, skip = ${source.skipLines}, delim = ${literal(source.delimiter)}, quote = '',
      escape = '', new_line = '\\n', ignore_errors = true, filename = true, hive_partitioning = false,
      max_line_size = ${Math.max(LEAST_MAX_LINE_BYTES, source.maxLineBytes + LINE_END_BYTES)})`;
    await this.nameQuery(view, `SELECT * FROM ${reader}`);
  }

  async nameValues(
    view: string,
    columns: Readonly<Record<string, string>>,
    rows: readonly Readonly<Record<string, JsonValue>>[],
  ): Promise<void> {
    const sql = `CREATE OR REPLACE TEMP TABLE ${identifier(view)} AS ${rowsOf(columns)}`;
    await this.#db.query(sql, [JSON.stringify(rows)]);
  }

  async nameQuery(view: string, sql: string): Promise<void> {
    if (this.#views.get(view) === sql) return;
    await this.#db.query(`CREATE OR REPLACE TEMP VIEW ${identifier(view)} AS ${sql}`);
    this.#views.set(view, sql);
  }

  query(sql: string): Promise<Row[]> {
    return this.#db.query(sql);
  }

  async write(
    sql: string,
    target: WriteTarget,
    onProgress?: (share: number) => void,
  ): Promise<Written> {
    await Deno.remove(target.folder, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await Deno.mkdir(target.folder, { recursive: true });
    const [copied] = await this.#db.queryWithProgress(
      // The line end keeps a comment at the end of the query from hiding the bracket.
      `COPY (${sql}\n) TO ${copyTarget(target)}`,
      onProgress ?? (() => {}),
    );
    const rowCount = Number(copied?.Count);
    // If there are no rows, DuckDB writes one file with nothing but a schema.
    return { rowCount, files: rowCount === 0 ? [] : (copied?.Files as string[]).toSorted() };
  }

  checkExpression(expression: string, columns: Readonly<Record<string, string>>): Promise<string | null> {
    return checkExpression(this.#db, expression, { columns, functions: this.#functions });
  }

  checkQuery(sql: string, inputs: Inputs): Promise<CheckedQuery> {
    return checkQuery(this.#db, sql, { inputs, functions: this.#functions });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db[Symbol.asyncDispose]();
  }
}

/** The part of a COPY that says where it writes, and how. */
function copyTarget(target: WriteTarget): string {
  const { folder, fileName } = target;
  if (target.format === "csv") {
    return `${literal(`${folder}/${fileName}.csv`)} (FORMAT csv, HEADER, RETURN_FILES)`;
  }
  const layout = target.partitionBy
    ? `PARTITION_BY (${target.partitionBy.map(identifier).join(", ")})`
    : `FILE_SIZE_BYTES '${PARQUET_FILE_SIZE}'`;
  return `${literal(folder)} (FORMAT parquet, ${PARQUET_NOTES}, RETURN_FILES, FILENAME_PATTERN ${
    literal(fileName)
  }, ${layout})`;
}
