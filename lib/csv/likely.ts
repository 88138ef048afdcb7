/**
 * What a file probably is that is not the CSV file that it should be, from its first bytes and lines.
 *
 * Nothing is decided by it: a file is rejected for what the contract says, and this is the hint that goes with it.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";
import { headerName } from "./header.ts";
import { BOM } from "./marks.ts";
import { RowParser } from "./row.ts";
import { INVISIBLE, type Line, shown } from "./words.ts";

/** Lines among which a header is looked for. */
const HEAD_LINES = 20;

/** What was expected of a file. */
export interface Expected {
  /** The configured delimiter. */
  readonly delimiter: string;
  /** The configured quote. */
  readonly quote: string;
  /** Names that the header has to have. */
  readonly names: readonly string[];
}

/** First bytes of formats that are no text (Wikipedia, "List of file signatures"). */
const SIGNATURES: readonly (readonly [bytes: readonly number[], what: string])[] = [
  [[0x50, 0x4b, 0x03, 0x04], "a zip archive, or a workbook (.xlsx)"],
  [[0x50, 0x4b, 0x05, 0x06], "an empty zip archive"],
  [[0x1f, 0x8b], "gzip: call it .csv.gz, and pack it only once"],
  [[0x42, 0x5a, 0x68], "a bzip2 archive: unpack it"],
  [[0x28, 0xb5, 0x2f, 0xfd], "a Zstandard archive: unpack it"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], "an xz archive: unpack it"],
  [[0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "a 7-Zip archive: unpack it"],
  [[0xd0, 0xcf, 0x11, 0xe0], "an old Excel workbook (.xls): save it as CSV"],
  [[0x25, 0x50, 0x44, 0x46], "a PDF document"],
  [[0x50, 0x41, 0x52, 0x31], "a Parquet file"],
  [[0x4f, 0x62, 0x6a, 0x01], "an Avro file"],
  [[0xff, 0xfe, 0, 0], "UTF-32 text (little-endian): save it as UTF-8"],
  [[0, 0, 0xfe, 0xff], "UTF-32 text (big-endian): save it as UTF-8"],
  [[0xff, 0xfe], "UTF-16 text (little-endian): save it as UTF-8"],
  [[0xfe, 0xff], "UTF-16 text (big-endian): save it as UTF-8"],
  [[0x2b, 0x2f, 0x76, 0x38], "UTF-7 text: save it as UTF-8"],
];

/** Which other format the first bytes of a file are, in words; `null` if they are none that is known. */
export function likelyFormat(head: Uint8Array): string | null {
  const found = SIGNATURES.find(([bytes]) => bytes.every((byte, i) => head[i] === byte));
  if (found) return `it seems to be ${found[1]}`;
  if (head.length > 0 && head.every((byte) => byte === 0)) return "it has nothing but NUL bytes";
  const order = unmarkedOrder(head);
  return order === null ? null : `it seems to be UTF-16 text (${order}) without a mark: save it as UTF-8`;
}

/** The order of the bytes of UTF-16 text, with or without a mark; `null` if the first bytes are none. */
export function utf16Order(head: Uint8Array): "little-endian" | "big-endian" | null {
  const [first, second, third, fourth] = head;
  if (first === 0xff && second === 0xfe && (third !== 0 || fourth !== 0)) return "little-endian";
  return first === 0xfe && second === 0xff ? "big-endian" : unmarkedOrder(head);
}

function unmarkedOrder(head: Uint8Array): "little-endian" | "big-endian" | null {
  const half = head.length >> 1;
  const zeros = (parity: number) =>
    head.reduce((sum, byte, i) => sum + (i % 2 === parity && byte === 0 ? 1 : 0), 0);
  for (const [parity, name] of [[1, "little-endian"], [0, "big-endian"]] as const) {
    // Of text in a Latin script nearly every other byte is a zero.
    if (half >= 4 && zeros(parity) > 0.7 * half && zeros(1 - parity) < 0.1 * half) return name;
  }
  return null;
}

/** Whether bytes look like text that people wrote. */
export function isPlainText(head: Uint8Array): boolean {
  return head.length > 0 && likelyFormat(head) === null &&
    !head.some((byte) => byte < 0x20 && !isSpacing(byte));
}

function isSpacing(byte: number): boolean {
  return byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

/** What is at a place that is not UTF-8, in words: the likely encoding. */
export function likelyEncoding(head: Uint8Array, bytes: Uint8Array, isEnd: boolean): string | null {
  const format = likelyFormat(head);
  if (format !== null) return format;
  const [lead = 0] = bytes;
  const length = lead > 0xf4 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
  if (isEnd && bytes.length < length) return "the file ends within a character: it may have been cut off";
  if (head.some((byte) => byte < 0x09 || (byte > 0x0d && byte < 0x20))) {
    return "it seems to be no text at all";
  }
  const character = decodeWindows1252(bytes.subarray(0, 1));
  if (INVISIBLE.test(character) && lead !== 0xa0) return null;
  return `it seems to be windows-1252, where ${hex(bytes.subarray(0, 1))} is "${
    shown(character)
  }": save it as UTF-8`;
}

/** Bytes as the encoding has them that stands for a character with each byte. */
export function decodeWindows1252(bytes: Uint8Array): string {
  return new TextDecoder("windows-1252").decode(bytes);
}

/** Bytes as people write them: `e4 72`. */
export function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** The index of the first byte that is not UTF-8; -1 if all are. */
export function invalidUtf8At(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at] ?? 0;
    const length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0;
    if (length === 0 || (length > 1 && !isUtf8(bytes.subarray(at, at + length)))) return at;
    at += length;
  }
  return -1;
}

