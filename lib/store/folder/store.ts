/**
 * A folder as object store: a key is a path below the root, an object is a regular file.
 *
 * People and other programs put files there too. So an etag is the SHA-256 of the content and not a promise of
 * whoever wrote it, no symlink below the root is followed, and what cannot be an object is listed as a trouble.
 *
 * @example
 * ```ts
 * await using store = await openFolderStore(await Deno.makeTempDir(), Date.now);
 * await store.put("sales_data/a.csv", { bytes: new TextEncoder().encode("customer_id\n") });
 * ```
 * @module
 */
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import pMap from "p-map";
import { ConfigError, wrapSystemError } from "../../errors.ts";
import {
  type Content,
  contentOf,
  FileReader,
  fill,
  inspect,
  link,
  lstatOrNull,
  openSame,
  removeAll,
  removeLeftover,
  stampOf,
  sync,
  versionOf,
} from "./file.ts";
import { PRIVATE_FOLDER, splitKey, splitPrefix } from "./key.ts";
import {
  changed,
  codeOf,
  isMissing,
  noneIfMissing,
  readProblem,
  takenOver,
  troubleOf,
  unhandled,
  unlessMissing,
  vanished,
  writeProblem,
} from "./errors.ts";
import {
  LIST_PAGE_SIZE,
  ObjectError,
  type ObjectSource,
  type ObjectStore,
  type ObjectTrouble,
  type ObjectVersion,
} from "../store.ts";

/** Files that a listing hashes at the same time. */
const HASH_CONCURRENCY = 4;

/**
 * Age from which the times of a file tell every later change. Above the granularity of all clocks involved, of which
 * the coarsest is Deno 2.9's own: it cuts change times to seconds, and modification times to milliseconds.
 */
const SETTLED_MS = 2000;

/**
 * Opens the folder at `path`.
 *
 * @param nowMs The wall clock, in milliseconds since 1970.
 * @throws {ConfigError} `store_missing`, where there is no such folder.
 */
