/**
 * A file's bytes in chunks, as scans look at them.
 *
 * @module
 */
import { type Buffer, isUtf8 } from "node:buffer";
import { decodeChunks } from "./encoding.ts";
import { DEFAULT_TEXT, type TextForm } from "./form.ts";
import type { CsvDialect } from "./row.ts";

/** Bytes read at a time. */
export const CHUNK_BYTES = 1024 * 1024;

/** First bytes of a file that tell what it is. */
export const HEAD_BYTES = 64 * 1024;

/** The first bytes of a file. */
export async function readHead(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const head = new Uint8Array(HEAD_BYTES);
  let filled = 0;
  for (let read: number | null = 1; read; filled += read ?? 0) read = await file.read(head.subarray(filled));
  return head.subarray(0, filled);
}

/** How a file is read. */
export interface ReadOptions extends CsvDialect {
  /** Takes what is read, of many files one after the other: {@linkcode CHUNK_BYTES}. Left out: one of this file's own. */
  readonly buffer?: Buffer;
  /** Stops the reading. */
  readonly signal?: AbortSignal;
  /** How the file's text begins, and its encoding. Left out: the default. */
  readonly text?: TextForm;
}

/**
 * Reads on from a file's position, in chunks that end between two characters: one that the end of the buffer cuts waits for
 * its rest. An empty file gives no chunk.
 *
 * @param buffer {@linkcode CHUNK_BYTES} long; holds each chunk until the next one is asked for.
 */
export async function* readChunks(
  file: Deno.FsFile,
  buffer: Buffer,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  let kept = 0;
  while (true) {
    signal?.throwIfAborted();
    const read = await file.read(buffer.subarray(kept));
    const filled = kept + (read ?? 0);
    const whole = read === null ? filled : wholeCharacters(buffer, filled);
    if (whole > 0) yield buffer.subarray(0, whole);
    if (read === null) return;
    buffer.copyWithin(0, whole, filled);
    kept = filled - whole;
  }
}

/**
 * Reads on from a file's position, in UTF-8 whatever the file's encoding is; `null` stands for what is none of it, and
 * comes last.
 *
 * @param buffer As for {@linkcode readChunks}.
 */
export async function* readText(
  file: Deno.FsFile,
  buffer: Buffer,
  { text = DEFAULT_TEXT, signal }: Pick<ReadOptions, "text" | "signal">,
): AsyncGenerator<Buffer | null> {
  const chunks = readChunks(file, buffer, signal);
  if (text.encoding !== "utf-8") {
    for await (const part of decodeChunks(chunks, text.encoding)) yield "text" in part ? part.text : null;
    return;
  }
  for await (const chunk of chunks) {
    if (!isUtf8(chunk)) return yield null;
    yield chunk;
  }
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

const NO_WORDS = new Int32Array();

/**
 * Counts a byte, four at a time: a word XORed with four of it has a zero byte for each one that it had, and the classic
 * carry trick turns zero bytes into ones, which add up without overflow for 255 words. A loop over single bytes takes twice
 * as long, `indexOf` from one to the next six times.
 */
export function countBytes(chunk: Buffer, byte: number): number {
  const pattern = byte * 0x01010101;
  // Words begin at multiples of four in memory.
  const head = Math.min(chunk.length, -chunk.byteOffset & 3);
  const wordCount = (chunk.length - head) >> 2;
  const words = wordCount > 0 ? new Int32Array(chunk.buffer, chunk.byteOffset + head, wordCount) : NO_WORDS;
  let count = 0;
  for (let i = 0; i < words.length;) {
    let lanes = 0;
    for (const end = Math.min(words.length, i + 255); i < end; i++) {
      const word = (words[i] ?? 0) ^ pattern;
      lanes += (~(((word & 0x7f7f7f7f) + 0x7f7f7f7f) | word) >>> 7) & 0x01010101;
    }
    count += (lanes & 255) + ((lanes >>> 8) & 255) + ((lanes >>> 16) & 255) + (lanes >>> 24);
  }
  for (let i = 0; i < head; i++) if (chunk[i] === byte) count++;
  for (let i = head + words.length * 4; i < chunk.length; i++) if (chunk[i] === byte) count++;
  return count;
}
