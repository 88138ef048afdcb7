/**
 * The functions that SQL of a configuration may call: those whose result follows from their arguments, so that a night
 * that is repeated gives the same.
 *
 * @module
 */
import type { Duckdb } from "../duckdb/duckdb.ts";
import { functionOf, type Part } from "./tree.ts";

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
  "vector_type",
];

/** Which functions may be called. */
export interface Functions {
  /** Functions that give one value for one row; no macros. */
  readonly scalar: ReadonlySet<string>;
}

/** Reads the functions from DuckDB's catalog, which takes ten times as long as checking an expression. */
export async function readFunctions(db: Duckdb): Promise<Functions> {
  const rows = await db.query(
    `SELECT function_name FROM duckdb_functions() GROUP BY function_name
     HAVING bool_and(function_type = 'scalar' AND stability = 'CONSISTENT')`,
  );
  const scalar = new Set(rows.map(({ function_name }) => String(function_name)));
  return { scalar: scalar.difference(new Set(FORBIDDEN_FUNCTIONS)) };
}

/** The function that an expression calls and may not; `null` if it calls none, or one that it may. */
export function findForeignCall(part: Part, functions: ReadonlySet<string>): string | null {
  const called = functionOf(part);
  if (called === null) return null;
  // With one argument it is the time since then.
  const isSinceThen = called === "age" && Array.isArray(part.children) && part.children.length === 1;
  return functions.has(called) && !isSinceThen ? null : called;
}
