/**
 * Binds a header to the contract: finds the place of each of the contract's columns, or the fault of the header.
 *
 * @module
 */
import { type ColumnType, parseColumnType, sqlType } from "../column_type.ts";
import type { Contract } from "./schema.ts";
import { headerName } from "../csv/header.ts";
import { shown } from "../csv/words.ts";
import type { FileFault } from "../source_file.ts";

/** A contract column and its place in files of one layout. */
export interface BoundColumn {
  /** Its name, as the contract spells it. */
  readonly name: string;
  /** Its type. */
  readonly type: ColumnType;
  /** Its position in the header, from 0. */
  readonly index: number;
}

/** A header that has every column of the contract. */
export interface BoundHeader {
  /** The contract's columns, in its order. */
  readonly columns: readonly BoundColumn[];
  /** Positions of the other columns, in header order. */
  readonly extra: readonly number[];
  /** How many columns the header has. */
  readonly width: number;
}

/** Finds the contract's columns in a header; names are trimmed and compared without case. */
export function bindHeader(
  header: readonly string[],
  contract: Contract,
  maxColumns: number,
): BoundHeader | FileFault {
  if (header.length > maxColumns) {
    const detail = `the header has ${header.length} columns, more than csv.maxColumns (${maxColumns})`;
    return { reason: "too_many_columns", detail };
  }
  const names = header.map(headerName);
  const repeated = [...new Set(names.filter((name, i) => name !== "" && names.indexOf(name) !== i))];
  if (repeated.length > 0) {
    const detail = `the header has ${someOf(repeated)} more than once`;
    return { reason: "duplicate_column", detail, columns: repeated };
  }
  const wanted = Object.keys(contract.columns);
  const missing = wanted.filter((name) => !names.includes(name.toLowerCase()));
  if (missing.length > 0) {
    return { reason: "missing_columns", detail: `the header lacks ${someOf(missing)}`, columns: missing };
  }
  const columns = contractColumns(contract).map((column) => ({
    ...column,
    index: names.indexOf(column.name.toLowerCase()),
  }));
  const bound = new Set(columns.map((column) => column.index));
  return { columns, extra: names.keys().filter((index) => !bound.has(index)).toArray(), width: names.length };
}

/** Characters of names that a sentence has at most; all of them stand beside it. */
const NAME_CHARACTERS = 100;

/** As many of the names as a sentence bears. */
function someOf(names: readonly string[]): string {
  const visible = names.map((name) => shown(name, NAME_CHARACTERS));
  let count = visible.length;
  while (count > 1 && visible.slice(0, count).join(", ").length > NAME_CHARACTERS) count--;
  const left = visible.length - count;
  return visible.slice(0, count).join(", ") + (left > 0 ? ` and ${left} more` : "");
}

/** The contract's columns with their parsed types, in contract order. */
function contractColumns(contract: Contract): { name: string; type: ColumnType }[] {
  return Object.entries(contract.columns).map(([name, given]) => {
    const type = parseColumnType(given);
    if (type === null) {
      throw new TypeError(`Cannot use the type ${given} of ${name}: the configuration was not checked`);
    }
    return { name, type };
  });
}

/** SQL types of the contract's columns by name, for binding rules. */
export function contractSqlTypes(contract: Contract): Record<string, string> {
  return Object.fromEntries(contractColumns(contract).map(({ name, type }) => [name, sqlType(type)]));
}

/** The type of each column of a header, in its order; `null` for those that are not the contract's. */
export function layoutOf({ columns, width }: BoundHeader): (ColumnType | null)[] {
  const layout: (ColumnType | null)[] = new Array(width).fill(null);
  for (const { type, index } of columns) layout[index] = type;
  return layout;
}
