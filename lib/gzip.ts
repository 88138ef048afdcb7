/**
 * Unpacks gzip files: all members of a file, and nothing but members.
 *
 * @module
 */
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { codeOf, messageOf } from "./errors.ts";

/** What is thrown if bytes are no whole gzip file; its message says why. */
export class GzipError extends Error {
  /** For the log. */
  override readonly name = "GzipError";
}

/**
 * The bytes that a gzip file stands for, those of its members one after the other. A file without bytes is an empty one.
 *
 * @param packed The file's bytes; they are read no faster than what they stand for is taken.
 * @param sizeBytes How many they are.
 * @throws {GzipError} if they are no whole gzip file, when what could be unpacked of it has been given out.
 */
export async function* gunzip(
  packed: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array> {
  // No bytes are no member: an empty file, not a broken one.
  if (sizeBytes === 0) return;
  // Node's gunzip, unlike DecompressionStream, reads all members of a file.
  const unpacking = createGunzip();
  const source = Readable.from(packed).on("error", (error) => unpacking.destroy(error));
  try {
    for await (const chunk of source.pipe(unpacking)) yield chunk;
    // Bytes that are no member are refused, but zeros, and whatever follows them, are left unread.
    if (unpacking.bytesWritten < sizeBytes) throw new GzipError("bytes after its last member");
  } catch (error) {
    // zlib's own errors have codes like Z_DATA_ERROR; anything else is of the source.
    if (codeOf(error)?.startsWith("Z_")) throw new GzipError(messageOf(error), { cause: error });
    throw error;
  } finally {
    source.destroy();
    unpacking.destroy();
  }
}
