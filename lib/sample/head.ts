/**
 * The beginning of a file as people see it: its encoding, its delimiter, its header, and some rows.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import type { CsvSettings } from "../contract/schema.ts";
import { HEAD_BYTES } from "../csv/chunks.ts";
import type { Encoding } from "../csv/encoding.ts";
import { headerName } from "../csv/header.ts";
import { DELIMITERS, invalidUtf8At, lettersOf, utf16Order } from "../csv/likely.ts";
import { isBlankRow, RowParser } from "../csv/row.ts";

/** A column of the contract in a file. */
export interface Column {
  /** The contract's name. */
  readonly column: string;
  /** What the file calls it; `null` for a file without a header, or if it is not found. */
  readonly name: string | null;
  /** Its position, from 0; `null` if it is not found. */
  readonly index: number | null;
}

/** What was found. */
export interface Head extends Division {
  /** Lines above the header. */
  readonly skipLines: number;
  /** Names for a file that has no header, else `null`. */
  readonly header: readonly string[] | null;
  /** Names of the header that are not the contract's, and the columns that they are. */
  readonly rename: Readonly<Record<string, string>>;
  /** The contract's columns, each with its position in the file. */
  readonly columns: readonly Column[];
  /** Names of the header that are no column. */
  readonly left: readonly string[];
  /** Whether names were of no help. */
  readonly isByPosition: boolean;
  /** Rows below the header. */
  readonly rows: readonly (readonly string[])[];
}

/** Lines among which a header is looked for. */
const MOST_LINES = 20;
/** Rows that are looked at. */
const MOST_ROWS = 500;

/** The text that the first bytes of a file are, and whether its last line may be cut off. */
export function readHeadText(bytes: Uint8Array): { encoding: Encoding; text: string; isCut: boolean } {
  const encoding = encodingOf(bytes);
  const isCut = bytes.length >= HEAD_BYTES;
  return { encoding, text: new TextDecoder(encoding).decode(bytes), isCut };
}

function encodingOf(bytes: Uint8Array): Encoding {
  const order = utf16Order(bytes);
  if (order !== null) return order === "little-endian" ? "utf-16le" : "utf-16be";
  const bad = isUtf8(bytes) ? -1 : invalidUtf8At(bytes);
  if (bad < 0 || (bytes.length >= HEAD_BYTES && bad >= bytes.length - 3)) return "utf-8";
  // The sign of any currency is in no shop's file, the one of the euro, which took its place, is.
  const hasControls = bytes.some((byte) => byte >= 0x80 && byte <= 0x9f);
  return bytes.includes(0xa4) && !hasControls ? "iso-8859-15" : "windows-1252";
}

/** How rows of a text are divided. */
export interface Division {
  /** What stands between fields. */
  readonly delimiter: string;
  /** What stands around some of them. */
  readonly quote: string;
}

/** Finds the header, or what stands for one; `null` if nothing in the text looks like rows. */
export function findHead(
  text: string,
  { names, csv, isCut }: {
    readonly names: readonly string[];
    readonly csv: CsvSettings;
    readonly isCut: boolean;
  },
): Head | null {
  const lines = text.split("\n");
  if (isCut) lines.pop();
  const dialects = dialectsOf(csv);
  return byNames(lines, names, dialects) ?? byPosition(lines, names, dialects);
}

/** The configured one first: of two that fit as well it counts. */
function dialectsOf({ delimiter, quote }: CsvSettings): Division[] {
  const delimiters = [...new Set([delimiter, ...DELIMITERS.filter((mark) => mark >= " " || mark === "\t")])];
  return delimiters.flatMap((delimiter) =>
    [...new Set([quote, '"', "'"])].filter((quote) => quote !== delimiter).map((quote) => ({
      delimiter,
      quote,
    }))
  );
}

function byNames(
  lines: readonly string[],
  names: readonly string[],
  dialects: readonly Division[],
): Head | null {
  const least = Math.max(1, Math.ceil(names.length / 2));
  let best: { dialect: Division; skipLines: number; fields: readonly string[]; count: number } | null = null;
  for (const dialect of dialects) {
    for (let skipLines = 0; skipLines < Math.min(MOST_LINES, lines.length); skipLines++) {
      if (isBlank(lines.slice(skipLines, skipLines + 1), dialect)) continue;
      const [fields = []] = rowsOf(lines.slice(skipLines), dialect, 1);
      const letters = new Set(fields.map(lettersOf));
      const count = names.filter((name) => letters.has(lettersOf(name))).length;
      if (count >= least && count > (best?.count ?? 0)) best = { dialect, skipLines, fields, count };
    }
  }
  if (best === null) return null;
  const { dialect, fields } = best;
  const skipLines = isBlank(lines.slice(0, best.skipLines), dialect) ? 0 : best.skipLines;
  const { columns, rename, left } = matchNames(fields, names);
  const rows = rowsOf(lines.slice(best.skipLines), dialect, MOST_ROWS).slice(1);
  return { ...dialect, skipLines, header: null, rename, columns, left, isByPosition: false, rows };
}

