/**
 * The first look at a source file that nothing is wrong with: the proof that a typed reader takes each of its rows as the
 * contract wants it, and the number of its rows.
 *
 * It has two steps, so that the typed reading can begin after the first one, beside the rest of the proof: a file whose
 * first chunk has nothing but exact rows is a candidate. What is not proven is left to {@link ./split.ts}, which tells
 * what it is.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";
import { CHUNK_BYTES, countBytes, readChunks, type ReadOptions } from "./chunks.ts";
import { BOM, LF, NEVER_TEXT } from "./marks.ts";
import { advance, isExact } from "./scan.ts";
import { DOUBTFUL, ROW_START, type SpellingTable } from "./spelling.ts";

/** A header with everything in it. */
export interface ProofLayout {
  /** Proves rows as they stand in the file; not compiled `byLine`. */
  readonly inPlace: SpellingTable;
}

/** A file whose first chunk has nothing but exact rows. */
export interface Candidate<Layout extends ProofLayout> {
  /** The layout of its header. */
  readonly layout: Layout;
  /** The file has no more than its first chunk: `prove` has nothing left to read. */
  readonly isWhole: boolean;
  /** Scans the rest; gives the number of rows, or `null` if one of them is doubtful. */
  prove(): Promise<number | null>;
}

/**
 * Scans a file's first chunk.
 *
 * @param layoutOf Gives the layout of a header; `null` if it is not the contract's.
 * @returns `null` if the file is no candidate.
 */
export async function beginProof<Layout extends ProofLayout>(
  path: string,
  options: ReadOptions,
  layoutOf: (header: readonly string[]) => Layout | null,
): Promise<Candidate<Layout> | null> {
  // Then a row within one chunk could be too long, which the scan does not look for.
  if (options.maxRowBytes < CHUNK_BYTES) return null;
  using file = await Deno.open(path);
  const buffer = options.buffer ?? Buffer.alloc(CHUNK_BYTES);
  const first = await readChunks(file, buffer, options.signal).next();
  const chunk = first.value;
  const headerEnd = chunk?.indexOf(LF) ?? -1;
  if (!chunk || headerEnd < 1 || !isUtf8(chunk)) return null;
  const header = chunk.toString("utf8", chunk.indexOf(BOM) === 0 ? BOM.length : 0, headerEnd);
  if ([...NEVER_TEXT, options.quote].some((character) => header.includes(character))) return null;
  const layout = layoutOf(header.split(options.delimiter));
  if (layout === null) return null;
  const rows = chunk.subarray(headerEnd + 1);
  const state = advance(layout.inPlace, rows, ROW_START);
  const isWhole = (await file.stat()).size === chunk.length;
  if (state === DOUBTFUL || (isWhole && !isExact(layout.inPlace, state))) return null;
  const begun: Progress = {
    position: chunk.length,
    rowStart: chunk.lastIndexOf(LF) + 1,
    state,
    rowCount: countBytes(rows, LF),
  };
  const prove = () => proveRest(path, { ...options, buffer }, layout.inPlace, begun);
  return { layout, isWhole, prove };
}

interface Progress {
  readonly position: number;
  /** The byte at which the last row begins that was not read to its end. */
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
    state = isUtf8(chunk) ? advance(table, chunk, state) : DOUBTFUL;
    const firstEnd = chunk.indexOf(LF);
    // Only a row that lies in two chunks can be longer than one of them.
    if (state === DOUBTFUL || (firstEnd >= 0 && position + firstEnd - rowStart > maxRowBytes)) return null;
    if (firstEnd >= 0) rowStart = position + chunk.lastIndexOf(LF) + 1;
    rowCount += countBytes(chunk, LF);
    position += chunk.length;
  }
  if (!isExact(table, state) || position - rowStart > maxRowBytes) return null;
  // A last row without its line end is a row too.
  return rowCount + (rowStart < position ? 1 : 0);
}
