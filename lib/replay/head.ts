/**
 * What a file of rows needs in front of them, so that it is read as the source file was: its mark, the lines that its
 * source skips, and its header.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { DEFAULT_FORM } from "../contract/form.ts";
import type { CheckSettings } from "../contract/schema.ts";
import { decodeChunks, type Encoding } from "../csv/encoding.ts";
import { readHeader } from "../csv/header.ts";
import { BOM, LF } from "../csv/marks.ts";

const MARK = BOM.toString();

/** Reads on no further than it has to; `null` if the header is missing. */
export async function readFileHead(
  bytes: AsyncIterable<Uint8Array>,
  { csv, form = DEFAULT_FORM }: CheckSettings,
): Promise<string | null> {
  const { encoding, skipLines } = form;
  const text = new TextBelow(textOf(bytes, encoding), skipLines);
  if (form.header !== undefined) {
    // Up to the first byte below the lines above, and no further.
    for await (const _part of text) break;
    return text.above || (text.isMarked && encoding !== "utf-8" ? MARK : "");
  }
  const header = await readHeader(text, csv);
  if (header === null) return null;
  // UTF-8 needs no mark, unless the text itself begins with one, which would be taken for it.
  const isMarked = skipLines === 0 &&
    (encoding === "utf-8" ? header.subarray(0, BOM.length).equals(BOM) : text.isMarked);
  return `${isMarked ? MARK : ""}${text.above}${lineOf(header.toString())}`;
}

/** A row with a line end; if it ends in a CR, an LF alone would take that along. */
export function lineOf(row: string): string {
  return row.endsWith("\r") ? `${row}\r\n` : `${row}\n`;
}

/** A text that is the first of a file: one that begins with a mark needs another one, which is taken for it. */
export function firstText(text: string): string {
  return text.startsWith(MARK) ? MARK + text : text;
}

/** A file's text in UTF-8, as far as it is any. */
async function* textOf(bytes: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<Buffer> {
  const chunks = buffersOf(bytes);
  // Parts that arrive may end within a character of UTF-8.
  if (encoding === "utf-8") return yield* chunks;
  for await (const part of decodeChunks(chunks, encoding)) if ("text" in part) yield part.text;
}

async function* buffersOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const part of bytes) yield Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}

/** The text of a file below its first lines, which are kept. */
class TextBelow implements AsyncIterable<Buffer> {
  /** Whether the file begins with a mark. */
  isMarked = false;
  readonly #parts: AsyncIterable<Buffer>;
  readonly #above: Buffer[] = [];
  #left: number;

  constructor(parts: AsyncIterable<Buffer>, skipLines: number) {
    this.#parts = parts;
    this.#left = skipLines;
  }

  /** The lines above, with their line ends. */
  get above(): string {
    return Buffer.concat(this.#above).toString();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    let isFirst = true;
    for await (const part of this.#parts) {
      if (isFirst) this.isMarked = part.subarray(0, BOM.length).equals(BOM);
      isFirst = false;
      let from = 0;
      for (; this.#left > 0 && from < part.length; this.#left--) {
        const end = part.indexOf(LF, from);
        if (end < 0) break;
        from = end + 1;
      }
      if (this.#left > 0) from = part.length;
      if (from > 0) this.#above.push(Buffer.from(part.subarray(0, from)));
      if (from < part.length) yield part.subarray(from);
    }
  }
}
