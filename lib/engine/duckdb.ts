/**
 * The engine on DuckDB, locked to the run's work dir.
 *
 * @module
 */
import { Duckdb, type Resources, type Row } from "../duckdb/duckdb.ts";
import { PipelineError } from "../errors.ts";
import type { Engine, JsonValue, TextFiles, WriteTarget, Written } from "./engine.ts";
import { identifier, literal } from "../sql.ts";

/** A Parquet file of the marts grows to about this size before the next one is begun. */
const PARQUET_FILE_SIZE = "256MB";
/** DuckDB's read buffer is 16 times the longest line; below this it would read in needlessly small steps. */
const LEAST_MAX_LINE_BYTES = 256 * 1024;
/** DuckDB counts the line end with the line. */
const LINE_END_BYTES = 2;
/** Functions that look at something other than their arguments, though DuckDB lists them as if they did not. */
const FORBIDDEN_FUNCTIONS = ["current_setting", "getvariable", "getenv", "error", "query", "query_table"];
/** Operators that DuckDB has as functions; asking its catalog about them would take longer than all else. */
const OPERATORS = new Set(["+", "-", "*", "/", "//", "%", "~~", "!~~"]);
/** What an expression may be made of, as classes of DuckDB's parsed tree. */
const ALLOWED_CLASSES = new Set([
  "COLUMN_REF",
  "CONSTANT",
  "COMPARISON",
  "CONJUNCTION",
  "OPERATOR",
  "BETWEEN",
  "FUNCTION",
  "CAST",
  "CASE",
]);

/** Opens an engine that can read and write nothing outside the folder. */
export async function openDuckdbEngine(
  options: { folder: string; resources: Resources; signal?: AbortSignal },
): Promise<Engine & { readonly memoryLimitMib: number }> {
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
  /** What each view stands for: stages that run in one process name many of the same. */
  readonly #views = new Map<string, string>();
  #scalar: Set<string> | undefined;

  constructor(db: Duckdb) {
    this.#db = db;
  }

  get memoryLimitMib(): number {
    return this.#db.memoryLimitMib;
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
    // The files hold no quote character and no other line end (see csv_split.ts), so that quoting can be off: a reader
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
    const shape = JSON.stringify([columns]);
    await this.#db.query(
      `CREATE OR REPLACE TEMP TABLE ${identifier(view)} AS
       SELECT unnest(from_json($1::JSON, ${literal(shape)}), recursive := true)`,
      [JSON.stringify(rows)],
    );
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
      `COPY (${sql}) TO ${copyTarget(target)}`,
      onProgress ?? (() => {}),
    );
    const rowCount = Number(copied?.Count);
    // Without rows there is one file with nothing but a schema.
    return { rowCount, files: rowCount === 0 ? [] : (copied?.Files as string[]).toSorted() };
  }

  async checkExpression(
    expression: string,
    columns: Readonly<Record<string, string>>,
  ): Promise<string | null> {
    // With brackets around it an expression cannot be more than one; without them it cannot be two halves of one.
    const [parsed] = await this.#db.query(
      "SELECT json_serialize_sql($1::VARCHAR) AS bare, json_serialize_sql($2::VARCHAR) AS bracketed",
      [`SELECT ${expression}`, `SELECT (${expression})`],
    );
    const bare = onlyExpression(String(parsed?.bare)), node = onlyExpression(String(parsed?.bracketed));
    if (typeof bare === "string") return bare;
    if (typeof node === "string") return node;
    const used = partsOf(node, Object.keys(columns));
    if (typeof used === "string") return used;
    const called = used.difference(OPERATORS);
    const scalar = called.size > 0 ? await this.#scalarFunctions() : called;
    for (const name of called) {
      if (!scalar.has(name) || FORBIDDEN_FUNCTIONS.includes(name)) return `it may not call ${name}`;
    }
    return await this.#bindBoolean(expression, columns);
  }

  /** What is wrong with the type of an expression over the columns; `null` where it is boolean. */
  async #bindBoolean(expression: string, columns: Readonly<Record<string, string>>): Promise<string | null> {
    const sample = Object.entries(columns).map(([name, type]) => `NULL::${type} AS ${identifier(name)}`).join(
      ", ",
    );
    try {
      const columns = await this.#db.describe(`SELECT (${expression}) AS passed FROM (SELECT ${sample})`);
      const type = columns.get("passed");
      return type === "BOOLEAN" ? null : `it gives ${type}, not BOOLEAN`;
    } catch (error) {
      if (error instanceof PipelineError || !(error instanceof Error)) throw error;
      return error.message.split("\n")[0] ?? "it does not bind";
    }
  }

  /** Functions whose result follows from their arguments, row by row. */
  async #scalarFunctions(): Promise<Set<string>> {
    this.#scalar ??= new Set(
      (await this.#db.query(
        `SELECT function_name FROM duckdb_functions() GROUP BY function_name
         HAVING bool_and(function_type = 'scalar' AND stability = 'CONSISTENT')`,
      )).map((row) => String(row.function_name)),
    );
    return this.#scalar;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db[Symbol.asyncDispose]();
  }
}

/** Where COPY writes, and how. */
function copyTarget(target: WriteTarget): string {
  const { folder, fileName } = target;
  if (target.format === "csv") {
    return `${literal(`${folder}/${fileName}.csv`)} (FORMAT csv, HEADER, RETURN_FILES)`;
  }
  const layout = target.partitionBy
    ? `PARTITION_BY (${target.partitionBy.map(identifier).join(", ")})`
    : `FILE_SIZE_BYTES '${PARQUET_FILE_SIZE}'`;
  return `${literal(folder)} (FORMAT parquet, RETURN_FILES, FILENAME_PATTERN ${
    literal(fileName)
  }, ${layout})`;
}

/** What `json_serialize_sql` gives, as far as it is looked at. */
interface SerializedSql {
  readonly error: boolean;
  readonly error_message?: string;
  readonly statements?: {
    readonly node: { readonly select_list: unknown[]; readonly from_table?: { readonly type: string } };
  }[];
}

/** The one expression of a parsed SELECT, or what is wrong in words. */
function onlyExpression(tree: string): unknown {
  let parsed: SerializedSql;
  try {
    parsed = JSON.parse(tree);
  } catch {
    return "it has a number that is too large";
  }
  if (parsed.error) return parsed.error_message ?? "it cannot be parsed";
  const [statement, ...others] = parsed.statements ?? [];
  const [node, ...rest] = statement?.node.select_list ?? [];
  const alone = others.length === 0 && rest.length === 0 && statement?.node.from_table?.type === "EMPTY";
  return alone && node !== null && typeof node === "object" ? node : "it must be one expression";
}

/** The functions that a parsed expression calls, or, in words, what it may not have. */
function partsOf(node: unknown, columns: readonly string[]): Set<string> | string {
  const used = new Set<string>();
  const names = new Set(columns.map((name) => name.toLowerCase()));
  const pending = [node];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (typeof part !== "object" || part === null) continue;
    pending.push(...Object.values(part).filter((inner) => inner !== undefined));
    if (!("class" in part) || typeof part.class !== "string") continue;
    if (!ALLOWED_CLASSES.has(part.class)) return `it may not have a ${part.class.toLowerCase()}`;
    if ("function_name" in part) used.add(String(part.function_name).toLowerCase());
    // A name that is no column may be a keyword with a value, such as current_date.
    if ("column_names" in part && Array.isArray(part.column_names)) {
      const name = part.column_names.join(".");
      if (!names.has(name.toLowerCase())) return `${name} is no column of the contract`;
    }
  }
  return used;
}
