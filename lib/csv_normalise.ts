/**
 * Rewrites an irregular source file so that every row is one line that the engine can only read in one way.
 *
 * A row becomes `line ␟ raw ␟ field ␟ field …` and a line end, where ␟ is the unit separator: `line` is the row's first
 * line in the source file; `raw` its text, left empty where the fields joined by the delimiter are that text; the
 * fields are without quoting. Line ends, separators and the like within a value are written as an escape of two
 * characters, which {@linkcode unescapeSql} takes back.
 *
 * What RFC 4180 leaves open is text: a quote within an unquoted field, and whatever follows a closing quote (the
 * field is then taken as it stands, quotes included).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ESCAPE, FIELD_SEPARATOR, NO_DELIMITER } from "./csv_marks.ts";

/** How a source file is written. */
export interface CsvDialect {
  /** One ASCII character. */
  readonly delimiter: string;
  /** One ASCII character. */
  readonly quote: string;
  /** Longest row, without its line end. */
  readonly maxRowBytes: number;
}

/** What {@linkcode normaliseCsv} found. */
export type NormalisedCsv =
  /** Nothing but a BOM and blank lines. */
  | { readonly kind: "empty" }
  | {
    readonly kind: "rows";
    /** `null` where the header itself cannot be read. */
    readonly header: readonly string[] | null;
    /** Rows after the header, as far as the file could be read. */
    readonly rowCount: number;
    /** Where the file cannot be read further: the first line of the row that cannot, and why. */
    readonly malformed: { readonly line: number; readonly detail: string } | null;
  };

const READ_BYTES = 1024 * 1024;
/** Output is collected to about this many characters before it is written. */
const WRITE_CHARACTERS = 1024 * 1024;
const BOM = "\u00ef\u00bb\u00bf";

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "n",
  "\r": "r",
  "\0": "z",
  [NO_DELIMITER]: "d",
  [FIELD_SEPARATOR]: "s",
  [ESCAPE]: "e",
};
// deno-lint-ignore no-control-regex -- these control characters are the ones that need an escape
const NEEDS_ESCAPE = /[\n\r\0\x01\x1f\x10]/;
// deno-lint-ignore no-control-regex -- as above
const EACH_ESCAPE = /[\n\r\0\x01\x1f\x10]/g;

/** SQL that takes the escapes back from a text expression. The escape character itself comes last. */
export function unescapeSql(expression: string): string {
  let sql = expression;
  for (const [character, code] of Object.entries(ESCAPES)) {
    sql = `replace(${sql}, chr(${ESCAPE.charCodeAt(0)}) || '${code}', chr(${character.charCodeAt(0)}))`;
  }
  return `CASE WHEN contains(${expression}, chr(${ESCAPE.charCodeAt(0)})) THEN ${sql} ELSE ${expression} END`;
}

/**
 * Reads the source file and writes the normalised one, a row at a time.
 *
 * Text is handled as latin-1, one character a byte: the delimiters are ASCII, which never is part of a longer UTF-8
 * character, and what is read is written unchanged.
 */
export async function normaliseCsv(
  source: string,
  target: string,
  dialect: CsvDialect,
  signal?: AbortSignal,
): Promise<NormalisedCsv> {
  using output = await Deno.open(target, { write: true, create: true, truncate: true });
  let header: string[] | null = null;
  let rowCount = 0, pending = "";
  const flush = async () => {
    const bytes = Buffer.from(pending, "latin1");
    for (let written = 0; written < bytes.length;) written += await output.write(bytes.subarray(written));
    pending = "";
  };
  for await (const rows of readRows(source, dialect, signal)) {
    if (!Array.isArray(rows)) {
      await flush();
      return { kind: "rows", header, rowCount, malformed: rows };
    }
    for (const row of rows) {
      if (header === null) {
        header = row.fields.map((field) => Buffer.from(field, "latin1").toString("utf8"));
        continue;
      }
      rowCount++;
      pending += row.line + FIELD_SEPARATOR + escape(row.raw ?? "");
      for (const field of row.fields) pending += FIELD_SEPARATOR + escape(field);
      pending += "\n";
      if (pending.length >= WRITE_CHARACTERS) await flush();
    }
  }
  await flush();
  return header === null ? { kind: "empty" } : { kind: "rows", header, rowCount, malformed: null };
}

/** A row as read: fields without quoting, and its raw text where the fields do not tell it. */
interface CsvRow {
  readonly line: number;
  readonly raw: string | null;
  readonly fields: readonly string[];
}

type Malformed = NonNullable<Extract<NormalisedCsv, { kind: "rows" }>["malformed"]>;

