/**
 * Says of a file that is rejected as a whole which line was read, and what is the likely cause.
 *
 * The file is read once more for it: what is looked at for people costs a good file nothing.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";
import type { CheckSettings } from "./schema.ts";
import { CHUNK_BYTES, countBytes, readChunks, readHead } from "../csv/chunks.ts";
import {
  decodeWindows1252,
  firstLine,
  hex,
  invalidUtf8At,
  inWords,
  likelyEncoding,
  likelyFormat,
  likelyHeaderCause,
  type Line,
} from "../csv/likely.ts";
import { LF } from "../csv/marks.ts";
import type { FileFault } from "../source_file.ts";

/** Bytes of a line that are looked at. */
const LINE_BYTES = 400;
/** Bytes of a line that are shown before those that are not UTF-8, if these are far from its beginning. */
const BYTES_BEFORE = 40;
/** Bytes that are told of what is not UTF-8. */
const TOLD_BYTES = 4;

/** The fault with its detail in full. */
export async function explainFault(
  path: string,
  fault: FileFault,
  { csv, contract }: CheckSettings,
): Promise<FileFault> {
  const { reason, detail } = fault;
  const head = await readHead(path);
  const expected = { ...csv, names: Object.keys(contract.columns) };
  switch (reason) {
    case "not_utf8":
      return { ...fault, detail: await explainBytes(path, detail, head) };
    case "too_many_columns":
    case "duplicate_column":
    case "missing_columns":
      return { ...fault, detail: inWords(detail, likelyHeaderCause(head, expected), firstLine(head)) };
    case "malformed_csv": {
      const line = await readLine(path, fault.line);
      // A second header says by itself what it is; anything else may be no CSV file at all.
      const cause = likelyFormat(head) ??
        (fault.line === firstLine(head)?.number ? likelyHeaderCause(head, expected) : null);
      return { ...fault, detail: inWords(detail, cause, line) };
    }
    default:
      return fault;
  }
}

/** Where a file is not UTF-8, and what may be there. */
async function explainBytes(path: string, detail: string, head: Uint8Array): Promise<string> {
  const size = (await Deno.stat(path)).size;
  let offset = 0, number = 1;
  for await (const chunk of chunksOf(path)) {
    const at = isUtf8(chunk) ? -1 : invalidUtf8At(chunk);
    if (at < 0) {
      number += countBytes(chunk, LF);
      offset += chunk.length;
      continue;
    }
    number += countBytes(chunk.subarray(0, at), LF);
    const bytes = chunk.subarray(at, at + TOLD_BYTES);
    const start = at === 0 ? 0 : chunk.lastIndexOf(LF, at - 1) + 1;
    const what = `${detail}: line ${number}, byte offset ${offset + at}, bytes ${hex(bytes)}`;
    const isEnd = offset + at + bytes.length === size;
    // No two encodings agree on the rest of the line; in this one each byte is a character.
    const from = at - start > 2 * BYTES_BEFORE ? at - BYTES_BEFORE : start;
    const text = decodeWindows1252(lineAt(chunk, from));
    return inWords(what, likelyEncoding(head, bytes, isEnd), { number, text });
  }
  return detail;
}

/** The beginning of a line of a file. */
async function readLine(path: string, wanted: number): Promise<Line | null> {
  let number = 1;
  for await (const chunk of chunksOf(path)) {
    const next = number + countBytes(chunk, LF);
    if (next < wanted) {
      number = next;
      continue;
    }
    let start = 0;
    for (; number < wanted; number++) start = chunk.indexOf(LF, start) + 1;
    // A line that begins where the chunk ends is in the next one.
    if (start < chunk.length) return { number: wanted, text: lineAt(chunk, start).toString("utf8") };
    number = wanted;
  }
  return null;
}

/** The bytes of a line from a place on, as many as may be shown. */
function lineAt(chunk: Buffer, start: number): Buffer {
  const end = chunk.indexOf(LF, start);
  return chunk.subarray(start, Math.min(end < 0 ? chunk.length : end, start + LINE_BYTES));
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  using file = await Deno.open(path);
  yield* readChunks(file, Buffer.alloc(CHUNK_BYTES));
}
