/**
 * The first look at a source file: is it UTF-8, how many lines has it, and is it regular.
 *
 * A *regular* file is one that any reader must read alike: every line ends in LF, and there is no quote character,
 * carriage return, blank line or byte that {@link ./csv_normalise.ts} gives a meaning of its own. Its rows are its
 * lines, so that they can be read in parallel and counted here independently of that reader. All other files are
 * normalised first.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";

/** What {@linkcode scanCsv} found. */
export type CsvScan =
  | { readonly kind: "empty" }
  | { readonly kind: "not_utf8" }
  | { readonly kind: "irregular" }
  /** `header` is the first line, without BOM and line end; `rowCount` the lines after it. */
  | {
    readonly kind: "regular";
    readonly header: string;
    readonly rowCount: number;
    /** Over all lines, the header too. */
    readonly delimiterCount: number;
  };

/** Bytes read at a time; a longer `maxRowBytes` costs nothing, a shorter one makes every file irregular. */
const CHUNK_BYTES = 1024 * 1024;
const LF = 0x0a;
const BOM = "\ufeff";

/** Field separator, and escape character of normalised files; see {@link ./csv_normalise.ts}. */
export const FIELD_SEPARATOR = "\x1f";
/** Begins an escape in normalised files. */
export const ESCAPE = "\x10";
/** A character that no line holds which the engine reads as one column. */
export const NO_DELIMITER = "\x01";

/** Characters, besides the quote, that make a file irregular. */
const SPECIAL = ["\r", "\0", NO_DELIMITER, ESCAPE, FIELD_SEPARATOR];

/**
 * Scans a file once.
 *
 * @param options.delimiter One ASCII character.
 * @param options.quote One ASCII character.
 * @param options.maxRowBytes Longest row allowed; a file with a longer line counts as irregular.
 */
export async function scanCsv(
  path: string,
  options: { delimiter: string; quote: string; maxRowBytes: number; signal?: AbortSignal },
): Promise<CsvScan> {
  using file = await Deno.open(path);
  const buffer = Buffer.alloc(CHUNK_BYTES);
  const special = [options.quote, ...SPECIAL];
  let regular = options.maxRowBytes >= CHUNK_BYTES;
  const delimiter = options.delimiter.charCodeAt(0);
  let lineCount = 0, delimiterCount = 0, rowStart = 0, position = 0, kept = 0;
  let last = LF, header: string | null = null;
  while (true) {
    options.signal?.throwIfAborted();
    const read = await file.read(buffer.subarray(kept));
    const filled = kept + (read ?? 0);
    // A character cut by the end of the buffer waits for its rest; at the end of the file there is none.
    const whole = read === null ? filled : wholeCharacters(buffer, filled);
    const chunk = buffer.subarray(0, whole);
    if (!isUtf8(chunk)) return { kind: "not_utf8" };
    if (regular && chunk.length > 0) {
      const text = chunk.toString("latin1");
      const first = text.indexOf("\n");
      header ??= first > 0 ? chunk.toString("utf8", 0, first) : null;
      const blank = text.includes("\n\n") || (last === LF && text.startsWith("\n"));
      const tooLong = first >= 0 && position + first - rowStart > options.maxRowBytes;
      // Without a line end in the first chunk there is no header: such a file is left to the normaliser.
      regular = header !== null && !blank && !tooLong &&
        !special.some((character) => text.includes(character));
      lineCount += countBytes(chunk, LF);
      delimiterCount += countBytes(chunk, delimiter);
      if (first >= 0) rowStart = position + text.lastIndexOf("\n") + 1;
      last = chunk[whole - 1] ?? last;
    }
    position += whole;
    if (read === null) break;
    buffer.copyWithin(0, whole, filled);
    kept = filled - whole;
  }
  if (position === 0) return { kind: "empty" };
  if (!regular || header === null || position - rowStart > options.maxRowBytes) return { kind: "irregular" };
  if (header.startsWith(BOM)) header = header.slice(BOM.length);
  if (header === "") return { kind: "irregular" };
  return { kind: "regular", header, rowCount: lineCount + (last === LF ? 0 : 1) - 1, delimiterCount };
}

/** How many of the first `filled` bytes are whole UTF-8 characters, as far as the last few bytes tell. */
function wholeCharacters(buffer: Buffer, filled: number): number {
  for (let back = 1; back <= Math.min(3, filled); back++) {
    const byte = buffer[filled - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? filled - back : filled;
  }
  return filled;
}

/**
 * Counts a byte, four at a time: a word XORed with four of it has a zero byte where one was, and the classic carry
 * trick turns zero bytes into ones, which add up without overflow for 255 words. A loop over single bytes takes twice
 * as long, `indexOf` from one to the next six times.
 */
function countBytes(chunk: Buffer, byte: number): number {
  const pattern = byte * 0x01010101;
  const words = new Int32Array(chunk.buffer, chunk.byteOffset, chunk.length >> 2);
  let count = 0;
  for (let i = 0; i < words.length;) {
    let lanes = 0;
    for (const end = Math.min(words.length, i + 255); i < end; i++) {
      const word = (words[i] ?? 0) ^ pattern;
      lanes += (~(((word & 0x7f7f7f7f) + 0x7f7f7f7f) | word) >>> 7) & 0x01010101;
    }
    count += (lanes & 255) + ((lanes >>> 8) & 255) + ((lanes >>> 16) & 255) + (lanes >>> 24);
  }
  for (let i = words.length * 4; i < chunk.length; i++) if (chunk[i] === byte) count++;
  return count;
}