/** The first line of a file that is no blank one; `null` if there is none. */
export function firstLine(head: Uint8Array): Line | null {
  return linesOf(head).find(({ text }) => !isBlank(text)) ?? null;
}

/** Whether a line has nothing, or nothing but what people delimit fields by. */
function isBlank(line: string): boolean {
  return /^([ \t"]*[,;|\t][ \t"]*)*$/.test(line);
}

/** The first lines of a file, without its byte order mark and their line ends. */
function linesOf(head: Uint8Array): Line[] {
  const text = new TextDecoder().decode(head);
  return text.split("\n").map((line, i) => ({ number: i + 1, text: line.replace(/\r$/, "") }));
}

/** Why a header is not what was expected, in words; `null` if nothing is known. */
export function likelyHeaderCause(head: Uint8Array, expected: Expected): string | null {
  const format = likelyFormat(head);
  if (format !== null) return format;
  if (Buffer.from(head.subarray(0, 6)).equals(Buffer.concat([BOM, BOM]))) {
    return "it begins with a byte order mark twice";
  }
  const lines = linesOf(head).filter(({ text }) => !isBlank(text)).slice(0, HEAD_LINES);
  const [first] = lines;
  if (!first) return null;
  return markup(first.text) ?? loneCr(first.text, expected) ?? excelHint(first.text) ??
    otherDelimiter(first.text, expected) ?? laterHeader(lines.slice(1), expected) ??
    quotedWhole(first.text, expected) ?? misspelt(first.text, expected) ?? noHeader(first.text, expected);
}

function markup(line: string): string | null {
  const begin = line.trimStart().toLowerCase();
  if (/^<(!doctype )?html\b/.test(begin)) {
    return "it seems to be an HTML page";
  }
  if (begin.startsWith("<")) return "it seems to be XML, perhaps an error page";
  return /^[{[]/.test(begin) ? "it seems to be JSON" : null;
}

function loneCr(line: string, expected: Expected): string | null {
  const [first = "", ...others] = line.split("\r");
  if (others.length === 0 || namesIn(first, expected) < leastNames(expected)) return null;
  return "it has lone CR line ends";
}

/** Excel takes the delimiter from such a line; nothing else does. */
function excelHint(line: string): string | null {
  const [, delimiter] = /^"?sep=(.)"?[,;\t]*$/i.exec(line) ?? [];
  if (delimiter === undefined) return null;
  return `leave out the line sep=${shown(delimiter)}, which is for Excel alone`;
}

function otherDelimiter(line: string, expected: Expected): string | null {
  const found = delimiterOf(line, expected);
  if (found === null) return null;
  return `its fields seem to be delimited by ${named(found)}`;
}

function laterHeader(lines: readonly Line[], expected: Expected): string | null {
  for (const { number, text } of lines) {
    const other = delimiterOf(text, expected);
    if (other === null && namesIn(text, expected) < leastNames(expected)) continue;
    const also = other === null ? "" : `, delimited by ${named(other)}`;
    return `the header seems to be line ${number}${also}`;
  }
  return null;
}

function quotedWhole(line: string, expected: Expected): string | null {
  const fields = fieldsOf(line, expected);
  const inner = fields.length === 1 ? fields[0] ?? "" : "";
  return inner !== line && namesIn(inner, expected) >= leastNames(expected)
    ? "the whole line is in quotes"
    : null;
}

/** A name that only looks like the one that is missing. */
function misspelt(line: string, expected: Expected): string | null {
  const fields = fieldsOf(line, expected);
  const has = new Set(fields.map(headerName));
  for (const name of expected.names) {
    if (has.has(name.toLowerCase())) continue;
    const alike = fields.find((field) => lettersOf(field) === lettersOf(name));
    if (alike === undefined) continue;
    return INVISIBLE.test(headerName(alike))
      ? `an invisible character is in the name "${shown(alike, 70)}"`
      : `is "${shown(alike, 70)}" meant for ${name}?`;
  }
  return null;
}

function noHeader(line: string, expected: Expected): string | null {
  const fields = fieldsOf(line, expected).map((field) => field.trim()).filter((field) => field !== "");
  const values = fields.filter((field) => /^[+-]?[0-9][0-9.,:/-]*$/.test(field));
  return 2 * values.length >= fields.length && values.length > 0 ? "it seems to have no header" : null;
}

/** Characters that people delimit fields by. */
export const DELIMITERS: readonly string[] = [",", ";", "\t", "|", ":", "^", "~", "\x01", "\x1f"];

/** The delimiter by which a line has more of the names than by the configured one; `null` if there is none. */
function delimiterOf(line: string, expected: Expected): string | null {
  const least = Math.max(leastNames(expected), namesIn(line, expected) + 1);
  const found = DELIMITERS.find((delimiter) => namesIn(line, { ...expected, delimiter }) >= least);
  return found ?? null;
}

/** How many of the names make a line a header. */
function leastNames({ names }: Expected): number {
  return Math.max(1, Math.ceil(names.length / 2));
}

function namesIn(line: string, expected: Expected): number {
  const fields = new Set(fieldsOf(line, expected).map(lettersOf));
  return expected.names.filter((name) => fields.has(lettersOf(name))).length;
}

function fieldsOf(line: string, { delimiter, quote }: Expected): readonly string[] {
  const row = new RowParser({ delimiter, quote, maxRowBytes: Infinity }).push(line, "");
  return row?.fields ?? line.split(delimiter);
}

/** The letters and digits of a name: what people who write it otherwise leave as it is. */
export function lettersOf(name: string): string {
  return name.normalize("NFKC").toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

function named(delimiter: string): string {
  return delimiter === "\t" ? "tabs" : `"${shown(delimiter)}"`;
}
