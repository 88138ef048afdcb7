/**
 * A folder as object store: a key is a path below the root, an object is a regular file.
 *
 * People and other programs put files there too. So an etag is the SHA-256 of the content and not a promise of
 * whoever wrote it, no symlink below the root is followed, and what cannot be an object is listed as a trouble.
 *
 * @example
 * ```ts
 * import { openFolderStore } from "./folder.ts";
 * await using store = await openFolderStore("data/store");
 * const written = await store.put("sales_data/a.csv", { bytes: new TextEncoder().encode("customer_id\n") });
 * ```
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, randomUUID } from "node:crypto";
import { type BigIntStats, rmdirSync } from "node:fs";
import { type FileHandle, lstat, open, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import pMap from "p-map";
import { ConfigError, wrapSystemError } from "../errors.ts";
import {
  LIST_PAGE_SIZE,
  ObjectError,
  type ObjectSource,
  type ObjectStore,
  type ObjectTrouble,
  type ObjectVersion,
} from "./store.ts";

/** Folder directly below the root for files that are being written; it is not listed, and no key may lie in it. */
const PRIVATE_FOLDER = ".nightly-marts";

/** Longest name of a file, in bytes (NAME_MAX in linux/limits.h). */
const MAX_NAME_BYTES = 255;

/** Longest path, in bytes (PATH_MAX in linux/limits.h, less the NUL at its end). */
const MAX_PATH_BYTES = 4095;

/** Bytes that are read at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** Files that a listing hashes at the same time. */
const HASH_CONCURRENCY = 4;

/**
 * Age from which the times of a file tell every later change. Above the granularity of all clocks involved, of which
 * the coarsest is Deno 2.9's own: it cuts change times to seconds, and modification times to milliseconds.
 */
const SETTLED_MS = 2000;

/** What Deno puts in a file's name in place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

/**
 * Opens the folder at `path`.
 *
 * @throws {ConfigError} `store_missing`, where there is no such folder.
 */
export async function openFolderStore(path: string): Promise<ObjectStore> {
  try {
    const root = await Deno.realPath(path);
    if ((await Deno.stat(root)).isDirectory) return new FolderStore(root);
  } catch (error) {
    if (!isMissing(error)) throw wrapSystemError(error, `Cannot open the store ${path}`);
  }
  throw new ConfigError(
    "store_missing",
    `Cannot open the store ${path}: there is no such folder; create it (mkdir -p), or run \`deno task demo\` to see ` +
      "an example",
  );
}

class FolderStore implements ObjectStore {
  readonly name: string;
  readonly #privateFolder: string;
  /** By path: the hash of its content while it has this stamp. */
  readonly #hashes = new Map<string, { stamp: string; size: bigint; etag: string }>();
  /** Folders whose entry in the folder above, and so on up to the root, is known to survive a power cut. */
  readonly #durableFolders = new Set<string>();
  /** Temporary files that this instance is writing. */
  readonly #temporaries = new Set<string>();

  constructor(root: string) {
    this.name = root;
    this.#privateFolder = join(root, PRIVATE_FOLDER);
  }

  async *list(prefix: string): AsyncGenerator<(ObjectVersion | ObjectTrouble)[]> {
    let page: Candidate[] = [];
    for await (const candidate of this.#candidates(prefix)) {
      page.push(candidate);
      if (page.length < LIST_PAGE_SIZE) continue;
      yield* this.#describe(page);
      page = [];
    }
    yield* this.#describe(page);
  }

