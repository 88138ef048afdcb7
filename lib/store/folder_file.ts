/**
 * The files of the folder store: read and hashed as one version, written so that they survive a power cut.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { changed, unhandled, unlessMissing } from "./folder_problem.ts";
import type { ObjectVersion } from "./store.ts";

/** Bytes that are read at a time. */
const CHUNK_BYTES = 1024 * 1024;

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

/** The bytes of a file as it was when it was opened, hashed as they pass; fails where it changes meanwhile. */
export class FileReader implements Content, AsyncDisposable {
  /** The hash of all bytes; empty before they have been read. */
  etag = "";
  readonly #hash = createHash("sha256");
  #position = 0;

  private constructor(
    readonly path: string,
    readonly key: string,
    readonly info: BigIntStats,
    readonly openedMs: number,
    private readonly handle: FileHandle,
  ) {}

  static async open(path: string, key: string, openedMs: number): Promise<FileReader> {
    const handle = await open(path, "r");
    try {
      return new FileReader(path, key, await handle.stat({ bigint: true }), openedMs, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** A fresh buffer with the next bytes; `null` at the end. */
  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const left = Number(this.info.size) - this.#position;
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, left));
    const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, null);
    if (bytesRead > 0) {
      const chunk = buffer.subarray(0, bytesRead);
      this.#hash.update(chunk);
      this.#position += bytesRead;
      return chunk;
    }
    const now = await this.handle.stat({ bigint: true });
    if (now.size !== this.info.size || now.mtimeNs !== this.info.mtimeNs) throw changed(this.key);
    this.etag = this.#hash.digest("hex");
    return null;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Opens the file that was inspected; `null` where something else, perhaps a symlink, has its path since. */
export async function openSame(
  path: string,
  key: string,
  inspected: BigIntStats,
  openedMs: number,
): Promise<FileReader | null> {
  let reader: FileReader;
  try {
    reader = await FileReader.open(path, key, openedMs);
  } catch (error) {
    unlessMissing(error);
    return null;
  }
  if (reader.info.dev === inspected.dev && reader.info.ino === inspected.ino) return reader;
  await reader.close();
  return null;
}

/** Writes a new file that survives a power cut. */
export async function fill(path: string, content: Content): Promise<BigIntStats> {
  await using file = await open(path, "wx");
  for (let chunk = await content.next(); chunk; chunk = await content.next()) {
    for (let offset = 0; offset < chunk.length;) {
      offset += (await file.write(chunk, offset, chunk.length - offset, null)).bytesWritten;
    }
  }
  await file.sync();
  return await file.stat({ bigint: true });
}

/** Makes the entries of a folder survive a power cut. */
export async function sync(folder: string): Promise<void> {
  using file = await Deno.open(folder, { read: true });
  await file.sync();
}

/** Deletes a file or a folder with all that is in it, where it is there. */
export async function removeAll(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(unlessMissing);
}

/** What the path is, without following a symlink; `null` where it is missing. */
export async function lstatOrNull(path: string): Promise<BigIntStats | null> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    unlessMissing(error);
    return null;
  }
}

/** The regular file at the path; `null` where there is nothing or a folder. Refuses everything else. */
export async function inspect(path: string, key: string): Promise<BigIntStats | null> {
  const info = await lstatOrNull(path);
  if (!info || info.isDirectory()) return null;
  if (info.isFile()) return info;
  throw unhandled(
    key,
    info.isSymbolicLink() ? "it is a symlink, and none is followed" : "it is no regular file",
  );
}

/** Another one when the file is written to or replaced, as far as the clocks tell. */
export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

/** The version that a file is. */
export function versionOf(key: string, etag: string, info: BigIntStats): ObjectVersion {
  // Milliseconds: Deno 2.9 cuts the rest, and a later one that does not must not see other versions in the ledger's.
  const lastModified = new Date(Number(info.mtimeNs / 1_000_000n)).toISOString();
  return { key, etag, sizeBytes: Number(info.size), lastModified };
}
