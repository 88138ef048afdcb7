/**
 * Reads a source file once and gives its rows to the engine in two files: the exact ones, which a table proves and which
 * can be read typed, and the doubtful ones, of which each value has to be looked at.
 *
 * Text is handled as latin-1, one character a byte. That is safe since the delimiters are ASCII, which never is part of a
 * longer UTF-8 character, and what is read is written unchanged.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { CHUNK_BYTES, type ReadOptions, readText } from "./chunks.ts";
import { DEFAULT_TEXT, type TextForm } from "./form.ts";
import type { KnownKeys } from "./key_bits.ts";
import { BOM, CR, LF } from "./marks.ts";
import { type CsvDialect, type CsvRow, isBlankLine, isBlankRow, type LineEnd, RowParser } from "./row.ts";
import type { RowWriter } from "./row_writer.ts";
import { markLines } from "./scan.ts";
import { HeaderNames } from "./second_header.ts";
import type { SpellingTable } from "./spelling.ts";
import type { FileFault } from "../source_file.ts";

/**
 * The target that took the rows of a file, of which both writers tell, and how often the header stood among them, which
 * is no row; or the fault of a file that cannot be read.
 */
export type SplitCsv<Target extends SplitTarget> =
  | { readonly target: Target; readonly repeatedHeaders: number }
  | { readonly fault: FileFault };

/** What takes the rows of a file; both writers have begun it. */
export interface SplitTarget {
  /** Proves lines; compiled `byLine`. */
  readonly table: SpellingTable;
  /** Known keys by field, up to the last field that has any: a row with another key counts as doubtful. */
  readonly keys: readonly (KnownKeys | null)[];
  /** Takes the exact rows. */
  readonly exact: RowWriter;
  /** Takes the doubtful ones. */
  readonly doubtful: RowWriter;
}

/** Gives the target for a header, or the header's fault: no row is read then. */
export type BeginSplit<Target> = (header: readonly string[]) => Target | { readonly fault: FileFault };

/** Splits a file; what was written of one that cannot be read to its end is taken back. */
export async function splitCsv<Target extends SplitTarget>(
  path: string,
  options: ReadOptions,
  begin: BeginSplit<Target>,
): Promise<SplitCsv<Target>> {
  const rows = new RowSplitter(options, begin);
  let result: SplitCsv<Target> | null = null;
  try {
    return result = await splitRows(path, rows, options);
  } finally {
    for (const writer of rows.writers) {
      if (result !== null && "target" in result) writer.commit();
      else writer.rollback();
    }
  }
}

async function splitRows<Target extends SplitTarget>(
  path: string,
  rows: RowSplitter<Target>,
  options: ReadOptions,
): Promise<SplitCsv<Target>> {
  using file = await Deno.open(path);
  let isEmpty = true;
  // To its last byte, even if no further row is read: that a file is no text comes before all other faults.
  for await (const chunk of readText(file, options.buffer ?? Buffer.alloc(CHUNK_BYTES), options)) {
    if (chunk === null) return { fault: encodingFault(options.text ?? DEFAULT_TEXT) };
    rows.push(isEmpty && chunk.indexOf(BOM) === 0 ? chunk.subarray(BOM.length) : chunk);
    isEmpty = false;
  }
  return isEmpty ? { fault: { reason: "empty_file", detail: "it has no bytes" } } : rows.end();
}

function encodingFault({ encoding }: TextForm): FileFault {
  return encoding === "utf-8"
    ? { reason: "not_utf8", detail: "it is not UTF-8 text" }
    : { reason: "bad_encoding", detail: `it is not ${encoding} text` };
}

/** Takes a file's bytes in chunks, and its rows from them. */
class RowSplitter<Target extends SplitTarget> {
  readonly #dialect: CsvDialect;
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #begin: BeginSplit<Target>;
  readonly #text: TextForm;
  /** Lines that are still to be skipped. */
  #skipLines: number;
  #target: Target | null = null;
  /** The names of the header that was taken. */
  #header: HeaderNames | null = null;
  #repeatedHeaders = 0;
  /** Why no further row is read. */
  #fault: FileFault | null = null;
  /** Bytes that are not taken yet stand in it between `from` and `to`, with room for an LF after them. */
  #window = Buffer.alloc(0);
  /** Marks of the lines in the window. */
  #marks = new Uint8Array(0);
  #isMarked = false;
  /** The position at which the row in front begins. */
  #from = 0;
  #to = 0;
  /** Bytes without which the row in front is not looked at again: a long one would be read anew with each chunk. */
  #wanted = 0;
  /** The line of the row in front. */
  #line = 1;

  constructor({ text = DEFAULT_TEXT, ...dialect }: ReadOptions, begin: BeginSplit<Target>) {
    this.#dialect = dialect;
    this.#text = text;
    this.#skipLines = text.skipLines;
    this.#delimiter = dialect.delimiter.charCodeAt(0);
    this.#quote = dialect.quote.charCodeAt(0);
    this.#begin = begin;
  }

  /** The writers that have begun the file. */
  get writers(): RowWriter[] {
    return this.#target === null ? [] : [this.#target.exact, this.#target.doubtful];
  }

