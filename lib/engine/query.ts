/**
 * The sandbox of a mart's query: one SELECT that reads its inputs and nothing else, and gives the same from the same rows.
 *
 * The parser's tree says what a query is made of, reads and calls: nothing is allowed that is not on a list. Only then is
 * it bound, in a place where nothing but the inputs exists, which tells its columns.
 *
 * @module
 */
import type { Duckdb } from "../duckdb/duckdb.ts";
import { bind } from "./bind.ts";
import type { CheckedQuery, Inputs } from "./engine.ts";
import { ROW_CLASSES } from "./expression.ts";
import { findForeignCall, type FunctionCatalog, valueOf } from "./functions.ts";
import {
  type Ctes,
  type Fault,
  functionOf,
  isFault,
  lineOf,
  lowerCase,
  parse,
  type Parsed,
  type Part,
  partsOf,
} from "./tree.ts";
import { visible } from "../text.ts";

/** What an expression may be, as classes of the tree. */
const EXPRESSIONS = new Set([
  ...ROW_CLASSES,
  "COLLATE",
  "LAMBDA",
  "POSITIONAL_REFERENCE",
  "STAR",
  "SUBQUERY",
  "WINDOW",
]);
/** What a query may be. */
const QUERIES = new Set(["SELECT_NODE", "SET_OPERATION_NODE"]);
/** What a query may read, besides tables and functions, whose names count. */
const SOURCES = new Set(["EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY"]);
/** What else the tree may have: the order, limit and DISTINCT of a query, and what a type is made of. */
const OTHERS = /(?:^|_)(?:MODIFIER|DEFAULT|ASCENDING|DESCENDING|TYPE_INFO)$/;
/** How the parser begins to say that a text is another statement; a PIVOT without values is two. */
const NO_SELECT = "Only SELECT statements";
const NO_SAMPLE = "it may not take a sample of rows";
const ONE_SELECT = "it must be one SELECT, in which a PIVOT lists its values";

/** What a query may use. */
export interface Allowed {
  /** The views that it may read. */
  readonly inputs: Inputs;
  /** The functions, of which it may call all that always give the same. */
  readonly functions: FunctionCatalog;
}

/** What a source may be: an input or a CTE that it sees. */
interface Sources {
  readonly names: readonly string[];
  readonly ctes: Ctes | null;
}

/** Checks a query and describes its result; see {@linkcode Engine.checkQuery}. */
export async function checkQuery(db: Duckdb, sql: string, allowed: Allowed): Promise<CheckedQuery> {
  const parsed = await parse(db, sql);
  const fault = await findFault(sql, parsed, allowed);
  if (fault !== null) return { fault: textOf(fault) };
  const columns = await bind(db, sql, readBy(parsed, allowed.inputs));
  if (isFault(columns)) return { fault: textOf(columns) };
  const seen = new Set<string>();
  for (const [name] of columns) {
    if (seen.has(name.toLowerCase())) return { fault: `it gives two columns named ${visible(name)}` };
    seen.add(name.toLowerCase());
  }
  return { columns: new Map(columns) };
}

/** The inputs that a query names. */
function readBy(parsed: Parsed, inputs: Inputs): Inputs {
  const names = new Set([...partsOf(parsed)].map(({ part }) => lowerCase(String(part.table_name ?? ""))));
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => names.has(lowerCase(name))));
}

function textOf({ what, line }: Fault): string {
  return line === null ? visible(what) : `line ${line}: ${visible(what)}`;
}

/** The first fault of a parsed query in the order of its tree; `null` if there is none. */
async function findFault(
  sql: string,
  parsed: Parsed,
  { inputs, functions }: Allowed,
): Promise<Fault | null> {
  if (isFault(parsed)) return parsed.what.startsWith(NO_SELECT) ? { what: ONE_SELECT, line: null } : parsed;
  if (parsed.length !== 1) return { what: ONE_SELECT, line: null };
  const names = Object.keys(inputs);
  const parts = [...partsOf(parsed)];
  const callable = await functions.for(parts.map(({ part }) => part), "all");
  for (const { part, ctes } of parts) {
    const what = "class" in part
      ? faultOfExpression(part, callable)
      : "cte_map" in part
      ? faultOfQuery(part)
      : "sample" in part
      ? faultOfSource(part, { names, ctes })
      : faultOfOther(part);
    if (what !== null) return { what, line: lineOf(part, sql) };
  }
  return null;
}

function faultOfExpression(part: Part, functions: ReadonlySet<string>): string | null {
  if (part.class === "PARAMETER") return "it may not have parameters, such as ? and $1";
  if (!EXPRESSIONS.has(String(part.class))) return `it may not have a ${String(part.class).toLowerCase()}`;
  const called = findForeignCall(part, functions);
  if (called !== null) {
    return `it may not call ${called}: it is unknown, or may give something else another time`;
  }
  const value = valueOf(part);
  return value === null
    ? null
    : `it may not use ${value}; a column of that name needs its table's: t.${value}`;
}

function faultOfQuery(part: Part): string | null {
  if (part.type === "RECURSIVE_CTE_NODE") return "it may not be recursive";
  if (!QUERIES.has(String(part.type))) return `it may not have a ${String(part.type).toLowerCase()}`;
  // Only a SELECT has a sample of its own.
  return part.sample ? NO_SAMPLE : null;
}

function faultOfSource(part: Part, { names, ctes }: Sources): string | null {
  if (part.sample !== null) return NO_SAMPLE;
  const inputs = `it has the inputs ${names.join(", ")}`;
  switch (part.type) {
    case "BASE_TABLE": {
      // A qualified name is never an input, whatever a CTE is named: quoted, that may have a dot in it.
      const qualified = [part.catalog_name, part.schema_name, part.table_name].filter(Boolean);
      const name = qualified.join(".");
      const isKnown = qualified.length === 1 &&
        (names.some((input) => lowerCase(input) === lowerCase(name)) || isCte(lowerCase(name), ctes));
      return isKnown ? null : `it may not read ${name}: ${inputs}`;
    }
    case "TABLE_FUNCTION": {
      const name = functionOf(part.function as Part);
      return name === "unnest" ? null : `it may not read ${name}(): ${inputs}`;
    }
    case "SHOW_REF":
      return "it may not describe, show or summarize";
    default:
      return SOURCES.has(String(part.type)) ? null : `it may not have a ${String(part.type).toLowerCase()}`;
  }
}

/** A later DuckDB may write its tree in another way: what is not known is refused, so that nothing gets past that way. */
function faultOfOther({ type }: Part): string | null {
  return typeof type !== "string" || OTHERS.test(type) ? null : `it may not have a ${type.toLowerCase()}`;
}

function isCte(name: string, ctes: Ctes | null): boolean {
  for (let cte = ctes; cte !== null; cte = cte.others) if (cte.name === name) return true;
  return false;
}
