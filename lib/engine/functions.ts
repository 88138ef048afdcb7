/**
 * The functions that SQL of a configuration may call: those whose result follows from their arguments, so that a night
 * that is repeated gives the same.
 *
 * @module
 */
import type { Duckdb } from "../duckdb/duckdb.ts";
import { columnOf, functionOf, isFault, lowerCase, type Part, partsOf, readTree } from "./tree.ts";

/**
 * Functions that look at something besides their arguments, though DuckDB lists them as if they did not: at a setting,
 * the clock, the environment, a query, chance, or the way in which a value happens to be stored.
 */
const FORBIDDEN_FUNCTIONS = [
  "current_localtime",
  "current_localtimestamp",
  "current_setting",
  "error",
  "getenv",
  "getvariable",
  "json_serialize_plan",
  "query",
  "query_table",
  "reservoir_quantile",
  "vector_type",
];

/** Functions that call another by its name, whichever it is. Macros such as list_sum are made of them, with a known one. */
const BY_NAME = ["aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"];

/** Names that DuckDB takes for a call without brackets if no column has them (its GetSQLValueFunctionName). */
const VALUE_NAMES = new Set([
  "current_catalog",
  "current_date",
  "current_role",
  "current_schema",
  "current_time",
  "current_timestamp",
  "current_user",
  "localtime",
  "localtimestamp",
  "session_user",
  "user",
]);

/** Which functions may be called. */
export interface Functions {
  /** Functions that give one value for one row; no macros. */
  readonly scalar: ReadonlySet<string>;
  /** These, aggregates, window functions, and the macros that are made of nothing else. */
  readonly all: ReadonlySet<string>;
}

/** Operators and functions of one row that most rules and marts have, a part of {@linkcode Functions.scalar}. */
const COMMON_SCALAR = [
  ...["+", "-", "*", "/", "//", "%", "||", "~~", "!~~"],
  ...["abs", "ceil", "concat", "concat_ws", "floor", "greatest", "least", "length", "lower", "lpad", "ltrim"],
  ...[
    "day",
    "month",
    "quarter",
    "year",
    "replace",
    "rpad",
    "rtrim",
    "starts_with",
    "substring",
    "trim",
    "upper",
  ],
] as const;

/** What needs no look at the catalog. */
export const COMMON_FUNCTIONS: Functions = {
  scalar: new Set(COMMON_SCALAR),
  all: new Set([
    ...COMMON_SCALAR,
    ...["avg", "count", "count_star", "max", "min", "nullif", "row_number", "sum"],
  ]),
};

/** The functions that may be called, by the catalog of a DuckDB. */
export class FunctionCatalog {
  readonly #db: Duckdb;
  #functions: Functions | undefined;

  /** Reads nothing yet. */
  constructor(db: Duckdb) {
    this.#db = db;
  }

  /** Which functions may be called, as far as these parts call any: the catalog is read if they call an uncommon one. */
  async for(parts: readonly Part[], kind: keyof Functions): Promise<ReadonlySet<string>> {
    const common = COMMON_FUNCTIONS[kind];
    const isCommon = (called: string | null) => called === null || common.has(called);
    if (parts.every((part) => isCommon(functionOf(part)))) return common;
    return (this.#functions ??= await readFunctions(this.#db))[kind];
  }
}

/** Reads all functions, which takes ten times as long as checking a query. */
export async function readFunctions(db: Duckdb): Promise<Functions> {
  // Every overload must be consistent: which one is meant is known only once a call is bound. Table functions count for
  // `scalar` alone: a query can call them in FROM only, where they are looked at by themselves.
  const rows = await db.query(`
    SELECT
      lower(function_name) AS name,
      bool_and(function_type = 'scalar' AND stability = 'CONSISTENT') AS is_scalar,
      bool_and(stability = 'CONSISTENT') FILTER (WHERE function_type IN ('scalar', 'aggregate')) AS is_consistent,
      list(json_serialize_sql('SELECT ' || macro_definition)) FILTER (WHERE function_type = 'macro') AS macros
    FROM duckdb_functions() GROUP BY ALL`);
  const scalar = new Set<string>();
  // DuckDB takes this one apart itself; its catalog has nothing but the table function.
  const all = new Set(["unnest"]);
  const macros = new Map<string, readonly string[]>();
  for (const { name, is_scalar, is_consistent, macros: trees } of rows) {
    const called = String(name);
    if (FORBIDDEN_FUNCTIONS.includes(called)) continue;
    if (is_scalar) scalar.add(called);
    if (is_consistent === false) continue;
    if (Array.isArray(trees)) macros.set(called, trees.map(String));
    else if (is_consistent) all.add(called);
  }
  // A macro may be made of macros: once more, until none is added.
  for (let before = 0; before < all.size;) {
    before = all.size;
    for (const [name, trees] of macros) if (trees.every((tree) => isMadeOf(tree, all))) all.add(name);
  }
  for (const name of BY_NAME) {
    scalar.delete(name);
    all.delete(name);
  }
  return { scalar, all };
}

/** Whether a macro calls nothing but these functions and reads nothing. */
function isMadeOf(tree: string, functions: ReadonlySet<string>): boolean {
  const parsed = readTree(tree, "");
  return !isFault(parsed) &&
    [...partsOf(parsed)].every(({ part }) =>
      part.class !== "SUBQUERY" && valueOf(part) === null && findForeignCall(part, functions) === null
    );
}

/** The function that an expression calls and may not; `null` if it calls none, or one that it may. */
export function findForeignCall(part: Part, functions: ReadonlySet<string>): string | null {
  const called = functionOf(part);
  if (called === null) return null;
  // With one argument it is the time since then.
  const isSinceThen = called === "age" && Array.isArray(part.children) && part.children.length === 1;
  return functions.has(called) && !isSinceThen ? null : called;
}

/** The name that DuckDB takes for a call if no column has it, such as `current_date`; `null` if a part is none. */
export function valueOf(part: Part): string | null {
  const [name = "", ...others] = columnOf(part) ?? [];
  return others.length === 0 && VALUE_NAMES.has(lowerCase(name)) ? name : null;
}
