/**
 * The first look at a source file that nothing is wrong with: the proof that a typed reader takes every row of it as the
 * contract wants it, and the number of its rows.
 *
 * A file of many chunks is proven in two steps. After the first one there is hope: its typed reading may begin, beside
 * the rest of the proof. A file that is not proven is left to {@link ./csv_split.ts}, which tells what it is.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";
import { CHUNK_BYTES, countBytes, readChunks, type ReadOptions } from "./chunks.ts";
import { NEVER_TEXT } from "./marks.ts";
import { advance, isProven, ROW_START, type SpellingTable, UNPROVEN } from "./spelling.ts";

/** A file whose first chunk is proven. */
export interface HopefulFile {
  /** The first line, without BOM and line end. */
  readonly header: string;
  /** Proves the rest; gives the number of rows, or `null` where a row is not proven. */
  prove(): Promise<number | null>;
  /** The file has no more than its first chunk: `prove` has nothing left to read. */
  readonly isWhole: boolean;
}

const LF = 0x0a;
const BOM = "\ufeff";

/**
 * Reads and proves a file's first chunk.
 *
 * @param tableOf Compiles the layout that a header has; `null` where it is not the contract's.
 * @returns `null` where there is no hope.
 */
export async function beginProof(
  path: string,
  options: ReadOptions,
  tableOf: (header: string) => SpellingTable | null,
): Promise<HopefulFile | null> {
  if (options.maxRowBytes < CHUNK_BYTES) return null;
  using file = await Deno.open(path);
  const buffer = options.buffer ?? Buffer.alloc(CHUNK_BYTES);
  const first = await readChunks(file, buffer, options.signal).next();
  const chunk = first.value;
  const headerEnd = chunk?.indexOf(LF) ?? -1;
  if (!chunk || headerEnd < 1 || !isUtf8(chunk)) return null;
  const line = chunk.toString("utf8", 0, headerEnd);
  const header = line.startsWith(BOM) ? line.slice(BOM.length) : line;
  if ([...NEVER_TEXT, options.quote].some((character) => header.includes(character))) return null;
  const table = tableOf(header);
  if (table === null) return null;
  const rows = chunk.subarray(headerEnd + 1);
  const state = advance(table, rows, ROW_START);
  const isWhole = (await file.stat()).size === chunk.length;
  if (state === UNPROVEN || (isWhole && !isProven(table, state))) return null;
  const begun: Progress = {
    position: chunk.length,
    rowStart: chunk.lastIndexOf(LF) + 1,
    state,
    rowCount: countBytes(rows, LF),
  };
  return { header, isWhole, prove: () => proveRest(path, { ...options, buffer }, table, begun) };
}

interface Progress {
  readonly position: number;
  /** Where the last row begins that was not read to its end. */
  readonly rowStart: number;
  readonly state: number;
  readonly rowCount: number;
}

async function proveRest(
  path: string,
  { buffer, maxRowBytes, signal }: ReadOptions & { readonly buffer: Buffer },
  table: SpellingTable,
  begun: Progress,
): Promise<number | null> {
  let { position, rowStart, state, rowCount } = begun;
  using file = await Deno.open(path);
  await file.seek(position, Deno.SeekMode.Start);
  for await (const chunk of readChunks(file, buffer, signal)) {
    state = isUtf8(chunk) ? advance(table, chunk, state) : UNPROVEN;
    const firstEnd = chunk.indexOf(LF);
    // Only a row that lies in two chunks can be longer than one of them.
    if (state === UNPROVEN || (firstEnd >= 0 && position + firstEnd - rowStart > maxRowBytes)) return null;
    if (firstEnd >= 0) rowStart = position + chunk.lastIndexOf(LF) + 1;
    rowCount += countBytes(chunk, LF);
    position += chunk.length;
  }
  if (!isProven(table, state) || position - rowStart > maxRowBytes) return null;
  return rowCount + (rowStart < position ? 1 : 0);
}