export async function openFolderStore(path: string, nowMs: () => number): Promise<ObjectStore> {
  try {
    const root = await Deno.realPath(path);
    if ((await Deno.stat(root)).isDirectory) return new FolderStore(root, nowMs);
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
  readonly #nowMs: () => number;
  readonly #privateFolder: string;
  /** By path: the hash of its content while it has this stamp. */
  readonly #hashes = new Map<string, { stamp: string; size: number; etag: string }>();
  /** Paths of objects that this instance has put; nobody else writes into these files. */
  readonly #own = new Set<string>();
  /** Syncs of a folder that are running, or waiting for the running one. */
  readonly #syncs = new Map<string, { running: Promise<void>; waiting?: Promise<void> }>();
  /** Folders whose entry in the folder above, and so on up to the root, is known to survive a power cut. */
  readonly #durableFolders = new Set<string>();
  /** Temporary files that this instance is writing. */
  readonly #temporaries = new Set<string>();

  constructor(root: string, nowMs: () => number) {
    this.name = root;
    this.#nowMs = nowMs;
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
      const path = this.#pathOf(key);
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
          reader[Symbol.dispose]();
          throw error;
        }
        reader[Symbol.dispose]();
        controller.close();
      },
      cancel: () => reader[Symbol.dispose](),
    }, { highWaterMark: 0 });
  }

  async put(
    key: string,
    source: ObjectSource,
    options?: { ifAbsent?: boolean },
  ): Promise<ObjectVersion | null> {
    if ("bytes" in source) return await this.#write(key, contentOf(source.bytes), options?.ifAbsent);
    using reader = this.#openSource(source.file, key);
    return await this.#place(key, options?.ifAbsent ?? false, async (temporary) => {
      const info = await link(reader, temporary, this.#nowMs());
      return { info, etag: reader.etag };
    });
  }

  async copy(from: string, to: string, options: { ifMatch: string }): Promise<ObjectVersion> {
    const linked = await this.#copyOwn(from, to, options.ifMatch);
    if (linked) return linked;
    using reader = await this.#openVersion(from, options.ifMatch);
    const next = () => this.#readVersion(reader, options.ifMatch);
    return (await this.#write(to, { next, etag: options.ifMatch }))!;
  }

  /** No call looks and deletes at once: a file that takes this one's place microseconds before the unlink is lost. */
  async delete(key: string, options: { ifMatch: string; lastModified?: string }): Promise<void> {
    await this.#reading(key, async () => {
      const path = this.#pathOf(key);
      const found = path && await this.#identify(path, key);
      if (!found) return;
      const { etag, lastModified } = found.version;
      if (etag !== options.ifMatch || lastModified !== (options.lastModified ?? lastModified)) {
        throw changed(key);
      }
      // Hashing may have taken minutes.
      const now = inspect(path, key);
      if (now && stampOf(now) !== found.stamp) throw changed(key);
      try {
        Deno.removeSync(path);
      } catch (error) {
        unlessMissing(error);
      }
      this.#hashes.delete(path);
      this.#own.delete(path);
      await this.#sync(dirname(path));
    });
  }

  async sweep(prefix: string): Promise<void> {
    try {
      // One process writes at a time: what another one was writing, it was killed over.
      await this.#removeFrom(this.#folderOf(PRIVATE_FOLDER, [PRIVATE_FOLDER]), "");
      const { parts, start } = splitPrefix(prefix);
      if (!parts) return;
      const folder = this.#folderOf(prefix, parts);
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
      folder = await this.#reading(prefix, () => Promise.resolve(this.#folderOf(prefix, parts)));
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
  #folderOf(key: string, parts: readonly string[], create = false): string | null {
    let folder = this.name;
    for (const part of parts) {
      folder = join(folder, part);
      let info = lstatOrNull(folder);
      if (!info && create) {
        Deno.mkdirSync(folder);
        info = lstatOrNull(folder);
      }
      if (info?.isSymlink) throw unhandled(key, `${folder} is a symlink, and none is followed`);
      if (!info?.isDirectory) {
        if (create) throw unhandled(key, `${folder} is in the way, and is no folder`);
        return null;
      }
    }
    return folder;
  }

  /** The path of a key; `null` where its folder is missing. */
  #pathOf(key: string): string | null {
    const { folder, name } = splitKey(this.name, key);
    const path = this.#folderOf(key, folder);
    return path && join(path, name);
  }

  /** The version of a file and its stamp; hashes it, unless it has not changed since that was done. */
  async #identify(path: string, key: string): Promise<{ version: ObjectVersion; stamp: string } | null> {
    const info = inspect(path, key);
    if (!info) return null;
    const known = this.#hashes.get(path);
    const stamp = stampOf(info);
    if (known?.stamp === stamp) return { version: versionOf(key, known.etag, info), stamp };
    using reader = openSame(path, key, info, this.#nowMs());
    if (!reader) return await this.#identify(path, key);
    while (await reader.next());
    this.#remember(reader);
    return { version: versionOf(key, reader.etag, reader.info), stamp: stampOf(reader.info) };
  }

  /** Keeps a hash, but not while a further change could leave the file's times as they are. */
  #remember({ path, info, etag, openedMs }: FileReader): void {
    const settledMs = openedMs - SETTLED_MS;
    if (Number(info.mtime) > settledMs || Number(info.ctime) > settledMs) this.#hashes.delete(path);
    else this.#hashes.set(path, { stamp: stampOf(info), size: info.size, etag });
  }

  /** Opens a version, unless it can be told without reading that it is not there. */
  async #openVersion(key: string, ifMatch: string): Promise<FileReader> {
    return await this.#reading(key, async () => {
      const path = this.#pathOf(key);
      const info = path && inspect(path, key);
      if (!info) throw vanished(key);
      const known = this.#hashes.get(path);
      if (known?.stamp === stampOf(info) && known.etag !== ifMatch) throw changed(key);
      if (known?.etag === ifMatch && known.size !== info.size) throw changed(key);
      return openSame(path, key, info, this.#nowMs()) ?? await this.#openVersion(key, ifMatch);
    });
  }

  async #readVersion(reader: FileReader, ifMatch: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const chunk = await this.#reading(reader.key, () => reader.next());
    if (chunk) return chunk;
    this.#remember(reader);
    if (reader.etag !== ifMatch) throw changed(reader.key);
    return null;
  }

  #openSource(path: string, key: string): FileReader {
    try {
      return FileReader.open(path, key, this.#nowMs());
    } catch (error) {
      throw wrapSystemError(error, `Cannot read ${path}`);
    }
  }

  /** Writes a temporary file, then gives it its place; `null` with `ifAbsent` where that is taken. */
  #write(key: string, content: Content, ifAbsent = false): Promise<ObjectVersion | null> {
    return this.#place(key, ifAbsent, async (temporary) => {
      const info = await fill(temporary, content);
      return { info, etag: content.etag };
    });
  }

  /**
   * Copies an object that this instance has put by a second link to its file: nobody else writes into that. Not so a
   * file that somebody dropped; `null` for that.
   */
  async #copyOwn(from: string, to: string, ifMatch: string): Promise<ObjectVersion | null> {
    const path = await this.#reading(from, () => Promise.resolve(this.#pathOf(from)));
    const info = path && inspect(path, from);
    const known = path && this.#hashes.get(path);
    if (!info || !known || !this.#own.has(path)) return null;
    if (known.stamp !== stampOf(info) || known.etag !== ifMatch) return null;
    const version = await this.#place(to, false, (temporary) => {
      Deno.linkSync(path, temporary);
      return Promise.resolve({ info, etag: ifMatch });
    });
    // The second link has changed the file's change time, and nothing else.
    const linked = lstatOrNull(path);
    if (linked?.ino === info.ino) this.#hashes.set(path, { ...known, stamp: stampOf(linked) });
    return version;
  }

  /** Gives a temporary file its place in one step; `null` with `ifAbsent` where that is taken. */
  async #place(
    key: string,
    ifAbsent: boolean,
    make: (temporary: string) => Promise<{ info: Deno.FileInfo; etag: string }>,
  ): Promise<ObjectVersion | null> {
    const { folder: parts, name } = splitKey(this.name, key);
    const temporary = join(this.#privateFolder, randomUUID());
    this.#temporaries.add(temporary);
    try {
      this.#folderOf(key, [PRIVATE_FOLDER], true);
      const { info, etag } = await make(temporary);
      const folder = this.#folderOf(key, parts, true)!;
      const path = join(folder, name);
      const taken = lstatOrNull(path);
      if (taken && !taken.isFile) throw unhandled(key, `${path} is in the way, and is no regular file`);
      if (ifAbsent) {
        Deno.linkSync(temporary, path);
        Deno.removeSync(temporary);
      } else {
        Deno.renameSync(temporary, path);
      }
      // Its stamp is another one since it has its place, but these are still the bytes that were written.
      const placed = lstatOrNull(path);
      if (placed?.ino === info.ino && Number(placed.mtime) === Number(info.mtime)) {
        this.#hashes.set(path, { stamp: stampOf(placed), size: placed.size, etag });
        this.#own.add(path);
      }
      await this.#makeDurable(folder);
      return versionOf(key, etag, info);
    } catch (error) {
      if (ifAbsent && codeOf(error) === "EEXIST") return null;
      if (codeOf(error) === "ENOENT" && !lstatOrNull(temporary)) throw takenOver(key, this.name, error);
      throw writeProblem(error, key, this.name);
    } finally {
      await removeLeftover(temporary);
      this.#temporaries.delete(temporary);
    }
  }

  /** Makes what is new in a folder survive a power cut, and the folder itself too. */
  async #makeDurable(folder: string): Promise<void> {
    await this.#sync(folder);
    const above: string[] = [];
    for (let at = folder; at !== this.name && !this.#durableFolders.has(at); at = dirname(at)) {
      await this.#sync(dirname(at));
      above.push(at);
    }
    for (const at of above) this.#durableFolders.add(at);
  }

  /** Syncs a folder; all that ask while one sync is running share the next one. */
  #sync(folder: string): Promise<void> {
    const { waiting, running = Promise.resolve() } = this.#syncs.get(folder) ?? {};
    if (waiting) return waiting;
    const begun = running.then(() => {
      const done = sync(folder);
      const settled = done.catch(() => {}).then(() => {
        if (this.#syncs.get(folder)?.running === settled) this.#syncs.delete(folder);
      });
      this.#syncs.set(folder, { running: settled });
      return done;
    });
    this.#syncs.set(folder, { running, waiting: begun });
    return begun;
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
