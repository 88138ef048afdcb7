/**
 * Writes rows into the files that the engine reads; see {@link ./normalised.ts} for their form.
 *
 * It is the innermost loop of the split: rows are copied byte by byte, and while they are copied their keys are looked up.
 *
 * @module
 */
import { Digits, MOST_DIGITS } from "./digits.ts";
import { isKnown, type KnownKeys } from "./key_bits.ts";
import { ESCAPE, FIELD_SEPARATOR } from "./marks.ts";
import { ESCAPES } from "./normalised.ts";
import type { CsvDialect, CsvRow } from "./row.ts";
import { EXACT } from "./scan.ts";
import { writeAllSync } from "../bytes.ts";
import { wrapSystemError } from "../errors.ts";

/** Bytes of two numbers and three separators. */
const HEAD_BYTES = 2 * MOST_DIGITS + 3;
/** Lines are collected to about this many bytes before they are written; a longer one gets more. */
const BUFFER_BYTES = 2 * 1024 * 1024;
// Not imported: a constant of another module would be looked up for each byte, which costs 5 % of the time.
const LF = 0x0a;
const CR = 0x0d;
const ESCAPE_BYTE = ESCAPE.charCodeAt(0);
const SEPARATOR_BYTE = FIELD_SEPARATOR.charCodeAt(0);
/** The second character of each byte's escape; 0 if it needs none. */
const ESCAPE_CODES = Uint8Array.from(
  { length: 256 },
  (_, byte) => ESCAPES[String.fromCharCode(byte)]?.charCodeAt(0) ?? 0,
);
const MINUS = 0x2d;
const ZERO = 0x30;

/** Adds the rows of one source file after the other to files; the rows of a source file that fails are taken back. */
export class RowWriter {
  /** Rows of the source file so far. */
  rowCount = 0;
  /** Bytes of the longest line that was written for the source file so far. */
  longestBytes = 0;
  readonly #delimiter: number;
  readonly #maxRowBytes: number;
  #path = "";
  #file: Deno.FsFile | null = null;
  /** Size of the file before this source file's rows. */
  #sizeBytes = 0;
  /** The number of the source file, as it stands in each of its rows. */
  #head: Uint8Array = new Uint8Array();
  /** Bytes that are not written yet, put together one by one: as one growing text they would cost five times that. */
  #bytes = new Uint8Array(BUFFER_BYTES);
  #length = 0;
  /** The position in the bytes at which the row that is being added begins. */
  #start = 0;
  readonly #digits = new Digits();

  /** Writes the rows of source files of one dialect. */
  constructor({ delimiter, maxRowBytes }: CsvDialect) {
    this.#delimiter = delimiter.charCodeAt(0);
    this.#maxRowBytes = maxRowBytes;
  }

  /**
   * Begins a source file.
   *
   * @param path The file that its rows are added to; the first row makes it if it is missing.
   */
  begin(path: string, fileId: number): void {
    this.#path = path;
    this.#head = new TextEncoder().encode(String(fileId));
    this.rowCount =
      this.longestBytes =
      this.#start =
      this.#length =
        0;
  }

  /** Writes what was added of the source file. */
  commit(): void {
    this.#flush();
    this.#close();
  }

  /** Takes back what was added of the source file. */
  rollback(): void {
    this.#file?.truncateSync(this.#sizeBytes);
    this.#close();
    this.rowCount =
      this.longestBytes =
      this.#start =
      this.#length =
        0;
  }

