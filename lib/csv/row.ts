/**
 * One row of a CSV file, put together from its lines.
 *
 * What RFC 4180 leaves open is text: a quote within an unquoted field, and whatever follows a closing quote (the
 * field is then taken as it stands, quotes included).
 *
 * @module
 */

/** How a source file is written. */
export interface CsvDialect {
  /** The character between two fields; ASCII. */
  readonly delimiter: string;
  /** The character around fields, doubled within them; ASCII. */
  readonly quote: string;
  /** Bytes of a row at most, without its line end. */
  readonly maxRowBytes: number;
}

/** A row as it is read. */
export interface CsvRow {
  /** Its text, line ends within it included. */
  readonly raw: string;
  /** Without quoting. */
  readonly fields: readonly string[];
}

/** Whether a row says nothing: it has more than one field, and nothing but spaces and tabs in any of them. */
export function isBlankRow(fields: readonly string[]): boolean {
  return fields.length > 1 && fields.every((field) => /^[ \t]*$/.test(field));
}

/** The same of a line without quotes; one without anything is blank too. */
export function isBlankLine(line: Uint8Array, delimiter: number): boolean {
  let fieldCount = 1;
  for (const byte of line) {
    if (byte === delimiter) fieldCount++;
    else if (byte !== SPACE && byte !== TAB) return false;
  }
  return line.length === 0 || fieldCount > 1;
}

const SPACE = 0x20;
const TAB = 0x09;

/** What stands at the end of a line; nothing at the end of a file. */
export type LineEnd = "\n" | "\r\n" | "";

/** Puts one row together from its lines, each character looked at once. */
export class RowParser {
  readonly #dialect: CsvDialect;
  readonly #fields: string[] = [];
  #raw = "";
  /** Text of the quoted field that is still open, with its quotes taken back; `null` outside quotes. */
  #quoted: string | null = null;
  /** Raw text of that field in the lines before this one: looking it up in the whole row would copy the row each time. */
  #before = "";

  /** For one row, of which no line is there yet. */
  constructor(dialect: CsvDialect) {
    this.#dialect = dialect;
  }

  /** Bytes so far, if the text is latin-1. */
  get length(): number {
    return this.#raw.length;
  }

  /** Takes the next line; gives the row if it ends there, `null` while a quote is open. */
  push(content: string, end: LineEnd): CsvRow | null {
    const { delimiter, quote } = this.#dialect;
    this.#raw += content;
    let at = 0, fieldStart = 0;
    while (true) {
      if (this.#quoted === null) {
        fieldStart = at;
        if (content[at] === quote) {
          this.#quoted = this.#before = "";
          at++;
        } else {
          const next = content.indexOf(delimiter, at);
          this.#fields.push(next < 0 ? content.slice(at) : content.slice(at, next));
          if (next < 0) return this.#row();
          at = next + 1;
          continue;
        }
      }
      const close = content.indexOf(quote, at);
      if (close < 0) {
        this.#quoted += content.slice(at) + end;
        this.#before += content.slice(fieldStart) + end;
        this.#raw += end;
        return null;
      }
      this.#quoted += content.slice(at, close);
      // Two quotes within a quoted field stand for one.
      if (content[close + 1] === quote) {
        this.#quoted += quote;
        at = close + 2;
        continue;
      }
      const next = content.indexOf(delimiter, close + 1);
      const stop = next < 0 ? content.length : next;
      // Text after the closing quote: the field is taken as it stands, with its quotes.
      const stray = stop > close + 1;
      this.#fields.push(stray ? this.#before + content.slice(fieldStart, stop) : this.#quoted ?? "");
      this.#quoted = null;
      if (next < 0) return this.#row();
      at = next + 1;
    }
  }

  #row(): CsvRow {
    return { raw: this.#raw, fields: this.#fields };
  }
}
