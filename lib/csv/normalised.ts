/**
 * The form in which rows are given to the engine: each is one line that can only be read in one way.
 *
 * A row becomes `file ␟ line ␟ raw ␟ field ␟ field …` and a line end, where ␟ is the unit separator: `file` is the
 * number of its source file; `line` its first line there; `raw` its text, left empty where the fields joined by the
 * delimiter are that text; the fields are without quoting. Line ends, separators and the like within a value are
 * written as an escape of two characters, which {@linkcode unescapeSql} takes back. A row that is copied as it stands, since
 * none of these occurs in it, has the delimiter of its source file in place of the unit separator.
 *
 * @module
 */
import { ESCAPE, FIELD_SEPARATOR, NO_DELIMITER } from "./marks.ts";
import type { CsvDialect, CsvRow } from "./row.ts";
import { PROVEN } from "./spelling.ts";
import { wrapSystemError } from "../errors.ts";
import { isKnown, type KnownKeys } from "./key_bits.ts";

/** Of a file's or a line's number at most. */
const DIGITS = 16;
/** Two numbers and three separators. */
const HEAD_BYTES = 2 * DIGITS + 3;
/** Lines are collected to about this many bytes before they are written; a longer one gets more. */
const BUFFER_BYTES = 2 * 1024 * 1024;

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "n",
  "\r": "r",
  "\0": "z",
  [NO_DELIMITER]: "d",
  [FIELD_SEPARATOR]: "s",
  [ESCAPE]: "e",
};
const LF = 0x0a;
const CR = 0x0d;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const ESCAPE_BYTE = ESCAPE.charCodeAt(0);
const SEPARATOR_BYTE = FIELD_SEPARATOR.charCodeAt(0);
/** By each byte, the second character of its escape; 0 where it needs none. */
const ESCAPE_CODES = Uint8Array.from(
  { length: 256 },
  (_, byte) => ESCAPES[String.fromCharCode(byte)]?.charCodeAt(0) ?? 0,
);
/** Characters that text really has; each look for one of the others would cost as much as for these. */
const COMMON = ["\n", "\r"];

/** SQL that takes the escapes back from a text expression. */
export function unescapeSql(expression: string): string {
  const escaped = (code: string) => `chr(${ESCAPE_BYTE}) || '${code}'`;
  // The escape character itself comes last.
  const unescape = (characters: readonly string[]) =>
    characters.reduce(
      (sql, character) =>
        `replace(${sql}, ${escaped(ESCAPES[character] ?? "")}, chr(${character.charCodeAt(0)}))`,
      expression,
    );
  const all = Object.keys(ESCAPES);
  const rare = all.filter((character) => !COMMON.includes(character))
    .map((character) => `contains(${expression}, ${escaped(ESCAPES[character] ?? "")})`);
  return `CASE WHEN NOT contains(${expression}, chr(${ESCAPE_BYTE})) THEN ${expression}
    WHEN ${rare.join(" OR ")} THEN ${unescape(all)} ELSE ${unescape(COMMON)} END`;
}

/** Adds the rows of one source file after the other to files of this form; those of a file that fails are taken back. */
export class RowWriter {
  /** Rows of the source file so far. */
  rowCount = 0;
  /** Bytes of the longest line that was written for it so far. */
  longestBytes = 0;
  readonly #delimiter: number;
  readonly #maxRowBytes: number;
  #path = "";
  #file: Deno.FsFile | null = null;
  /** Bytes of the file before the source file's. */
  #sizeBytes = 0;
  /** The number of the source file. */
  #head: Uint8Array = new Uint8Array();
  /** What is not written yet: put together byte by byte, since as one growing text it would cost five times that. */
  #bytes = new Uint8Array(BUFFER_BYTES);
  #length = 0;
  /** Where the row begins that is being written. */
  #start = 0;
  readonly #digits = new Digits();

  /** For source files of one dialect. */
  constructor({ delimiter, maxRowBytes }: CsvDialect) {
    this.#delimiter = delimiter.charCodeAt(0);
    this.#maxRowBytes = maxRowBytes;
  }

  /**
   * Begins a source file.
   *
   * @param path Where its rows are added; made where it is missing, by the first row.
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
   * Copies rows, each of one line, as far as they are marked as proven and have known keys; their lines end in LF then.
   *
   * @param source Ends in an LF that is not marked.
   * @param line Of the first row.
   * @param keys By field, as far as there are any.
   * @returns Where in the source the first row begins that is not proven, has no known key or is not whole.
   */
  copyProven(
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
        // Rows with negative keys are looked at, whether they are known or not.
        isWanted = isWanted && source[read] !== MINUS;
        let number = 0;
        while (true) {
          byte = source[read++]!;
          bytes[written++] = byte;
          if (byte === delimiter || byte <= CR) break;
          number = 10 * number + (byte - ZERO);
        }
        isWanted = isWanted && isKnown(known, number);
      }
      while (byte !== LF) {
        byte = source[read++]!;
        bytes[written++] = byte;
      }
      if (!isWanted || marks[read - 1] !== PROVEN || read - 1 - from > this.#maxRowBytes) return from;
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

  /** Adds a row; its text is latin-1, a character for each byte. */
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
      for (let written = 0; written < this.#length;) {
        written += this.#file.writeSync(this.#bytes.subarray(written, this.#length));
      }
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

/** A number that is counted up in its decimal digits, which costs a tenth of writing each one anew. */
class Digits {
  #number = 0;
  readonly #digits = new Uint8Array(DIGITS).fill(ZERO);
  /** Where the first one stands that is not a leading zero. */
  #first = DIGITS - 1;

  goTo(number: number): void {
    if (number === this.#number + 1) return this.increment();
    const text = String(this.#number = number);
    this.#first = DIGITS - text.length;
    for (let i = 0; i < DIGITS; i++) {
      this.#digits[i] = i < this.#first ? ZERO : text.charCodeAt(i - this.#first);
    }
  }

  increment(): void {
    this.#number++;
    let i = DIGITS - 1;
    while (this.#digits[i] === NINE) this.#digits[i--] = ZERO;
    this.#digits[i]!++;
    if (i < this.#first) this.#first = i;
  }

  /** Gives where they end. */
  copyTo(target: Uint8Array, at: number): number {
    for (let i = this.#first; i < DIGITS; i++) target[at++] = this.#digits[i]!;
    return at;
  }
}
