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
import { CHUNK_BYTES, countBytes, readChunks } from "./csv_chunks.ts";
import { NEVER_TEXT } from "./csv_marks.ts";

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

const LF = 0x0a;
const BOM = "\ufeff";

/** How a file is scanned. */
export interface ScanOptions {
  /** One ASCII character. */
  readonly delimiter: string;
  /** One ASCII character. */
  readonly quote: string;
  /** Longest row allowed; a file with a longer line counts as irregular. */
  readonly maxRowBytes: number;
  /** Of `CHUNK_BYTES`, for many scans one after the other; left out: one of this scan's own. */
  readonly buffer?: Buffer;
  /** Stops the scan. */
  readonly signal?: AbortSignal;
}

/** Scans a file once. */
export async function scanCsv(
  path: string,
  options: ScanOptions,
): Promise<CsvScan> {
  using file = await Deno.open(path);
  const special = [options.quote, ...NEVER_TEXT];
  // A longer row than a chunk costs nothing; with a shorter limit every file is irregular.
  let regular = options.maxRowBytes >= CHUNK_BYTES;
  const delimiter = options.delimiter.charCodeAt(0);
  let lineCount = 0, delimiterCount = 0, rowStart = 0, position = 0;
  let last = LF, header: string | null = null;
  for await (const chunk of readChunks(file, options.buffer ?? Buffer.alloc(CHUNK_BYTES), options.signal)) {
    if (!isUtf8(chunk)) return { kind: "not_utf8" };
    if (regular) {
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
      last = chunk.at(-1) ?? last;
    }
    position += chunk.length;
  }
  if (position === 0) return { kind: "empty" };
  if (!regular || header === null || position - rowStart > options.maxRowBytes) return { kind: "irregular" };
  if (header.startsWith(BOM)) header = header.slice(BOM.length);
  if (header === "") return { kind: "irregular" };
  return { kind: "regular", header, rowCount: lineCount + (last === LF ? 0 : 1) - 1, delimiterCount };
}
