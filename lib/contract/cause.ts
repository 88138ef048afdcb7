/**
 * Says of a file that is rejected as a whole which line was read, and what is the likely cause.
 *
 * The file is read once more for it: what is looked at for people costs a good file nothing.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";
import { DEFAULT_FORM, type FileForm } from "./form.ts";
import type { CheckSettings } from "./schema.ts";
import {
  CHUNK_BYTES,
  countBytes,
  HEAD_BYTES,
  readChunks,
  readHead as readBytes,
  readText,
} from "../csv/chunks.ts";
import { decodeChunks } from "../csv/encoding.ts";
import { headerName } from "../csv/header.ts";
import {
  decodeWindows1252,
  firstLine,
  hex,
  invalidUtf8At,
  isPlainText,
  likelyEncoding,
  likelyFormat,
  likelyHeaderCause,
} from "../csv/likely.ts";
import { inWords, type Line } from "../csv/words.ts";
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
  { csv, contract, form = DEFAULT_FORM }: CheckSettings,
): Promise<FileFault> {
  const { reason, detail } = fault;
  const head = await readHead(path, form);
  const expected = { ...csv, names: Object.keys(contract.columns).map(senderNames(form)) };
  const first = firstLineOf(head, form);
  switch (reason) {
    case "bad_encoding":
      return { ...fault, detail: await explainDecoding(path, detail, form) };
    case "not_utf8":
      return { ...fault, detail: await explainBytes(path, detail, head) };
    case "too_many_columns":
    case "duplicate_column":
    case "missing_columns":
      return { ...fault, detail: inWords(detail, likelyHeaderCause(head, expected), first) };
    case "malformed_csv": {
      const line = await readLine(path, fault.line, form);
      // A second header says by itself what it is; anything else may be no CSV file at all.
      const cause = likelyFormat(head) ??
        (fault.line === first?.number ? likelyHeaderCause(head, expected) : null);
      return { ...fault, detail: inWords(detail, cause, line) };
    }
    default:
      return fault;
  }
}

/** The first bytes of a file's text, in UTF-8, from where its header should be. */
async function readHead(path: string, form: FileForm): Promise<Buffer> {
  for await (const chunk of chunksOf(path, form)) {
    let from = 0;
    for (let left = form.skipLines; left > 0; left--) from = chunk.indexOf(LF, from) + 1 || chunk.length;
    return Buffer.from(chunk.subarray(from, from + HEAD_BYTES));
  }
  return Buffer.from(await readBytes(path));
}

/** The first line that is no blank one, with its number in the file. */
function firstLineOf(head: Uint8Array, { skipLines }: FileForm): Line | null {
  const line = firstLine(head);
  return line && { ...line, number: skipLines + line.number };
}

/** Gives the name that a sender has for a column. */
function senderNames({ rename }: FileForm): (column: string) => string {
  const names = new Map(Object.entries(rename).map(([from, to]) => [headerName(to), from]));
  return (column) => names.get(headerName(column)) ?? column;
}

/** Says which bytes of a file are none of its declared encoding, and what the file may be instead. */
async function explainDecoding(path: string, detail: string, { encoding }: FileForm): Promise<string> {
  using file = await Deno.open(path);
  let number = 1;
  for await (const part of decodeChunks(readChunks(file, Buffer.alloc(CHUNK_BYTES)), encoding)) {
    if ("text" in part) {
      number += countBytes(part.text, LF);
      continue;
    }
    const bytes = new Uint8Array(TOLD_BYTES);
    await file.seek(part.badAt, Deno.SeekMode.Start);
    const there = bytes.subarray(0, await file.read(bytes) ?? 0);
    const head = await readBytes(path);
    const bad = invalidUtf8At(head);
    // The last character may be cut off where the head ends.
    const isWhole = bad < 0 || (head.length === HEAD_BYTES && bad > head.length - TOLD_BYTES);
    const cause = isPlainText(head) && isWhole ? "it seems to be UTF-8" : likelyFormat(head);
    return inWords(`${detail}: line ${number}, byte offset ${part.badAt}, bytes ${hex(there)}`, cause, null);
  }
  return detail;
}

/** Says which bytes of a file are not UTF-8, and what they may be. */
async function explainBytes(path: string, detail: string, head: Uint8Array): Promise<string> {
  const size = (await Deno.stat(path)).size;
  let offset = 0, number = 1;
  using file = await Deno.open(path);
  for await (const chunk of readChunks(file, Buffer.alloc(CHUNK_BYTES))) {
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
async function readLine(path: string, wanted: number, form: FileForm): Promise<Line | null> {
  let number = 1;
  for await (const chunk of chunksOf(path, form)) {
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

/** A file's text, as far as it is any. */
async function* chunksOf(path: string, form: FileForm): AsyncGenerator<Buffer> {
  using file = await Deno.open(path);
  for await (const chunk of readText(file, Buffer.alloc(CHUNK_BYTES), { text: form })) {
    if (chunk === null) return;
    yield chunk;
  }
}