/** The rows of a file, in batches; ends with a {@linkcode Malformed} where it cannot be read further. */
async function* readRows(
  path: string,
  dialect: CsvDialect,
  signal: AbortSignal | undefined,
): AsyncGenerator<CsvRow[] | Malformed> {
  let line = 1;
  /** The row that is being put together, where it spans lines. */
  let open: { line: number; parser: RowParser } | null = null;
  for await (const lines of readLines(path, dialect.maxRowBytes, signal)) {
    const rows: CsvRow[] = [];
    for (const { text, end } of lines) {
      const content = end.length === 2 ? text.slice(0, -1) : text;
      if (open === null && content === "") {
        line++;
        continue;
      }
      open ??= { line, parser: new RowParser(dialect) };
      if (open.parser.length + content.length > dialect.maxRowBytes) {
        yield rows;
        yield malformed(open.line, `a row is longer than ${dialect.maxRowBytes} bytes`);
        return;
      }
      const row = open.parser.push(content, end);
      if (row !== null) {
        rows.push({ line: open.line, ...row });
        open = null;
      }
      line++;
    }
    yield rows;
  }
  if (open !== null) {
    yield malformed(open.line, "a quote that is opened here is not closed before the file ends");
  }
}

function malformed(line: number, detail: string): Malformed {
  return { line, detail };
}

/** Puts one row together from its lines, each character looked at once. */
class RowParser {
  /** Bytes so far. */
  length = 0;
  readonly #dialect: CsvDialect;
  readonly #fields: string[] = [];
  #raw = "";
  /** Text of the quoted field that is still open, with its quotes taken back; `null` outside quotes. */
  #quoted: string | null = null;
  /** Raw text of that field in the lines before this one: looking it up in the whole row would copy the row each time. */
  #before = "";

  constructor(dialect: CsvDialect) {
    this.#dialect = dialect;
  }

  /** Takes the next line; the row where it ends there, `null` where a quote is still open. */
  push(content: string, end: string): { raw: string | null; fields: string[] } | null {
    const { delimiter, quote } = this.#dialect;
    if (this.length === 0 && !content.includes(quote)) return { raw: null, fields: content.split(delimiter) };
    this.#raw += content;
    this.length = this.#raw.length;
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
        this.length = this.#raw.length;
        return null;
      }
      this.#quoted += content.slice(at, close);
      if (content[close + 1] === quote) {
        this.#quoted += quote;
        at = close + 2;
        continue;
      }
      const next = content.indexOf(delimiter, close + 1);
      const stop = next < 0 ? content.length : next;
      const stray = stop > close + 1;
      this.#fields.push(stray ? this.#before + content.slice(fieldStart, stop) : this.#quoted ?? "");
      this.#quoted = null;
      if (next < 0) return this.#row();
      at = next + 1;
    }
  }

  #row(): { raw: string; fields: string[] } {
    return { raw: this.#raw, fields: this.#fields };
  }
}

/** A line's text and its end: LF, CRLF (the CR is still part of `text`), or nothing at the end of the file. */
interface Line {
  readonly text: string;
  readonly end: "\n" | "\r\n" | "";
}

/** The lines of a file as latin-1 text, in batches; a line is cut where it grows past the longest row allowed. */
async function* readLines(path: string, maxRowBytes: number, signal?: AbortSignal): AsyncGenerator<Line[]> {
  using file = await Deno.open(path);
  const buffer = Buffer.alloc(READ_BYTES);
  let rest = "", first = true;
  while (true) {
    signal?.throwIfAborted();
    const read = await file.read(buffer);
    let text = rest + (read === null ? "" : buffer.toString("latin1", 0, read));
    if (first && (text.length >= BOM.length || read === null)) {
      if (text.startsWith(BOM)) text = text.slice(BOM.length);
      first = false;
    }
    const lines: Line[] = [];
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      const line = text.slice(start, end);
      lines.push({ text: line, end: line.endsWith("\r") ? "\r\n" : "\n" });
      start = end + 1;
    }
    rest = text.slice(start);
    if (read === null) {
      if (rest !== "") lines.push({ text: rest, end: "" });
      yield lines;
      return;
    }
    // One more byte may be the CR of a line end whose LF is not read yet.
    if (rest.length > maxRowBytes + 1) {
      yield [...lines, { text: rest, end: "" }];
      return;
    }
    yield lines;
  }
}

function escape(text: string): string {
  return NEEDS_ESCAPE.test(text)
    ? text.replace(EACH_ESCAPE, (character) => ESCAPE + ESCAPES[character])
    : text;
}
