/**
 * The files of the folder store, read and hashed as one version.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { changed, unhandled, unlessMissing } from "./errors.ts";
import type { ObjectVersion } from "../store.ts";

/** Bytes that are read at a time. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Files up to this size are read and written at once. Handing an operation to another thread costs more than reading so
 * much; only an fsync is always worth it.
 */
export const SMALL_BYTES = 64 * 1024;

/** Bytes to be written. */
export interface Content {
  /** The next bytes; `null` at the end. */
  next(): Promise<Uint8Array | null>;
  /** The hash of them all, when they have been read. */
  readonly etag: string;
}

/** Bytes that are at hand. */
export function contentOf(bytes: Uint8Array): Content {
  const chunks = [bytes];
  const etag = createHash("sha256").update(bytes).digest("hex");
  return { next: () => Promise.resolve(chunks.pop() ?? null), etag };
}

/** The bytes of a file as it was when it was opened, hashed as they pass; reading fails if the file changes meanwhile. */
export class FileReader implements Content, Disposable {
  /** The hash of all bytes; empty before they have been read. */
  etag = "";
  readonly #hash = createHash("sha256");
  #position = 0;

  private constructor(
    readonly path: string,
    readonly key: string,
    readonly info: Deno.FileInfo,
    readonly openedMs: number,
    private readonly file: Deno.FsFile,
  ) {}

  /** Opens a file; `openedMs` is the wall clock's time. */
  static open(path: string, key: string, openedMs: number): FileReader {
    const file = Deno.openSync(path);
    try {
      return new FileReader(path, key, file.statSync(), openedMs, file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** A fresh buffer with the next bytes; `null` at the end. */
  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, this.info.size - this.#position));
    const bytesRead = buffer.length > SMALL_BYTES ? await this.file.read(buffer) : this.file.readSync(buffer);
    if (bytesRead) {
      const chunk = buffer.subarray(0, bytesRead);
      this.#hash.update(chunk);
      this.#position += bytesRead;
      return chunk;
    }
    const now = this.file.statSync();
    if (now.size !== this.info.size || Number(now.mtime) !== Number(this.info.mtime)) throw changed(this.key);
    this.etag = this.#hash.digest("hex");
    return null;
  }

  /** Makes what was read survive a power cut. */
  sync(): Promise<void> {
    return this.file.sync();
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.file.close();
  }
}

/** Opens the file that was inspected; `null` if something else, perhaps a symlink, has its path since. */
export function openSame(
  path: string,
  key: string,
  inspected: Deno.FileInfo,
  openedMs: number,
): FileReader | null {
  let reader: FileReader;
  try {
    reader = FileReader.open(path, key, openedMs);
  } catch (error) {
    unlessMissing(error);
    return null;
  }
  if (reader.info.dev === inspected.dev && reader.info.ino === inspected.ino) return reader;
  reader[Symbol.dispose]();
  return null;
}

/** Deletes a file or a folder with all that is in it, if it is there. */
export async function removeAll(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(unlessMissing);
}

/** Deletes the temporary file of a write, if it is there and can be deleted. */
export async function removeLeftover(path: string): Promise<void> {
  try {
    if (lstatOrNull(path)) await removeAll(path);
  } catch {
    // The next sweep deletes it. What has to be told is why the write failed.
  }
}

/** What is at the path, without following a symlink; `null` if nothing is. */
export function lstatOrNull(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    unlessMissing(error);
    return null;
  }
}

/** The regular file at the path; `null` if there is nothing or a folder. Refuses everything else. */
export function inspect(path: string, key: string): Deno.FileInfo | null {
  const info = lstatOrNull(path);
  if (!info || info.isDirectory) return null;
  if (info.isFile) return info;
  throw unhandled(key, describeKind(info));
}

/** What is in the place of a regular file, in words. */
export function describeKind(info: Deno.FileInfo): string {
  if (info.isSymlink) return "it is a symbolic link (symlink), and none is followed: deliver the file itself";
  const kind = info.isFifo
    ? "a FIFO (named pipe)"
    : info.isSocket
    ? "a socket"
    : info.isCharDevice || info.isBlockDevice
    ? "a device"
    : "something else";
  return `it is no regular file but ${kind}: deliver a file`;
}

/** A text that changes when the file is written to or replaced, as far as the clocks tell. */
export function stampOf({ dev, ino, size, mtime, ctime }: Deno.FileInfo): string {
  return [dev, ino, size, Number(mtime), Number(ctime)].join(" ");
}

/** The version that a file is. */
export function versionOf(key: string, etag: string, { size, mtime }: Deno.FileInfo): ObjectVersion {
  return { key, etag, sizeBytes: size, lastModified: (mtime ?? new Date(0)).toISOString() };
}