  async head(key: string): Promise<ObjectVersion | null> {
    return await this.#reading(key, async () => {
      const path = await this.#pathOf(key);
      const found = path && await this.#identify(path, key);
      return found ? found.version : null;
    });
  }

  async get(key: string, options: { ifMatch: string }): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const reader = await this.#openVersion(key, options.ifMatch);
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const chunk = await this.#readVersion(reader, options.ifMatch);
          if (chunk) return controller.enqueue(chunk);
        } catch (error) {
          await reader.close();
          throw error;
        }
        await reader.close();
        controller.close();
      },
      cancel: () => reader.close(),
    }, { highWaterMark: 0 });
  }

  async put(
    key: string,
    source: ObjectSource,
    options?: { ifAbsent?: boolean },
  ): Promise<ObjectVersion | null> {
    if ("bytes" in source) return await this.#write(key, contentOf(source.bytes), options?.ifAbsent);
    await using reader = await FileReader.open(source.file, key).catch((error) => {
      throw wrapSystemError(error, `Cannot read ${source.file}`);
    });
    return await this.#write(key, reader, options?.ifAbsent);
  }

  async copy(from: string, to: string, options: { ifMatch: string }): Promise<ObjectVersion> {
    await using reader = await this.#openVersion(from, options.ifMatch);
    const next = () => this.#readVersion(reader, options.ifMatch);
    return (await this.#write(to, { next, etag: options.ifMatch }))!;
  }

  /** No call looks and deletes at once: a file that takes this one's place microseconds before the unlink is lost. */
  async delete(key: string, options: { ifMatch: string; lastModified?: string }): Promise<void> {
    await this.#reading(key, async () => {
      const path = await this.#pathOf(key);
      const found = path && await this.#identify(path, key);
      if (!found) return;
      const { etag, lastModified } = found.version;
      if (etag !== options.ifMatch || lastModified !== (options.lastModified ?? lastModified)) {
        throw changed(key);
      }
      // Hashing may have taken minutes.
      const now = await inspect(path, key);
      if (now && stampOf(now) !== found.stamp) throw changed(key);
      await unlink(path).catch(unlessMissing);
      this.#hashes.delete(path);
      await sync(dirname(path));
    });
  }

  async sweep(prefix: string): Promise<void> {
    try {
      // One process writes at a time: what another one was writing, it was killed over.
      await this.#removeFrom(await this.#folderOf(PRIVATE_FOLDER, [PRIVATE_FOLDER]), "");
      const { parts, start } = splitPrefix(prefix);
      if (!parts) return;
      const folder = await this.#folderOf(prefix, parts);
      // A folder all at once: names that are not UTF-8 cannot be removed one by one.
      if (folder && start === "" && folder !== this.name) await removeAll(folder);
      else await this.#removeFrom(folder, start);
      // Also where there was nothing: an earlier sweep may have been killed just here.
      this.#tidy(parts);
    } catch (error) {
      if (error instanceof ObjectError) throw error;
      throw wrapSystemError(error, `Cannot delete what is under ${JSON.stringify(prefix)} in ${this.name}`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#tidy([]);
    return Promise.resolve();
  }

  /** What lies under the prefix, in the order of the keys' bytes. */
  async *#candidates(prefix: string): AsyncGenerator<Candidate> {
    const { parts, start } = splitPrefix(prefix);
    if (!parts) return;
    let folder: string | null;
    try {
      folder = await this.#reading(prefix, () => this.#folderOf(prefix, parts));
    } catch (error) {
      return yield* troubleOf(error, prefix);
    }
    if (folder) yield* this.#walk(folder, prefix.slice(0, prefix.length - start.length), start);
  }

  async *#walk(folder: string, parent: string, start: string): AsyncGenerator<Candidate> {
    let entries: Deno.DirEntry[];
    try {
      entries = await this.#reading(parent, () => this.#entriesOf(folder, start));
    } catch (error) {
      return yield* troubleOf(error, parent + start);
    }
    // "a/" comes after "a.csv" and before "a0": a folder has the place of the keys in it.
    const sorted = entries
      .map((entry) => ({ ...entry, bytes: Buffer.from(entry.isDirectory ? `${entry.name}/` : entry.name) }))
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    let previous: string | undefined;
    for (const { name, isDirectory, isFile } of sorted) {
      const key = parent + name;
      const path = join(folder, name);
      // Two names with bytes that are not UTF-8 may have become the same.
      if (name === previous || !isFile && !isDirectory) yield { key, problem: "unhandled_key" };
      else if (isDirectory) yield* this.#walk(path, `${key}/`, "");
      else yield { key, path };
      previous = name;
    }
  }

  /** A page of the listing, or none where all of it has vanished. */
  async *#describe(candidates: Candidate[]): AsyncGenerator<(ObjectVersion | ObjectTrouble)[]> {
    const page = await pMap(candidates, async (candidate) => {
      if ("problem" in candidate) return [candidate];
      const { key, path } = candidate;
      try {
        const found = await this.#reading(key, () => this.#identify(path, key));
        return found ? [found.version] : [...troubleOf(vanished(key), key)];
      } catch (error) {
        return [...troubleOf(error, key)];
      }
    }, { concurrency: HASH_CONCURRENCY });
    if (page.some((entries) => entries.length > 0)) yield page.flat();
  }

  async #entriesOf(folder: string, start: string): Promise<Deno.DirEntry[]> {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter(({ name }) => name.startsWith(start) && join(folder, name) !== this.#privateFolder);
  }

  /** The folder of these parts; `null` where it is missing. Refuses to go through a symlink. */
  async #folderOf(key: string, parts: readonly string[], create = false): Promise<string | null> {
    let folder = this.name;
    for (const part of parts) {
      folder = join(folder, part);
      let info = await lstatOrNull(folder);
      if (!info && create) {
        await Deno.mkdir(folder).catch(unlessExists);
        info = await lstatOrNull(folder);
      }
      if (info?.isSymbolicLink()) throw unhandled(key, `${folder} is a symlink, and none is followed`);
      if (!info?.isDirectory()) {
        if (create) throw unhandled(key, `${folder} is in the way, and is no folder`);
        return null;
      }
    }
    return folder;
  }

  /** The path of a key; `null` where its folder is missing. */
  async #pathOf(key: string): Promise<string | null> {
    const { folder, name } = splitKey(this.name, key);
    const path = await this.#folderOf(key, folder);
    return path && join(path, name);
  }

  /** The version of a file and its stamp; hashes it, unless it has not changed since that was done. */
  async #identify(path: string, key: string): Promise<{ version: ObjectVersion; stamp: string } | null> {
    const info = await inspect(path, key);
    if (!info) return null;
    const known = this.#hashes.get(path);
    const stamp = stampOf(info);
    if (known?.stamp === stamp) return { version: versionOf(key, known.etag, info), stamp };
    await using reader = await openSame(path, key, info);
    if (!reader) return await this.#identify(path, key);
    while (await reader.next());
    this.#remember(reader);
    return { version: versionOf(key, reader.etag, reader.info), stamp: stampOf(reader.info) };
  }

  /** Keeps a hash, but not while a further change could leave the file's times as they are. */
  #remember({ path, info, etag, openedMs }: FileReader): void {
    const settledNs = BigInt(openedMs - SETTLED_MS) * 1_000_000n;
    if (info.mtimeNs > settledNs || info.ctimeNs > settledNs) this.#hashes.delete(path);
    else this.#hashes.set(path, { stamp: stampOf(info), size: info.size, etag });
  }

  /** Opens a version, unless it can be told without reading that it is not there. */
  async #openVersion(key: string, ifMatch: string): Promise<FileReader> {
    return await this.#reading(key, async () => {
      const path = await this.#pathOf(key);
      const info = path && await inspect(path, key);
      if (!info) throw vanished(key);
      const known = this.#hashes.get(path);
      if (known?.stamp === stampOf(info) && known.etag !== ifMatch) throw changed(key);
      if (known?.etag === ifMatch && known.size !== info.size) throw changed(key);
      return await openSame(path, key, info) ?? await this.#openVersion(key, ifMatch);
    });
  }

  async #readVersion(reader: FileReader, ifMatch: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const chunk = await this.#reading(reader.key, () => reader.next());
    if (chunk) return chunk;
    this.#remember(reader);
    if (reader.etag !== ifMatch) throw changed(reader.key);
    return null;
  }

  /** Writes a temporary file, then gives it its place in one step; `null` with `ifAbsent` where that is taken. */
  async #write(key: string, content: Content, ifAbsent = false): Promise<ObjectVersion | null> {
    const { folder: parts, name } = splitKey(this.name, key);
    const temporary = join(this.#privateFolder, randomUUID());
    this.#temporaries.add(temporary);
    try {
      await this.#folderOf(key, [PRIVATE_FOLDER], true);
      const written = await fill(temporary, content);
      const folder = (await this.#folderOf(key, parts, true))!;
      const path = join(folder, name);
      const taken = await lstatOrNull(path);
      if (taken && !taken.isFile()) throw unhandled(key, `${path} is in the way, and is no regular file`);
      if (ifAbsent) {
        await Deno.link(temporary, path);
        await unlink(temporary);
      } else {
        await Deno.rename(temporary, path);
      }
      await this.#makeDurable(folder);
      // Its stamp is another one since it has its place, but these are still the bytes that were written.
      const placed = await lstatOrNull(path);
      if (placed?.ino === written.ino && placed.mtimeNs === written.mtimeNs) {
        this.#hashes.set(path, { stamp: stampOf(placed), size: placed.size, etag: content.etag });
      }
      return versionOf(key, content.etag, written);
    } catch (error) {
      if (ifAbsent && codeOf(error) === "EEXIST") return null;
      throw writeProblem(error, key, this.name);
    } finally {
      await unlink(temporary).catch(() => {});
      this.#temporaries.delete(temporary);
    }
  }

  /** Makes what is new in a folder survive a power cut, and the folder itself too. */
  async #makeDurable(folder: string): Promise<void> {
    await sync(folder);
    const above: string[] = [];
    for (let at = folder; at !== this.name && !this.#durableFolders.has(at); at = dirname(at)) {
      await sync(dirname(at));
      above.push(at);
    }
    for (const at of above) this.#durableFolders.add(at);
  }

  /** Removes what is in the folder, but not what this instance is writing. */
  async #removeFrom(folder: string | null, start: string): Promise<void> {
    const entries = folder ? await this.#entriesOf(folder, start).catch(noneIfMissing) : [];
    for (const { name } of entries) {
      const path = join(folder!, name);
      if (!this.#temporaries.has(path)) await removeAll(path);
    }
  }

  /**
   * Removes the private folder, the folder of these parts, the one above it and so on below the root, as far as they
   * are empty. Not while this instance is writing something, which may be about to use them.
   */
  #tidy(parts: readonly string[]): void {
    this.#durableFolders.clear();
    const folders = parts.map((_, i) => join(this.name, ...parts.slice(0, i + 1))).reverse();
    for (const folder of [this.#privateFolder, ...folders]) {
      if (this.#temporaries.size > 0) return;
      try {
        // Synchronous, so that no write begins between the look and this.
        rmdirSync(folder);
      } catch {
        // Not empty, not there, not allowed: no reason to fail.
      }
    }
  }

  /** Does something with an object that is there, and names the problem where that fails. */
  async #reading<T>(key: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw readProblem(error, key, this.name);
    }
  }
}

