/**
 * Finds rows that are the header once more, as files have them that were joined.
 *
 * No row that a table proves is one: {@link ../contract/layouts.ts} proves nothing below a header that could be an exact
 * row. So only doubtful rows are looked at, and nearly all of these are told by their first byte.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { headerName } from "./header.ts";
import { BOM } from "./marks.ts";
import { type CsvDialect, type CsvRow, RowParser } from "./row.ts";

/** What a row is: one like any other, the header again, or its names in another order. */
export type Likeness = "row" | "header" | "other order";

const LATIN1_BOM = BOM.toString("latin1");

/** The names of a file's header. */
export class HeaderNames {
  readonly #dialect: CsvDialect;
  readonly #names: readonly string[];
  readonly #sorted: string;
  /** 1 for each byte that a row may begin with which has these names. */
  readonly #begins = new Uint8Array(256);

  /** Takes the header's fields. */
  constructor(fields: readonly string[], dialect: CsvDialect) {
    this.#dialect = dialect;
    this.#names = fields.map(headerName);
    this.#sorted = JSON.stringify(this.#names.toSorted());
    // A character beyond ASCII may be the other case of one within it, or the mark that stood before the header.
    this.#begins.fill(1, 128);
    for (const character of [dialect.quote, " ", "\t"]) this.#begins[character.charCodeAt(0)] = 1;
    for (const name of this.#names) {
      const first = name === "" ? dialect.delimiter : name;
      for (const character of [first, first.toUpperCase()]) this.#begins[character.charCodeAt(0) & 255] = 1;
    }
  }

  /** Whether a row may have these names, by its first byte. */
  mayBegin(byte: number | undefined): boolean {
    return this.#begins[byte ?? 0] === 1;
  }

  /** What a row is, whose text is latin-1. A byte order mark before it came with the file that it was the header of. */
  compare(row: CsvRow): Likeness {
    const [first = ""] = row.fields;
    if (!this.mayBegin((first === "" ? this.#dialect.delimiter : first).charCodeAt(0))) return "row";
    const fields = row.raw.startsWith(LATIN1_BOM)
      ? this.#parse(row.raw.slice(LATIN1_BOM.length))
      : row.fields;
    if (fields?.length !== this.#names.length) return "row";
    const names = fields.map((field) => headerName(Buffer.from(field, "latin1").toString("utf8")));
    if (names.every((name, i) => name === this.#names[i])) return "header";
    return JSON.stringify(names.sort()) === this.#sorted ? "other order" : "row";
  }

  /** The fields of a text that is one row; `null` if it is none. */
  #parse(raw: string): readonly string[] | null {
    const parser = new RowParser(this.#dialect);
    const lines = raw.split("\n");
    for (const [i, line] of lines.entries()) {
      const isLast = i === lines.length - 1;
      const row = parser.push(line, isLast ? "" : "\n");
      if (row !== null) return isLast ? row.fields : null;
    }
    return null;
  }
}
