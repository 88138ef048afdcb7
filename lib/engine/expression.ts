/**
 * The sandbox of a rule: one boolean expression over the columns of a row, and nothing that another row, another table or
 * another day could change.
 *
 * @module
 */
import type { Duckdb } from "../duckdb/duckdb.ts";
import { bind } from "./bind.ts";
import { findForeignCall, type FunctionCatalog } from "./functions.ts";
import { columnOf, isFault, lowerCase, parse, type Parsed, type Part, partsOf } from "./tree.ts";

/** What an expression over the columns of one row may be made of, as classes of the tree. */
export const ROW_CLASSES: readonly string[] = [
  "COLUMN_REF",
  "CONSTANT",
  "COMPARISON",
  "CONJUNCTION",
  "OPERATOR",
  "BETWEEN",
  "FUNCTION",
  "CAST",
  "CASE",
];

/**
 * What is wrong with a rule, in words; `null` if it is fine.
 *
 * @param over.columns The SQL type of each column.
 */
export async function checkExpression(
  db: Duckdb,
  expression: string,
  over: { columns: Readonly<Record<string, string>>; functions: FunctionCatalog },
): Promise<string | null> {
  // With brackets around it an expression cannot be more than one; without them it cannot be two halves of one.
  const bare = onlyExpression(await parse(db, `SELECT ${expression}`));
  if (typeof bare === "string") return bare;
  const bracketed = onlyExpression(await parse(db, `SELECT (${expression})`));
  if (typeof bracketed === "string") return bracketed;
  const parts = [...partsOf(bracketed)].map(({ part }) => part);
  const fault = findForeignPart(parts, Object.keys(over.columns));
  if (fault !== null) return fault;
  const functions = await over.functions.for(parts, "scalar");
  for (const part of parts) {
    const name = findForeignCall(part, functions);
    if (name !== null) return `it may not call ${name}`;
  }
  return await bindBoolean(db, expression, over.columns);
}

/** The one expression of a parsed SELECT, or its fault in words. */
function onlyExpression(parsed: Parsed): Part | string {
  if (isFault(parsed)) return parsed.what;
  const [select, ...others] = parsed;
  const [node, ...rest] = select?.select_list as Part[] ?? [];
  const isAlone = others.length === 0 && rest.length === 0 && (select?.from_table as Part)?.type === "EMPTY";
  return isAlone && node !== undefined ? node : "it must be one expression";
}

/** Says which part is no expression over the columns of a row; `null` if all are. */
function findForeignPart(parts: readonly Part[], columns: readonly string[]): string | null {
  const names = new Set(columns.map(lowerCase));
  for (const part of parts) {
    if (typeof part.class === "string" && !ROW_CLASSES.includes(part.class)) {
      return `it may not have a ${part.class.toLowerCase()}`;
    }
    // A name that is no column may be a keyword with a value, such as current_date.
    const name = columnOf(part)?.join(".");
    if (name !== undefined && !names.has(lowerCase(name))) return `${name} is no column of the contract`;
  }
  return null;
}

/** Says why an expression does not bind, or which other type it has; `null` if it is boolean. */
async function bindBoolean(
  db: Duckdb,
  expression: string,
  columns: Readonly<Record<string, string>>,
): Promise<string | null> {
  const bound = await bind(db, `SELECT (${expression}) FROM typed`, { typed: columns });
  if (isFault(bound)) return bound.what;
  const [[, type] = []] = bound;
  return type === "BOOLEAN" ? null : `it gives ${type}, not BOOLEAN`;
}
