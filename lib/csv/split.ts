/**
 * Reads a source file once and gives its rows to the engine in two files of the same form: those that a table proves to
 * be exact, which can be read typed, and all others, of which each value has to be looked at.
 *
 * Text is handled as latin-1, one character a byte: the delimiters are ASCII, which never is part of a longer UTF-8
 * character, and what is read is written unchanged.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";
import { CHUNK_BYTES, readChunks, type ReadOptions } from "./chunks.ts";
import type { RowWriter } from "./normalised.ts";
import { type CsvDialect, type LineEnd, RowParser } from "./row.ts";
import { markLines, type SpellingTable } from "./spelling.ts";
import type { KnownKeys } from "./key_bits.ts";

/** What {@linkcode splitCsv} found. */
export type SplitCsv =
  /** No bytes, or nothing but a BOM and blank lines. */
  | { readonly kind: "empty"; readonly detail: string }
  | { readonly kind: "not_utf8" }
  /** The header is none of the contract's. */
  | { readonly kind: "header" }
  /** It cannot be read further. */
  | { readonly kind: "malformed"; readonly line: number; readonly detail: string }
  /** How many rows went where; both writers still tell of them. */
  | { readonly kind: "rows"; readonly provenCount: number; readonly oddCount: number };

/** Where the rows of a file go; both writers have begun it. */
export interface SplitTarget {
  /** Proves lines; compiled `byLine`. */
  readonly table: SpellingTable;
  /** By field, as far as there are any: a row with another key is looked at. */
  readonly keys: readonly (KnownKeys | null)[];
  /** Takes the rows that it proves. */
  readonly proven: RowWriter;
  /** Takes all others. */
  readonly odd: RowWriter;
}

const LF = 0x0a;
const CR = 0x0d;
const BOM = Buffer.from("\ufeff");

/**
 * Splits a file. What it has written of one that cannot be read to its end it takes back.
 *
 * @param begin Gives the target for a header; `null` where that is not the contract's: no row is read then.
 */
export async function splitCsv(
  path: string,
  options: ReadOptions,
  begin: (header: readonly string[]) => SplitTarget | null,
): Promise<SplitCsv> {
  const rows = new RowSplitter(options, begin);
  let result: SplitCsv | null = null;
  try {
    return result = await splitRows(path, rows, options);
  } finally {
    for (const writer of rows.writers) {
      if (result?.kind === "rows") writer.commit();
      else writer.rollback();
    }
  }
}

async function splitRows(
  path: string,
  rows: RowSplitter,
  { buffer, signal }: ReadOptions,
): Promise<SplitCsv> {
  using file = await Deno.open(path);
  let isEmpty = true;
  // To its last byte, also where no further row is read: what is not text is nothing else.
  for await (const chunk of readChunks(file, buffer ?? Buffer.alloc(CHUNK_BYTES), signal)) {
    if (!isUtf8(chunk)) return { kind: "not_utf8" };
    rows.push(isEmpty && chunk.indexOf(BOM) === 0 ? chunk.subarray(BOM.length) : chunk);
    isEmpty = false;
  }
  return isEmpty ? { kind: "empty", detail: "it has no bytes" } : rows.end();
}

/** Takes a file's bytes in chunks, and its rows from them. */
class RowSplitter {
  readonly #dialect: CsvDialect;
  readonly #quote: number;
  readonly #begin: (header: readonly string[]) => SplitTarget | null;
  #target: SplitTarget | null = null;
  /** Why no further row is read. */
  #end: SplitCsv | null = null;
  /** What is not taken yet, from the start of a row, with room for an LF after it. */
  #window = Buffer.alloc(0);
  /** Of the lines in the window. */
  #marks = new Uint8Array(0);
  #isMarked = false;
  #from = 0;
  #to = 0;
  /** Bytes without which the row is not looked at again: a long one would be read anew with each chunk. */
  #wanted = 0;
  /** Of the row in front. */
  #line = 1;

  constructor(dialect: CsvDialect, begin: (header: readonly string[]) => SplitTarget | null) {
    this.#dialect = dialect;
    this.#quote = dialect.quote.charCodeAt(0);
    this.#begin = begin;
  }

  get writers(): RowWriter[] {
    return this.#target === null ? [] : [this.#target.proven, this.#target.odd];
  }

