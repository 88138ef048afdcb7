/**
 * The encodings in which senders write: a file's bytes as the UTF-8 that everything behind reads, and rows back as bytes.
 *
 * Characters are those of the WHATWG Encoding Standard, with two departures, since a value is exact or refused. A byte
 * that stands for no character is refused: in windows-1252 the five that Microsoft left open, which the standard takes for
 * control characters, in the parts of ISO 8859 all of 80 to 9f. By that iso-8859-1 is itself, although the standard has
 * the name mean windows-1252: the two agree on every byte that is left.
 *
 * @module
 */
import { Buffer, isUtf8 } from "node:buffer";

/** What a source may be written in. */
export const ENCODINGS = [
  "utf-8",
  "utf-16le",
  "utf-16be",
  "windows-1252",
  "iso-8859-1",
  "iso-8859-15",
] as const;

/** One of {@linkcode ENCODINGS}. */
export type Encoding = typeof ENCODINGS[number];

/** A part of a file as UTF-8, or the offset within the file of the first byte that is none of the encoding. */
export type Decoded = { readonly text: Buffer } | { readonly badAt: number };

/** Decodes a file, part by part; nothing follows a part that cannot be. */
export async function* decodeChunks(
  chunks: AsyncIterable<Buffer>,
  encoding: Encoding,
): AsyncGenerator<Decoded> {
  const decode = decoderOf(encoding);
  let left: Buffer = Buffer.alloc(0), offset = 0;
  for await (const chunk of chunks) {
    const bytes = left.length > 0 ? Buffer.concat([left, chunk]) : chunk;
    const { text, taken, isBad } = decode(bytes);
    if (text.length > 0) yield { text };
    if (isBad) return yield { badAt: offset + taken };
    offset += taken;
    // A copy: the chunk's memory is used again.
    left = Buffer.from(bytes.subarray(taken));
  }
  if (left.length > 0) yield { badAt: offset };
}

/** Whole characters as UTF-8; how many bytes they took, and whether what follows them is none of the encoding. */
interface Piece {
  readonly text: Buffer;
  readonly taken: number;
  readonly isBad: boolean;
}

function decoderOf(encoding: Encoding): (bytes: Buffer) => Piece {
  switch (encoding) {
    case "utf-8":
      return (text) =>
        isUtf8(text) ? { text, taken: text.length, isBad: false } : { text, taken: 0, isBad: true };
    case "utf-16le":
    case "utf-16be":
      return (bytes) => decodeUtf16(bytes, encoding === "utf-16be");
    default:
      return singleByteDecoder(encoding);
  }
}

/** Whole units, without the first half of a pair at the end: its other half may be in the next part. */
function decodeUtf16(bytes: Buffer, isBigEndian: boolean): Piece {
  const whole = Buffer.from(bytes.subarray(0, bytes.length & ~1));
  if (isBigEndian) whole.swap16();
  const units = whole.toString("utf16le");
  const text = /[\ud800-\udbff]$/.test(units) ? units.slice(0, -1) : units;
  const bad = text.isWellFormed() ? -1 : loneSurrogateAt(text);
  const good = bad < 0 ? text : text.slice(0, bad);
  return { text: Buffer.from(good), taken: 2 * good.length, isBad: bad >= 0 };
}

/** The index of the first unit that is half of no pair. */
function loneSurrogateAt(text: string): number {
  let at = 0;
  for (const character of text) {
    if (!character.isWellFormed()) return at;
    at += character.length;
  }
  return -1;
}

type SingleByte = Exclude<Encoding, "utf-8" | "utf-16le" | "utf-16be">;

/** Bytes that stand for no character; see the module's head. */
function isUndefined(byte: number, encoding: SingleByte): boolean {
  if (encoding !== "windows-1252") return byte >= 0x80 && byte <= 0x9f;
  return [0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte);
}

function singleByteDecoder(encoding: SingleByte): (bytes: Buffer) => Piece {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const undefinedBytes = Uint8Array.from({ length: 256 }, (_, byte) => isUndefined(byte, encoding) ? 1 : 0);
  return (bytes) => {
    const bad = bytes.findIndex((byte) => undefinedBytes[byte] === 1);
    const good = bad < 0 ? bytes : bytes.subarray(0, bad);
    return { text: Buffer.from(decoder.decode(good)), taken: good.length, isBad: bad >= 0 };
  };
}

/** Gives the bytes of a text, `null` if a character of it is none of the encoding. */
export function encoderOf(encoding: Encoding): (text: string) => Buffer | null {
  switch (encoding) {
    case "utf-8":
      return (text) => Buffer.from(text);
    case "utf-16le":
      return (text) => Buffer.from(text, "utf16le");
    case "utf-16be":
      return (text) => Buffer.from(text, "utf16le").swap16();
    default:
      return singleByteEncoder(encoding);
  }
}

function singleByteEncoder(encoding: SingleByte): (text: string) => Buffer | null {
  const decoder = new TextDecoder(encoding);
  const bytes = new Map<string, number>();
  for (let byte = 0; byte < 256; byte++) {
    if (!isUndefined(byte, encoding)) bytes.set(decoder.decode(Uint8Array.of(byte)), byte);
  }
  return (text) => {
    const encoded = Buffer.alloc(text.length);
    for (let i = 0; i < text.length; i++) {
      const byte = bytes.get(text.charAt(i));
      if (byte === undefined) return null;
      encoded[i] = byte;
    }
    return encoded;
  };
}