function isBlank(lines: readonly string[], dialect: Division): boolean {
  return rowsOf(lines, dialect, 1).length === 0;
}

/** Finds each column by its name, by the letters of its name, or as the only one that is left. */
function matchNames(fields: readonly string[], names: readonly string[]) {
  const given = fields.map(headerName);
  const places = new Map<string, number>();
  const find = (name: string, isIt: (i: number) => boolean) => {
    const index = fields.findIndex((_, i) => ![...places.values()].includes(i) && isIt(i));
    if (index >= 0 && !places.has(name)) places.set(name, index);
  };
  for (const name of names) find(name, (i) => given[i] === name.toLowerCase());
  for (const name of names) find(name, (i) => lettersOf(fields[i] ?? "") === lettersOf(name));
  const missing = names.filter((name) => !places.has(name));
  const others = () =>
    fields.filter((field, i) => given[i] !== "" && ![...places.values()].includes(i) && field);
  const [only = ""] = missing;
  if (missing.length === 1 && others().length === 1) find(only, (i) => given[i] !== "");
  const columns = names.map((column): Column => {
    const index = places.get(column) ?? null;
    return { column, index, name: index === null ? null : (fields[index] ?? "") };
  });
  const rename = Object.fromEntries(
    columns.flatMap(({ column, name }) =>
      name === null || headerName(name) === column.toLowerCase() ? [] : [[name.trim(), column]]
    ),
  );
  return { columns, rename, left: others() };
}

/**
 * The head of a file whose names are of no help: the dialect by which most rows have the same width, and the columns in the
 * contract's order.
 */
function byPosition(
  lines: readonly string[],
  names: readonly string[],
  dialects: readonly Division[],
): Head | null {
  let best: { dialect: Division; width: number; count: number } | null = null;
  for (const dialect of dialects) {
    const widths = new Map<number, number>();
    for (const { length } of rowsOf(lines, dialect, MOST_ROWS)) {
      widths.set(length, (widths.get(length) ?? 0) + 1);
    }
    for (const [width, count] of widths) {
      if (width >= names.length && count > (best?.count ?? 0)) best = { dialect, width, count };
    }
  }
  if (best === null) return null;
  const { dialect, width } = best;
  const first = lines.findIndex((_, i) => rowsOf(lines.slice(i), dialect, 1)[0]?.length === width);
  const skipLines = isBlank(lines.slice(0, first), dialect) ? 0 : first;
  const rows = rowsOf(lines.slice(first), dialect, MOST_ROWS);
  const [fields = []] = rows;
  const isRow = fields.some((field) => /^[ \t]*[-+]?[0-9][0-9.,:/'-]*[ \t]*$/.test(field));
  const columns = names.map((column, index): Column => ({
    column,
    index,
    name: isRow ? null : fields[index] ?? "",
  }));
  const rename = Object.fromEntries(
    columns.flatMap(({ column, name }) => name?.trim() ? [[name.trim(), column]] : []),
  );
  return {
    ...{ ...dialect, skipLines, columns, left: [], isByPosition: true },
    header: isRow ? fields.map((_, i) => names[i] ?? "") : null,
    rename: isRow ? {} : rename,
    rows: isRow ? rows : rows.slice(1),
  };
}

/** The first rows of lines, without blank ones. */
export function rowsOf(
  lines: readonly string[],
  { delimiter, quote }: Division,
  most: number,
): (readonly string[])[] {
  const rows: (readonly string[])[] = [];
  let parser: RowParser | null = null;
  for (const line of lines) {
    if (rows.length >= most) break;
    const content = line.replace(/\r$/, "");
    if (parser === null && content === "") continue;
    parser ??= new RowParser({ delimiter, quote, maxRowBytes: Infinity });
    const row = parser.push(content, "\n");
    if (row === null) continue;
    parser = null;
    if (!isBlankRow(row.fields)) rows.push(row.fields);
  }
  return rows;
}
