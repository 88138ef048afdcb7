/**
 * The header of a source file as it is written, read from the beginning of the file without the rest.
 *
 * It ends with the first row, as {@link ./split.ts} reads rows: a line end within an opened quote is part of it, a quote
 * within an unquoted field is text, and blank lines before it do not count, those of nothing but delimiters among them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { BOM, CR, LF } from "./marks.ts";
import { type CsvDialect, isBlankLine, isBlankRow, RowParser } from "./row.ts";

/**
 * Reads the header, without BOM and line end.
 *
 * @returns Its bytes; `null` if there is none, or it is longer than a row may be.
 */
export async function readHeader(
  chunks: AsyncIterable<Uint8Array>,
  dialect: CsvDialect,
): Promise<Buffer | null> {
  const reader = new HeaderReader(dialect);
  for await (const chunk of chunks) {
    for (const byte of chunk) {
      if (reader.push(byte)) return reader.withoutCr;
      // The BOM is not part of it, and the last byte may be the CR of its line end.
      if (reader.length > dialect.maxRowBytes + BOM.length + 1) return null;
    }
  }
  // Without an LF a CR at the end is text.
  return reader.isBlank(reader.bytes) ? null : reader.bytes;
}

/** A name of a header as it is compared: without blanks around it, and without case. */
export function headerName(name: string): string {
  return name.replace(/^[ \t]+|[ \t]+$/g, "").toLowerCase();
}

/** Takes bytes up to the end of the header. */
class HeaderReader {
  readonly #dialect: CsvDialect;
  readonly #delimiter: number;
  readonly #quote: number;
  #bytes: number[] = [];
  #isFirstLine = true;
  /** `closed`: right after a quote in a quoted field, which ends it unless another one follows. */
  #state: "field start" | "unquoted" | "quoted" | "closed" = "field start";

  constructor(dialect: CsvDialect) {
    const { delimiter, quote } = this.#dialect = dialect;
    this.#delimiter = delimiter.charCodeAt(0);
    this.#quote = quote.charCodeAt(0);
  }

  /** How many bytes of the header have been taken. */
  get length(): number {
    return this.#bytes.length;
  }

  /** The bytes that have been taken. */
  get bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }

  /** The same without the CR that an LF makes part of a line end. */
  get withoutCr(): Buffer {
    const { bytes } = this;
    return bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes;
  }

  /** Whether a row is a blank line. */
  isBlank(row: Buffer): boolean {
    if (!row.includes(this.#quote)) return isBlankLine(row, this.#delimiter);
    return isBlankRow(new RowParser(this.#dialect).push(row.toString("latin1"), "")?.fields ?? []);
  }

  /** Takes the next byte; whether it is the LF that ends the header. */
  push(byte: number): boolean {
    if (byte === LF && this.#state !== "quoted") {
      if (!this.isBlank(this.withoutCr)) return true;
      this.#bytes = [];
      this.#isFirstLine = false;
      this.#state = "field start";
      return false;
    }
    this.#bytes.push(byte);
    if (this.#isFirstLine && this.length === BOM.length && BOM.equals(Buffer.from(this.#bytes))) {
      this.#bytes = [];
      this.#isFirstLine = false;
      this.#state = "field start";
    } else {
      this.#state = this.#next(byte);
    }
    return false;
  }

  #next(byte: number): "field start" | "unquoted" | "quoted" | "closed" {
    if (this.#state === "quoted") return byte === this.#quote ? "closed" : "quoted";
    if (byte === this.#delimiter) return "field start";
    const opens = this.#state === "field start" || this.#state === "closed";
    return byte === this.#quote && opens ? "quoted" : "unquoted";
  }
}