/** An entry of a listing that is not hashed yet. */
type Candidate = { readonly key: string; readonly path: string } | ObjectTrouble;

/** Bytes to be written. */
interface Content {
  /** The next bytes; `null` at the end. */
  next(): Promise<Uint8Array | null>;
  /** The hash of them all, when they have been read. */
  readonly etag: string;
}

function contentOf(bytes: Uint8Array): Content {
  const chunks = [bytes];
  const etag = createHash("sha256").update(bytes).digest("hex");
  return { next: () => Promise.resolve(chunks.pop() ?? null), etag };
}

/** The bytes of a file as it was when it was opened, hashed as they pass; fails where it changes meanwhile. */
class FileReader implements Content, AsyncDisposable {
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

  static async open(path: string, key: string): Promise<FileReader> {
    const handle = await open(path, "r");
    try {
      const openedMs = Date.now();
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
async function openSame(path: string, key: string, inspected: BigIntStats): Promise<FileReader | null> {
  let reader: FileReader;
  try {
    reader = await FileReader.open(path, key);
  } catch (error) {
    unlessMissing(error);
    return null;
  }
  if (reader.info.dev === inspected.dev && reader.info.ino === inspected.ino) return reader;
  await reader.close();
  return null;
}

/** Writes a new file that survives a power cut. */
async function fill(path: string, content: Content): Promise<BigIntStats> {
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
async function sync(folder: string): Promise<void> {
  using file = await Deno.open(folder, { read: true });
  await file.sync();
}

async function removeAll(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(unlessMissing);
}

async function lstatOrNull(path: string): Promise<BigIntStats | null> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    unlessMissing(error);
    return null;
  }
}

/** The regular file at the path; `null` where there is nothing or a folder. Refuses everything else. */
async function inspect(path: string, key: string): Promise<BigIntStats | null> {
  const info = await lstatOrNull(path);
  if (!info || info.isDirectory()) return null;
  if (info.isFile()) return info;
  throw unhandled(
    key,
    info.isSymbolicLink() ? "it is a symlink, and none is followed" : "it is no regular file",
  );
}

/** Another one when the file is written to or replaced, as far as the clocks tell. */
function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

function versionOf(key: string, etag: string, info: BigIntStats): ObjectVersion {
  return { key, etag, sizeBytes: Number(info.size), lastModified: formatInstant(info.mtimeNs) };
}

/** RFC 3339 in UTC with nine decimals, from nanoseconds since 1970. */
function formatInstant(ns: bigint): string {
  const fraction = (ns % 1_000_000_000n + 1_000_000_000n) % 1_000_000_000n;
  const seconds = new Date(Number((ns - fraction) / 1_000_000n)).toISOString().slice(0, -".000Z".length);
  return `${seconds}.${String(fraction).padStart(9, "0")}Z`;
}

/** The folder and the name of a key; refuses a key that no file can have. */
function splitKey(root: string, key: string): { folder: string[]; name: string } {
  const folder = key.split("/");
  const fault = faultIn(folder);
  if (fault) throw unhandled(key, fault);
  if (Buffer.byteLength(join(root, key)) > MAX_PATH_BYTES) throw unhandled(key, "its path is too long");
  return { name: folder.pop()!, folder };
}

/** The folder that a prefix names, `null` where no key can lie in it, and how the names in there begin. */
function splitPrefix(prefix: string): { parts: string[] | null; start: string } {
  const end = prefix.lastIndexOf("/");
  const parts = end < 0 ? [] : prefix.slice(0, end).split("/");
  return { parts: faultIn(parts) ? null : parts, start: prefix.slice(end + 1) };
}

function faultIn(parts: readonly string[]): string | null {
  if (parts[0] === PRIVATE_FOLDER) return `${PRIVATE_FOLDER} is the store's own folder`;
  for (const part of parts) {
    if (part === "" || part === "." || part === "..") return 'a part between slashes is empty, "." or ".."';
    if (part.includes("\0") || !part.isWellFormed()) return "it has a character that no file name can have";
    if (Buffer.byteLength(part) > MAX_NAME_BYTES) return `a part is longer than ${MAX_NAME_BYTES} bytes`;
  }
  return null;
}

function unhandled(key: string, detail: string): ObjectError {
  return new ObjectError("unhandled_key", key, detail);
}

function changed(key: string): ObjectError {
  return new ObjectError(
    "changed",
    key,
    "it is another version than was asked for, or is still being written",
  );
}

function vanished(key: string): ObjectError {
  return new ObjectError("vanished", key, "it is not there any more");
}

/** What a listing says of an entry that failed: nothing where it has vanished, unless it only cannot be named. */
function* troubleOf(error: unknown, key: string): Generator<ObjectTrouble> {
  if (!(error instanceof ObjectError)) throw error;
  if (error.problem !== "vanished") yield { key, problem: error.problem };
  else if (key.includes(REPLACEMENT)) yield { key, problem: "unhandled_key" };
}

function readProblem(error: unknown, key: string, root: string): unknown {
  if (error instanceof ObjectError) return error;
  if (isMissing(error)) return vanished(key);
  if (codeOf(error) === "ENAMETOOLONG") return unhandled(key, "its path is too long");
  if (codeOf(error) === "EACCES" || codeOf(error) === "EPERM") {
    return new ObjectError("access_denied", key, `access denied; check its owner and mode in ${root}`, {
      cause: error,
    });
  }
  return wrapSystemError(error, `Cannot read or delete ${JSON.stringify(key)} in ${root}`);
}

function writeProblem(error: unknown, key: string, root: string): unknown {
  if (error instanceof ObjectError) return error;
  const action = `Cannot write ${JSON.stringify(key)} in ${root}`;
  if (codeOf(error) === "EXDEV") {
    const detail = "its folder is on another file system than the root; mount the store as one";
    return new ConfigError("store_split", `${action}: ${detail}`, { cause: error });
  }
  return wrapSystemError(error, action);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";
}

function unlessMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

function noneIfMissing(error: unknown): [] {
  unlessMissing(error);
  return [];
}

function unlessExists(error: unknown): void {
  if (codeOf(error) !== "EEXIST") throw error;
}