  /** Takes the next bytes. */
  push(bytes: Buffer): void {
    if (this.#fault !== null) return;
    const chunk = this.#skipLines > 0 ? this.#withoutSkipped(bytes) : bytes;
    const left = this.#to - this.#from;
    const sizeBytes = left + chunk.length;
    const old = this.#window;
    if (sizeBytes >= old.length) {
      this.#window = Buffer.alloc(2 * sizeBytes);
      this.#marks = new Uint8Array(2 * sizeBytes);
    }
    // What is left moves to the front: no row is cut between two windows.
    old.copy(this.#window, 0, this.#from, this.#to);
    chunk.copy(this.#window, left);
    this.#isMarked = false;
    this.#from = 0;
    this.#to = sizeBytes;
    if (sizeBytes >= this.#wanted) this.#takeRows(false);
  }

  /** Takes the last row; gives the result. */
  end(): SplitCsv<Target> {
    this.#takeRows(true);
    if (this.#fault !== null) return { fault: this.#fault };
    if (this.#target !== null) return { target: this.#target, repeatedHeaders: this.#repeatedHeaders };
    const { skipLines } = this.#text;
    const where = skipLines > 0 ? ` after the ${skipLines} that its source skips` : "";
    return { fault: { reason: "empty_file", detail: `it has nothing but blank lines${where}` } };
  }

  /** What follows the lines that are still to be skipped. */
  #withoutSkipped(bytes: Buffer): Buffer {
    let from = 0;
    for (; this.#skipLines > 0; this.#skipLines--, this.#line++) {
      from = bytes.indexOf(LF, from) + 1;
      if (from === 0) return bytes.subarray(bytes.length);
    }
    return bytes.subarray(from);
  }

  #takeRows(atEnd: boolean): void {
    while (this.#fault === null && this.#from < this.#to) {
      if (this.#target !== null) this.#takeExact(this.#target);
      if (this.#from < this.#to && !this.#takeDoubtful(atEnd)) {
        // Twice as much as there is, so that of a row over many chunks no more than twice its bytes are looked at.
        this.#wanted = 2 * (this.#to - this.#from);
        return;
      }
    }
    this.#wanted = 0;
  }

  /** Takes rows up to the first one that is doubtful. */
  #takeExact({ exact, table, keys }: SplitTarget): void {
    if (!this.#isMarked) {
      markLines(
        table,
        this.#window.subarray(this.#from, this.#to),
        this.#marks.subarray(this.#from, this.#to),
      );
      // Behind the last byte an LF that is not marked, so that copying stops there without looking for the end.
      this.#window[this.#to] = LF;
      this.#marks[this.#to] = 0;
      this.#isMarked = true;
    }
    const before = exact.rowCount;
    const source = this.#window.subarray(0, this.#to + 1);
    this.#from = exact.copyExact(source, this.#marks, this.#from, this.#line, keys);
    this.#line += exact.rowCount - before;
  }

  /** Takes one row, whatever it is, or a blank line; `false` if it does not end within the window. */
  #takeDoubtful(atEnd: boolean): boolean {
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
        if (isBlankLine(content, this.#delimiter)) return this.#skipTo(next, line + 1);
        if (this.#target === null) {
          if (this.#beginDeclared()) return true;
          return this.#takeHeader(content.toString("latin1").split(delimiter), next, line);
        }
        if (this.#header?.mayBegin(content[0])) {
          const raw = content.toString("latin1");
          if (this.#skipHeader({ raw, fields: raw.split(delimiter) })) return this.#skipTo(next, line + 1);
        }
        this.#target.doubtful.addPlain(line, content);
        return this.#skipTo(next, line + 1);
      }
      parser ??= new RowParser(this.#dialect);
      const row = parser.push(content.toString("latin1"), end);
      if (row !== null) {
        if (isBlankRow(row.fields)) return this.#skipTo(next, line + 1);
        if (this.#target === null) {
          return this.#beginDeclared() || this.#takeHeader(row.fields, next, line);
        }
        if (!this.#skipHeader(row)) this.#target.doubtful.add(this.#line, row);
        return this.#skipTo(next, line + 1);
      }
      if (isCut) return this.#giveUp("a quote that is opened here is not closed before the file ends");
      from = next;
    }
  }

  /** Whether a row is the header again, and not to be taken; its names in another order end the file. */
  #skipHeader(row: CsvRow): boolean {
    const likeness = this.#header?.compare(row);
    if (likeness === "header") this.#repeatedHeaders++;
    else if (likeness === "other order") {
      const line = this.#line;
      const detail =
        `a second header at line ${line}, with its columns in another order: two files were joined`;
      this.#fault = { reason: "malformed_csv", detail, line };
    }
    return likeness !== "row";
  }

  #takeHeader(fields: readonly string[], next: number, line: number): true {
    this.#beginWith(fields.map((field) => Buffer.from(field, "latin1").toString("utf8")));
    return this.#skipTo(next, line + 1);
  }

  /** Begins with the names that the source declares, if it does; the row in front is looked at again then. */
  #beginDeclared(): boolean {
    const { header } = this.#text;
    if (header !== undefined) this.#beginWith(header);
    return header !== undefined;
  }

  #beginWith(names: readonly string[]): void {
    const begun = this.#begin(names);
    this.#header = new HeaderNames(names, this.#dialect);
    if ("fault" in begun) this.#fault = begun.fault;
    else this.#target = begun;
  }

  #skipTo(from: number, line: number): true {
    this.#from = from;
    this.#line = line;
    return true;
  }

  #giveUp(detail: string): true {
    const line = this.#line;
    this.#fault = { reason: "malformed_csv", detail: `line ${line}: ${detail}`, line };
    return true;
  }
}
