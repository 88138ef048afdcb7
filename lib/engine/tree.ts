/**
 * The tree that DuckDB's own parser makes of an SQL text (`json_serialize_sql`). What a text does is read there and never
 * in the text, whose quotes, comments and escapes could hide it.
 *
 * @module
 */
import type { Duckdb } from "../duckdb/duckdb.ts";

/**
 * An object of the tree. An expression has a `class`, a query a `cte_map`, and what a query reads a `sample`; the others
 * belong to one of these.
 */
export type Part = Readonly<Record<string, unknown>>;

/** What is wrong with a text. */
export interface Fault {
  /** The fault in words, which begin in lower case unless they are the engine's. */
  readonly what: string;
  /** The line of the text, from 1; `null` if nobody knows. */
  readonly line: number | null;
}

/** The queries of a text that has nothing but SELECTs, or why it is no such text. */
export type Parsed = readonly Part[] | Fault;

/** The CTEs that a part sees, in lower case, the nearest first. */
export interface Ctes {
  /** The nearest one. */
  readonly name: string;
  /** Those that were defined before it. */
  readonly others: Ctes | null;
}

/** Parses a text. */
export async function parse(db: Duckdb, text: string): Promise<Parsed> {
  const [row] = await db.query("SELECT json_serialize_sql($1::VARCHAR) AS tree", [text]);
  return readTree(String(row?.tree), text);
}

/** Reads the tree of a text as `json_serialize_sql` writes it. */
export function readTree(json: string, text: string): Parsed {
  let tree: {
    readonly error: boolean;
    readonly error_message?: string;
    readonly position?: string;
    readonly statements?: readonly { readonly node: Part }[];
  };
  try {
    tree = JSON.parse(json);
  } catch {
    // DuckDB writes 1e400 as `inf`, which JSON does not have.
    return { what: "it has a number that is too large", line: null };
  }
  if (!tree.error) return (tree.statements ?? []).map(({ node }) => node);
  return { what: tree.error_message ?? "it cannot be parsed", line: lineAt(text, tree.position) };
}

/** Whether the parser or the binder has found a fault. */
export function isFault(found: object): found is Fault {
  return "what" in found;
}

/** The line of a part in the text that was parsed; `null` if DuckDB has not noted it. */
export function lineOf(part: Part, text: string): number | null {
  return lineAt(text, part.query_location);
}

/** The line of a position, which DuckDB counts in bytes of UTF-8 from 0; what has none is given the largest number. */
function lineAt(text: string, position: unknown): number | null {
  const bytes = new TextEncoder().encode(text);
  const at = position === undefined ? Infinity : Number(position);
  return at > bytes.length ? null : new TextDecoder().decode(bytes.subarray(0, at)).split("\n").length;
}

/**
 * All objects of a tree in the order of the tree, each with the CTEs that it sees: those before it in the same WITH, and
 * those of the queries around it.
 */
export function* partsOf(root: unknown): Generator<{ part: Part; ctes: Ctes | null }> {
  // A list of what is left to do instead of a recursion: a query of 5,000 UNIONs is that many levels deep.
  const pending: { value: unknown; ctes: Ctes | null }[] = [{ value: root, ctes: null }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { value } = next;
    let { ctes } = next;
    if (!isPart(value)) continue;
    const inner: typeof pending = [];
    // A CTE does not see itself, so that its name stands for an input there.
    for (const { key, value: cte } of isPart(value.cte_map) ? value.cte_map.map as CteEntry[] : []) {
      inner.push({ value: cte, ctes });
      ctes = { name: lowerCase(key), others: ctes };
    }
    yield { part: value, ctes };
    for (const [key, held] of Object.entries(value)) if (key !== "cte_map") inner.push({ value: held, ctes });
    for (const item of inner.reverse()) pending.push(item);
  }
}

interface CteEntry {
  readonly key: string;
  readonly value: unknown;
}

function isPart(value: unknown): value is Part {
  return typeof value === "object" && value !== null;
}

/** The function that an expression calls, in lower case; `null` if it calls none. */
export function functionOf(part: Part): string | null {
  return typeof part.function_name === "string" ? lowerCase(part.function_name) : null;
}

/** The names of a column reference, such as `["c", "address"]`; `null` if a part is none. */
export function columnOf(part: Part): readonly string[] | null {
  return Array.isArray(part.column_names) ? part.column_names : null;
}

/**
 * A name as DuckDB compares it: only ASCII letters have no case. JavaScript would also take the Kelvin sign for a "k", and
 * a CTE of such a name for one that hides a table.
 */
export function lowerCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
