/**
 * The engine on DuckDB, locked to the run's work dir.
 *
 * @module
 */
import { Duckdb, identifier, literal, type Resources, type Row } from "../duckdb.ts";
import { PipelineError } from "../errors.ts";
import type { Engine, JsonValue, TextFiles, WriteTarget, Written } from "./engine.ts";

/** A Parquet file of the marts grows to about this size before the next one is begun. */
const PARQUET_FILE_SIZE = "256MB";
/** DuckDB's read buffer is 16 times the longest line; below this it would read in needlessly small steps. */
const LEAST_MAX_LINE_BYTES = 256 * 1024;
/** Functions that look at something other than their arguments, or do not give the same answer every time. */
const FORBIDDEN_FUNCTIONS =
  /^(current_|getvariable$|getenv$|random|rand|setseed|uuid|gen_random|now$|today$|transaction_|txid|get_current|nextval|currval|read_|query|sql_|error$|sleep|write_|pg_|duckdb_|in_search_path|version$|parse_|json_serialize|json_execute|json_deserialize)/;
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

  constructor(db: Duckdb) {
    this.#db = db;
  }

  get memoryLimitMib(): number {
    return this.#db.memoryLimitMib;
  }

  async nameParquet(view: string, files: readonly string[]): Promise<void> {
    await this.nameQuery(view, `SELECT * FROM read_parquet([${files.map(literal).join(", ")}])`);
  }

  async nameText(view: string, source: TextFiles): Promise<void> {
    const columns = source.columns.map((name) => `${literal(name)}: 'VARCHAR'`).join(", ");
    // The files hold no quote character and no other line end (see csv_scan.ts), so that quoting can be off: a reader
    // that looks for quotes on several threads has to guess where a row begins.
    const reader = `read_csv([${source.files.map(literal).join(", ")}], auto_detect = false, header = false,
      columns = {${columns}}, skip = ${source.skipLines}, delim = ${literal(source.delimiter)}, quote = '',
      escape = '', new_line = '\\n', ignore_errors = true, filename = true,
      max_line_size = ${Math.max(LEAST_MAX_LINE_BYTES, source.maxLineBytes)})`;
    const number = source.numbered ? "row_number() OVER () AS line_number, " : "";
    await this.nameQuery(view, `SELECT ${number}* FROM ${reader}`);
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
    await this.#db.query(`CREATE OR REPLACE TEMP VIEW ${identifier(view)} AS ${sql}`);
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
    const options = [
      `FORMAT ${target.format}`,
      "RETURN_FILES",
      `FILENAME_PATTERN ${literal(target.fileName)}`,
    ];
    if (target.format === "csv") options.push("HEADER");
    if (target.partitionBy) {
      options.push(`PARTITION_BY (${target.partitionBy.map(identifier).join(", ")})`);
    } else {
      options.push(`FILE_SIZE_BYTES '${PARQUET_FILE_SIZE}'`);
    }
    const [copied] = await this.#db.queryWithProgress(
      `COPY (${sql}) TO ${literal(target.folder)} (${options.join(", ")})`,
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
    const [parsed] = await this.#db.query("SELECT json_serialize_sql($1::VARCHAR) AS tree", [
      `SELECT (${expression})`,
    ]);
    const tree = JSON.parse(String(parsed?.tree)) as SerializedSql;
    if (tree.error) return tree.error_message ?? "it cannot be parsed";
    const [statement, ...others] = tree.statements ?? [];
    const [node, ...rest] = statement?.node.select_list ?? [];
    if (!node || others.length || rest.length || statement?.node.from_table?.type !== "EMPTY") {
      return "it must be one expression";
    }
    const refused = findRefused(node);
    if (refused) return refused;
    const sample = Object.entries(columns).map(([name, type]) => `NULL::${type} AS ${identifier(name)}`).join(
      ", ",
    );
    try {
      const [described] = await this.#db.query(
        `DESCRIBE SELECT (${expression}) AS passed FROM (SELECT ${sample})`,
      );
      return described?.column_type === "BOOLEAN" ? null : `it gives ${described?.column_type}, not BOOLEAN`;
    } catch (error) {
      if (error instanceof PipelineError || !(error instanceof Error)) throw error;
      return error.message.split("\n")[0] ?? "it does not bind";
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db[Symbol.asyncDispose]();
  }
}

/** What `json_serialize_sql` gives, as far as it is looked at. */
interface SerializedSql {
  readonly error: boolean;
  readonly error_message?: string;
  readonly statements?: {
    readonly node: { readonly select_list: unknown[]; readonly from_table?: { readonly type: string } };
  }[];
}

/** The first part of a parsed expression that a rule may not have, in words. */
function findRefused(node: unknown): string | null {
  if (Array.isArray(node)) return node.map(findRefused).find((found) => found !== null) ?? null;
  if (typeof node !== "object" || node === null) return null;
  if ("class" in node && typeof node.class === "string") {
    if (!ALLOWED_CLASSES.has(node.class)) return `it may not have a ${node.class.toLowerCase()}`;
    const name = "function_name" in node ? String(node.function_name) : "";
    if (FORBIDDEN_FUNCTIONS.test(name.toLowerCase())) return `it may not call ${name}`;
  }
  return findRefused(Object.values(node));
}