  push(chunk: Buffer): void {
    if (this.#end !== null) return;
    const left = this.#to - this.#from;
    const sizeBytes = left + chunk.length;
    const old = this.#window;
    if (sizeBytes >= old.length) {
      this.#window = Buffer.alloc(2 * sizeBytes);
      this.#marks = new Uint8Array(2 * sizeBytes);
    }
    old.copy(this.#window, 0, this.#from, this.#to);
    chunk.copy(this.#window, left);
    this.#isMarked = false;
    this.#from = 0;
    this.#to = sizeBytes;
    if (sizeBytes >= this.#wanted) this.#takeRows(false);
  }

  end(): SplitCsv {
    this.#takeRows(true);
    if (this.#end !== null) return this.#end;
    if (this.#target === null) return { kind: "empty", detail: "it has nothing but blank lines" };
    const { proven, odd } = this.#target;
    return { kind: "rows", provenCount: proven.rowCount, oddCount: odd.rowCount };
  }

  #takeRows(atEnd: boolean): void {
    while (this.#end === null && this.#from < this.#to) {
      if (this.#target !== null) this.#takeProven(this.#target);
      if (this.#from < this.#to && !this.#takeOther(atEnd)) {
        this.#wanted = 2 * (this.#to - this.#from);
        return;
      }
    }
    this.#wanted = 0;
  }

  #takeProven({ proven, table, keys }: SplitTarget): void {
    if (!this.#isMarked) {
      markLines(
        table,
        this.#window.subarray(this.#from, this.#to),
        this.#marks.subarray(this.#from, this.#to),
      );
      this.#window[this.#to] = LF;
      this.#marks[this.#to] = 0;
      this.#isMarked = true;
    }
    const before = proven.rowCount;
    const source = this.#window.subarray(0, this.#to + 1);
    this.#from = proven.copyProven(source, this.#marks, this.#from, this.#line, keys);
    this.#line += proven.rowCount - before;
  }

  /** Takes one row as it comes, or a blank line; whether it was whole. */
  #takeOther(atEnd: boolean): boolean {
    const { delimiter, maxRowBytes } = this.#dialect;
    let parser: RowParser | null = null;
    for (let from = this.#from, line = this.#line;; line++) {
      const found = this.#window.indexOf(LF, from);
      const isCut = found < 0 || found >= this.#to;
      const to = isCut ? this.#to : found;
      const end: LineEnd = isCut ? "" : to > from && this.#window[to - 1] === CR ? "\r\n" : "\n";
      const content = this.#window.subarray(from, end === "\r\n" ? to - 1 : to);
      // The last byte of a line that is cut may be the CR of its end.
      const sizeBytes = (parser?.length ?? 0) + content.length - (isCut && !atEnd ? 1 : 0);
      if (sizeBytes > maxRowBytes) return this.#giveUp(`a row is longer than ${maxRowBytes} bytes`);
      if (isCut && !atEnd) return false;
      const next = isCut ? to : to + 1;
      if (parser === null && !content.includes(this.#quote)) {
        if (content.length === 0) return this.#skipTo(next, line + 1);
        if (this.#target === null) {
          return this.#takeHeader(content.toString("latin1").split(delimiter), next, line);
        }
        this.#target.odd.addPlain(line, content);
        return this.#skipTo(next, line + 1);
      }
      parser ??= new RowParser(this.#dialect);
      const row = parser.push(content.toString("latin1"), end);
      if (row !== null) {
        if (this.#target === null) return this.#takeHeader(row.fields, next, line);
        this.#target.odd.add(this.#line, row);
        return this.#skipTo(next, line + 1);
      }
      if (isCut) return this.#giveUp("a quote that is opened here is not closed before the file ends");
      from = next;
    }
  }

  #takeHeader(fields: readonly string[], next: number, line: number): true {
    this.#target = this.#begin(fields.map((field) => Buffer.from(field, "latin1").toString("utf8")));
    if (this.#target === null) this.#end = { kind: "header" };
    return this.#skipTo(next, line + 1);
  }

  #skipTo(from: number, line: number): true {
    this.#from = from;
    this.#line = line;
    return true;
  }

  #giveUp(detail: string): true {
    this.#end = { kind: "malformed", line: this.#line, detail };
    return true;
  }
}