  /**
   * Copies rows, each of one line, as far as they are marked as exact and have known keys; their lines end in LF then.
   *
   * @param source Ends in an LF that is not marked.
   * @param line The first row's line.
   * @param keys Known keys by field, up to the last field that has any.
   * @returns Where in the source the first row begins that is doubtful, has an unknown key or is not whole.
   */
  copyExact(
    source: Uint8Array,
    marks: Uint8Array,
    start: number,
    line: number,
    keys: readonly (KnownKeys | null)[],
  ): number {
    const digits = this.#digits, delimiter = this.#delimiter;
    digits.goTo(line);
    let from = start;
    while (true) {
      const bytes = this.#reserve(HEAD_BYTES + source.length - from);
      // The row is written while it is looked at: #length stays, and with it what counts as written, until it is known to
      // be wanted.
      let written = this.#length;
      for (let i = 0; i < this.#head.length; i++) bytes[written++] = this.#head[i]!;
      bytes[written++] = delimiter;
      written = digits.copyTo(bytes, written);
      bytes[written++] = delimiter;
      bytes[written++] = delimiter;
      let read = from, byte = 0, isWanted = true;
      for (let field = 0; field < keys.length && byte !== LF; field++) {
        const known = keys[field]!;
        if (known === null) {
          do {
            byte = source[read++]!;
            bytes[written++] = byte;
          } while (byte !== delimiter && byte !== LF);
          continue;
        }
        // A negative key may be known: the row is looked at.
        isWanted = isWanted && source[read] !== MINUS;
        let number = 0;
        while (true) {
          byte = source[read++]!;
          bytes[written++] = byte;
          // At the end of the field, or of the line. A field that is no number gives some number: its row is not marked.
          if (byte === delimiter || byte <= CR) break;
          number = 10 * number + (byte - ZERO);
        }
        isWanted = isWanted && isKnown(known, number);
      }
      while (byte !== LF) {
        byte = source[read++]!;
        bytes[written++] = byte;
      }
      if (!isWanted || marks[read - 1] !== EXACT || read - 1 - from > this.#maxRowBytes) return from;
      if (bytes[written - 2] === CR) bytes[written-- - 2] = LF;
      from = read;
      this.#end(written);
      digits.increment();
    }
  }

  /** Adds a row of one line without quotes. */
  addPlain(line: number, text: Uint8Array): void {
    this.#reserve(HEAD_BYTES + 2 * text.length + 1);
    this.#beginRow(line);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = SEPARATOR_BYTE;
    for (const byte of text) {
      const code = ESCAPE_CODES[byte]!;
      if (code !== 0) bytes[at++] = ESCAPE_BYTE;
      bytes[at++] = byte === this.#delimiter ? SEPARATOR_BYTE : code === 0 ? byte : code;
    }
    bytes[at++] = LF;
    this.#end(at);
  }

  /** Adds a row whose text is latin-1, a character for each byte. */
  add(line: number, { raw, fields }: CsvRow): void {
    const characters = fields.reduce((sum, field) => sum + field.length, raw.length);
    this.#reserve(HEAD_BYTES + 2 * characters + fields.length + 1);
    this.#beginRow(line);
    this.#put(raw);
    for (const field of fields) {
      this.#bytes[this.#length++] = SEPARATOR_BYTE;
      this.#put(field);
    }
    this.#bytes[this.#length++] = LF;
    this.#end(this.#length);
  }

  /** Ends a row after its LF. */
  #end(at: number): void {
    this.rowCount++;
    this.longestBytes = Math.max(this.longestBytes, at - this.#start);
    this.#start = this.#length = at;
  }

  #beginRow(line: number): void {
    this.#bytes.set(this.#head, this.#length);
    this.#length += this.#head.length;
    this.#bytes[this.#length++] = SEPARATOR_BYTE;
    this.#put(String(line));
    this.#bytes[this.#length++] = SEPARATOR_BYTE;
  }

  #put(text: string): void {
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) {
      const byte = text.charCodeAt(i);
      const code = ESCAPE_CODES[byte]!;
      if (code !== 0) bytes[at++] = ESCAPE_BYTE;
      bytes[at++] = code === 0 ? byte : code;
    }
    this.#length = at;
  }

  /** Makes room for so many more bytes. */
  #reserve(sizeBytes: number): Uint8Array {
    if (this.#length + sizeBytes > this.#bytes.length) {
      this.#flush();
      if (sizeBytes > this.#bytes.length) this.#bytes = new Uint8Array(sizeBytes);
    }
    return this.#bytes;
  }

  #flush(): void {
    if (this.#length === 0) return;
    try {
      if (this.#file === null) {
        this.#file = Deno.openSync(this.#path, { append: true, create: true });
        this.#sizeBytes = this.#file.statSync().size;
      }
      writeAllSync(this.#file, this.#bytes.subarray(0, this.#length));
    } catch (error) {
      throw wrapSystemError(error, `Cannot write ${this.#path}`);
    }
    this.#start = this.#length = 0;
  }

  #close(): void {
    this.#file?.close();
    this.#file = null;
  }
}
