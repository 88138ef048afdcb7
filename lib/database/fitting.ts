/**
 * Whether a reporting table that somebody else has made is one that a commit can add to: totals in a column of another
 * type would be rounded, and those of a key that is another one counted in the wrong row.
 *
 * Columns that a commit does not know may be there, if a row may be without them.
 *
 * @module
 */
import { DataError } from "../errors.ts";
import type { ReportingTable } from "./records.ts";
import { parseTableType, type TableType } from "./tables.ts";

/** A table as the database has it. */
export interface FoundTable {
  /** What it is if it is no table that rows can be added to in a transaction, such as `a view`; else `null`. */
  readonly other: string | null;
  /** Its columns by name. */
  readonly columns: readonly FoundColumn[];
  /** The columns of its primary key; `null` if a key is not asked for. */
  readonly key: readonly string[] | null;
}

/** A column as the database has it. */
export interface FoundColumn {
  /** As the database writes it. */
  readonly name: string;
  /** As the database writes it. */
  readonly type: string;
  /** What values of a reporting table it takes; `null` if none. */
  readonly takes: TableType["kind"] | null;
  /** Decimals after the point, of a decimal. */
  readonly scale: number;
  /** Whether every row must be given a value. */
  readonly isRequired: boolean;
  /** Whether texts that differ may be the same, as in a collation that does not tell upper from lower case. */
  readonly isLoose: boolean;
}

/** The type of the incentive's column. */
const INCENTIVE = "decimal(28,2)";

/**
 * Asserts that totals can be added to a table that is there.
 *
 * @param database The database's name, for messages.
 * @throws {DataError} `table_differs`, with everything that is wrong.
 */
export function requireFit(table: ReportingTable, found: FoundTable, database: string): void {
  const faults = [...faultsOfColumns(table, found), ...faultsOfKey(table.key, found.key)];
  const remedy = "alter the table, or rename it, and run again, which makes a new one";
  requireNone(
    found.other === null ? faults : [`it is ${found.other}`],
    `${table.name} of ${database}`,
    remedy,
  );
}

function requireNone(faults: readonly string[], table: string, remedy: string): void {
  if (faults.length === 0) return;
  throw new DataError(
    "table_differs",
    `Cannot use the table ${table}: ${faults.join("; ")}. Nothing was changed: ${remedy}`,
  );
}

function* faultsOfColumns(table: ReportingTable, { columns }: FoundTable): Generator<string> {
  const { incentive } = table;
  const wanted = { ...table.columns, ...incentive ? { [incentive.column]: INCENTIVE } : {} };
  const byName = new Map(columns.map((column) => [column.name.toLowerCase(), column]));
  for (const [name, type] of Object.entries(wanted)) {
    const column = byName.get(name.toLowerCase());
    if (column === undefined) yield `it has no column ${name}, which must be ${type}`;
    else if (!takes(column, parseTableType(type))) {
      yield `its column ${name} is ${column.type}, and must be ${type}`;
    } else if (column.isLoose && table.key.includes(name)) {
      yield `its column ${name} is in the key, and its collation takes texts that differ for the same`;
    }
    byName.delete(name.toLowerCase());
  }
  yield* faultsOfOthers(byName.values());
}

/** What is wrong with columns that no statement here knows. */
function* faultsOfOthers(columns: Iterable<Pick<FoundColumn, "name" | "isRequired">>): Generator<string> {
  for (const { name, isRequired } of columns) {
    if (isRequired) yield `its column ${name} is not known here, and must neither be NULL nor left out`;
  }
}

/** A narrower column may do: a total that does not fit is refused when it comes. */
function takes({ takes, scale }: FoundColumn, wanted: TableType): boolean {
  if (wanted.kind === "char") return takes === "text" || takes === "char";
  return takes === wanted.kind && (wanted.kind !== "decimal" || wanted.scale === scale);
}

function faultsOfKey(wanted: readonly string[], found: readonly string[] | null): string[] {
  const names = (columns: readonly string[]) => columns.map((name) => name.toLowerCase()).sort().join(", ");
  if (found === null || names(found) === names(wanted)) return [];
  const what = found.length === 0 ? "it has no primary key" : `its primary key is ${found.join(", ")}`;
  return [`${what}, and must be ${wanted.join(", ")}`];
}

/** A table of the pipeline's own as the database has it. */
export interface FoundOwnTable extends Pick<FoundTable, "other" | "key"> {
  /** Its columns. */
  readonly columns: readonly Pick<FoundColumn, "name" | "type" | "isRequired">[];
}

/**
 * Asserts that a table of the pipeline's own is that, and not one of the same name that another program has made.
 *
 * @param ddl What its `CREATE TABLE` has between its brackets.
 * @param plainType A type as it is compared, whichever of the server's words it is given in.
 * @throws {DataError} `table_differs`, with everything that is wrong.
 */
export function requireOwn(
  name: string,
  ddl: string,
  found: FoundOwnTable,
  { database, plainType }: { readonly database: string; readonly plainType: (type: string) => string },
): void {
  const columns = found.columns.map((column) => ({ ...column, type: plainType(column.type) }));
  const wanted = parseOwnTable(ddl);
  const byName = new Map(columns.map((column) => [column.name.toLowerCase(), column]));
  // A ledger from before version 3 gets it.
  if (name === "source_file" && !byName.has("dataset")) delete wanted.columns.dataset;
  const faults: string[] = [];
  for (const [column, type] of Object.entries(wanted.columns)) {
    const there = byName.get(column), needed = plainType(type);
    if (there === undefined) faults.push(`it has no column ${column}, which must be ${needed}`);
    else if (!isAtLeast(there.type, needed)) {
      faults.push(`its column ${column} is ${there.type}, and must be ${needed}`);
    }
    byName.delete(column);
  }
  faults.push(...faultsOfOthers(byName.values()), ...faultsOfKey(wanted.key, found.key));
  const remedy =
    "the name is one of the pipeline's own tables; rename the other program's, or give the pipeline a " +
    "database of its own";
  requireNone(found.other === null ? faults : [`it is ${found.other}`], `${name} of ${database}`, remedy);
}

/** Reads the columns and the key of a DDL. */
function parseOwnTable(ddl: string): { columns: Record<string, string>; key: readonly string[] } {
  const columns: Record<string, string> = {};
  let key: string[] = [];
  // A comma within brackets is of a type or a key.
  for (const part of ddl.split(/,(?![^(]*\))/).map((part) => part.trim().replace(/\s+/g, " "))) {
    const [, ofKey] = /^PRIMARY KEY \(([^)]*)\)/.exec(part) ?? [];
    if (ofKey !== undefined) key = ofKey.split(",").map((name) => name.trim());
    if (/^(PRIMARY )?KEY /.test(part)) continue;
    const [, name = "", type = ""] = /^(\w+) (\w+(?:\(\d+\))?)/.exec(part) ?? [];
    columns[name] = type;
    if (part.includes("PRIMARY KEY")) key = [name];
  }
  return { columns, key };
}

/** Whether a type is the other one, or has more room: `varchar(30)` for `varchar(20)`. */
function isAtLeast(type: string, wanted: string): boolean {
  const [kind, room = 0] = partsOf(type), [wantedKind, least = 0] = partsOf(wanted);
  return kind === wantedKind && room >= least;
}

function partsOf(type: string): [kind: string, room?: number] {
  const [, kind, length] = /^(\w+)\((\d+)\)$/.exec(type) ?? [];
  return kind === undefined ? [type] : [kind, Number(length)];
}
