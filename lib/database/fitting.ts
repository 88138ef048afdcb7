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
  const faults = found.other === null
    ? [...faultsOfColumns(table, found), ...faultsOfKey(table, found)]
    : [`it is ${found.other}`];
  if (faults.length === 0) return;
  throw new DataError(
    "table_differs",
    `Cannot use the table ${table.name} of ${database}: ${
      faults.join("; ")
    }. Nothing was changed: alter the table, or ` +
      "rename it, and run again, which makes a new one",
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
  for (const { name, isRequired } of byName.values()) {
    if (isRequired) yield `its column ${name} is not known here, and must neither be NULL nor left out`;
  }
}

/** A narrower column may do: a total that does not fit is refused when it comes. */
function takes({ takes, scale }: FoundColumn, wanted: TableType): boolean {
  if (wanted.kind === "char") return takes === "text" || takes === "char";
  return takes === wanted.kind && (wanted.kind !== "decimal" || wanted.scale === scale);
}

function faultsOfKey({ key }: ReportingTable, found: FoundTable): string[] {
  const names = (columns: readonly string[]) => columns.map((name) => name.toLowerCase()).sort().join(", ");
  if (found.key === null || names(found.key) === names(key)) return [];
  const what = found.key.length === 0
    ? "it has no primary key"
    : `its primary key is ${found.key.join(", ")}`;
  return [`${what}, and must be ${key.join(", ")}`];
}

/** A table of the pipeline's own, as its DDL has it. */
export interface OwnTable {
  /** Types by the names of the columns, in lower case: `varchar(20)`. */
  readonly columns: Readonly<Record<string, string>>;
  /** The columns of its primary key; empty if it needs none. */
  readonly key: readonly string[];
}

/** The same table as the database has it; types are written as in {@linkcode OwnTable}. */
export interface FoundOwnTable extends Pick<FoundTable, "other" | "key"> {
  /** Its columns. */
  readonly columns: readonly Pick<FoundColumn, "name" | "type" | "isRequired">[];
}

/** Reads the columns and the key of a DDL, as `CREATE TABLE` has it between its brackets. */
export function parseOwnTable(ddl: string): OwnTable {
  const columns: Record<string, string> = {};
  let key: string[] = [];
  // A comma within brackets is of a type or a key.
  for (const part of ddl.split(/,(?![^(]*\))/).map((part) => part.trim().replace(/\s+/g, " "))) {
    const [, ofKey] = /^PRIMARY KEY \(([^)]*)\)/.exec(part) ?? [];
    if (ofKey !== undefined) key = ofKey.split(",").map((name) => name.trim());
    if (/^(PRIMARY )?KEY /.test(part)) continue;
    const [, name = "", type = ""] = /^(\w+) (\w+(?:\(\d+\))?)/.exec(part) ?? [];
    columns[name] = type.toLowerCase();
    if (part.includes("PRIMARY KEY")) key = [name];
  }
  return { columns, key };
}

/**
 * Asserts that a table of the pipeline's own is that, and not one of the same name that another program has made.
 *
 * @throws {DataError} `table_differs`, with everything that is wrong.
 */
export function requireOwn(name: string, wanted: OwnTable, found: FoundOwnTable, database: string): void {
  const faults = found.other === null ? [...faultsOfOwn(wanted, found)] : [`it is ${found.other}`];
  if (faults.length === 0) return;
  throw new DataError(
    "table_differs",
    `Cannot use the table ${name} of ${database}: ${
      faults.join("; ")
    }. Nothing was changed: the name is one of the ` +
      "pipeline's own tables; rename the other program's, or give the pipeline a database of its own",
  );
}

function* faultsOfOwn(wanted: OwnTable, found: FoundOwnTable): Generator<string> {
  const byName = new Map(found.columns.map((column) => [column.name.toLowerCase(), column]));
  for (const [name, type] of Object.entries(wanted.columns)) {
    const column = byName.get(name);
    if (column === undefined) yield `it has no column ${name}, which must be ${type}`;
    else if (!isAtLeast(column.type, type)) yield `its column ${name} is ${column.type}, and must be ${type}`;
    byName.delete(name);
  }
  for (const { name, isRequired } of byName.values()) {
    if (isRequired) yield `its column ${name} is not known here, and must neither be NULL nor left out`;
  }
  const keys = (columns: readonly string[]) => columns.map((name) => name.toLowerCase()).sort().join(", ");
  if (found.key !== null && keys(found.key) !== keys(wanted.key)) {
    yield `its primary key is ${found.key.join(", ") || "missing"}, and must be ${wanted.key.join(", ")}`;
  }
}

/** Whether a type is the other one, or has more room. */
function isAtLeast(type: string, wanted: string): boolean {
  const [[kind, room], [wantedKind, wantedRoom]] = [type, wanted].map((text): [string, number] => {
    const [, kind = text, length = "0"] = /^(\w+)\((\d+)\)$/.exec(text) ?? [];
    return [kind, Number(length)];
  }) as [[string, number], [string, number]];
  return kind === wantedKind && room >= wantedRoom;
}
