/**
 * The pieces that a large file or object is sent in.
 *
 * @module
 */
import { wrapSystemError } from "../../errors.ts";

/** Parts of one object (Amazon S3 user guide, "Amazon S3 multipart upload limits"). */
const MAX_PARTS = 10_000;

/** A piece of an object or a file, in bytes; `end` is not in it. */
export interface Piece {
  /** Its number from 1, as S3 counts parts. */
  readonly number: number;
  /** Its first byte. */
  readonly start: number;
  /** The first byte of the next one. */
  readonly end: number;
}

/** The pieces of `partBytes` that a size is made of; larger ones if there would be more than S3 takes. */
export function piecesOf(sizeBytes: number, partBytes: number): Piece[] {
  const length = Math.max(partBytes, Math.ceil(sizeBytes / MAX_PARTS));
  return Array.from({ length: Math.ceil(sizeBytes / length) }, (_, i) => ({
    number: i + 1,
    start: i * length,
    end: Math.min((i + 1) * length, sizeBytes),
  }));
}

/**
 * Reads a piece of a file into memory.
 *
 * @throws {Error} if the file has become shorter.
 */
export function readPiece(path: string, { start, end }: Piece): Promise<Uint8Array> {
  return local(path, async () => {
    const bytes = new Uint8Array(end - start);
    using file = await Deno.open(path);
    await file.seek(start, Deno.SeekMode.Start);
    for (let length = 0; length < bytes.length;) {
      const count = await file.read(bytes.subarray(length));
      if (count === null) throw new Error(`${path} has become shorter while it was uploaded`);
      length += count;
    }
    return bytes;
  });
}

/** Bytes of a file. */
export async function sizeOf(path: string): Promise<number> {
  return (await local(path, () => Deno.stat(path))).size;
}

async function local<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw wrapSystemError(error, `Cannot read ${path}`);
  }
}
