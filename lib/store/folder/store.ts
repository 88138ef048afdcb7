/**
 * A folder as object store: a key is a path below the root, an object is a regular file.
 *
 * People and other programs put files there too. So an etag is the SHA-256 of the content and not a promise of
 * whoever wrote it, no symlink below the root is followed, and what cannot be an object is listed as a fault.
 *
 * @example
 * ```ts
 * await using store = await openFolderStore(await Deno.makeTempDir(), Date.now);
 * await store.put("sales_data/a.csv", { bytes: new TextEncoder().encode("customer_id\n") });
 * ```
 * @module
 */
import { rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import pMap from "p-map";
import { ConfigError, wrapSystemError } from "../../errors.ts";
import {
  LIST_PAGE_SIZE,
  ObjectError,
  type ObjectFault,
  type ObjectSource,
  type ObjectStore,
  type ObjectVersion,
} from "../store.ts";
import { DurableWriter, fill, link, type Written } from "./durable.ts";
import { changed, faultOf, isMissing, noneIfMissing, reading, unlessMissing, vanished } from "./errors.ts";
import { contentOf, FileReader, inspect, removeAll, stampOf, versionOf } from "./file.ts";
import { PRIVATE_FOLDER, splitPrefix } from "./key.ts";
import { type Found, Tree } from "./tree.ts";
import { Versions } from "./versions.ts";

/** Files that a listing hashes at the same time. */
const HASH_CONCURRENCY = 4;

/**
 * Opens the folder at `path`.
 *
 * @param nowMs The wall clock, in milliseconds since 1970.
 * @throws {ConfigError} `store_missing` if there is no such folder.
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
  readonly #tree: Tree;
  readonly #versions: Versions;
  readonly #writer: DurableWriter;

  constructor(root: string, nowMs: () => number) {
    this.name = root;
    this.#nowMs = nowMs;
    this.#tree = new Tree(root);
    this.#versions = new Versions(root, nowMs);
    this.#writer = new DurableWriter(this.#tree);
  }

  async *list(prefix: string): AsyncGenerator<(ObjectVersion | ObjectFault)[]> {
    let page: Found[] = [];
    for await (const found of this.#tree.find(prefix)) {
      page.push(found);
      if (page.length < LIST_PAGE_SIZE) continue;
      yield* this.#describe(page);
      page = [];
    }
    yield* this.#describe(page);
  }

  async head(key: string): Promise<ObjectVersion | null> {
    return await this.#reading(key, async () => {
      const path = this.#tree.pathOf(key);
      const found = path && await this.#versions.identify(path, key);
      return found ? found.version : null;
    });
  }

  async get(key: string, options: { ifMatch: string }): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const reader = await this.#open(key, options.ifMatch);
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const chunk = await this.#versions.read(reader, options.ifMatch);
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
    { ifAbsent = false }: { ifAbsent?: boolean } = {},
  ): Promise<ObjectVersion | null> {
    if ("bytes" in source) {
      const content = contentOf(source.bytes);
      return await this.#place(key, (temporary) => fill(temporary, content), ifAbsent);
    }
    using reader = this.#openSource(source.file, key);
    return await this.#place(key, (temporary) => link(reader, temporary, this.#nowMs()), ifAbsent);
  }

  async copy(from: string, to: string, options: { ifMatch: string }): Promise<ObjectVersion> {
    const linked = await this.#copyOwn(from, to, options.ifMatch);
    if (linked) return linked;
    using reader = await this.#open(from, options.ifMatch);
    const next = () => this.#versions.read(reader, options.ifMatch);
    const content = { next, etag: options.ifMatch };
    return (await this.#place(to, (temporary) => fill(temporary, content)))!;
  }

  /** No call looks and deletes at once: a file that takes this one's place microseconds before the unlink is lost. */
  async delete(key: string, options: { ifMatch: string; lastModified?: string }): Promise<void> {
    await this.#reading(key, async () => {
      const path = this.#tree.pathOf(key);
      const found = path && await this.#versions.identify(path, key);
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
      this.#versions.forget(path);
      await this.#writer.sync(dirname(path));
    });
  }

  async sweep(prefix: string): Promise<void> {
    try {
      // One process writes at a time: what another one was writing, it was killed over.
      await this.#removeFrom(this.#tree.folderOf(PRIVATE_FOLDER, [PRIVATE_FOLDER]), "");
      const { parts, start } = splitPrefix(prefix);
      if (!parts) return;
      const folder = this.#tree.folderOf(prefix, parts);
      // A folder all at once: names that are not UTF-8 cannot be removed one by one.
      if (folder && start === "" && folder !== this.name) await removeAll(folder);
      else await this.#removeFrom(folder, start);
      // Also if there was nothing: an earlier sweep may have been killed just here.
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

  /** A page of the listing, or none if all of it has vanished. */
  async *#describe(found: Found[]): AsyncGenerator<(ObjectVersion | ObjectFault)[]> {
    const page = await pMap(found, async (entry) => {
      if ("reason" in entry) return [entry];
      const { key, path } = entry;
      try {
        const identified = await this.#reading(key, () => this.#versions.identify(path, key));
        return identified ? [identified.version] : [...faultOf(vanished(key), key)];
      } catch (error) {
        return [...faultOf(error, key)];
      }
    }, { concurrency: HASH_CONCURRENCY });
    if (page.some((entries) => entries.length > 0)) yield page.flat();
  }

  /** Opens a version, unless it can be told without reading that it is not there. */
  async #open(key: string, etag: string): Promise<FileReader> {
    return await this.#reading(key, async () => {
      const path = this.#tree.pathOf(key);
      if (!path) throw vanished(key);
      return this.#versions.open(path, key, etag) ?? await this.#open(key, etag);
    });
  }

  #openSource(path: string, key: string): FileReader {
    try {
      return FileReader.open(path, key, this.#nowMs());
    } catch (error) {
      throw wrapSystemError(error, `Cannot read ${path}`);
    }
  }

  /**
   * Copies an object that this instance has put by a second link to its file: nobody else writes into that. `null` for
   * a file that somebody dropped.
   */
  async #copyOwn(from: string, to: string, etag: string): Promise<ObjectVersion | null> {
    const path = await this.#reading(from, () => this.#tree.pathOf(from));
    const info = path && this.#versions.findOwn(path, from, etag);
    if (!info) return null;
    const version = await this.#place(to, (temporary) => {
      Deno.linkSync(path, temporary);
      return Promise.resolve({ info, etag });
    });
    this.#versions.noteLink(path, info);
    return version;
  }

  /** Makes a file and gives it its place; `null` with `ifAbsent` if that is taken. */
  async #place(
    key: string,
    make: (temporary: string) => Promise<Written>,
    ifAbsent = false,
  ): Promise<ObjectVersion | null> {
    const placed = (path: string, written: Written) => this.#versions.note(path, written);
    const written = await this.#writer.place(key, { ifAbsent, make, placed });
    return written && versionOf(key, written.etag, written.info);
  }

  /** Removes what is in the folder, but not what this instance is writing. */
  async #removeFrom(folder: string | null, start: string): Promise<void> {
    const entries = folder ? await this.#tree.entriesOf(folder, start).catch(noneIfMissing) : [];
    for (const { name } of entries) {
      const path = join(folder!, name);
      if (!this.#writer.isWriting(path)) await removeAll(path);
    }
  }

  /**
   * Removes the private folder, the folder of these parts, the one above it and so on below the root, as far as they
   * are empty. Not while this instance is writing something, which may be about to use them.
   */
  #tidy(parts: readonly string[]): void {
    this.#writer.forgetFolders();
    const folders = parts.map((_, i) => join(this.name, ...parts.slice(0, i + 1))).reverse();
    for (const folder of [this.#tree.privateFolder, ...folders]) {
      if (this.#writer.isBusy) return;
      try {
        // Synchronous, so that no write begins between the look and this.
        rmdirSync(folder);
      } catch {
        // Not empty, not there, not allowed: no reason to fail.
      }
    }
  }

  /** Does something with an object that is there, and wraps the error if that fails. */
  #reading<T>(key: string, act: () => T | Promise<T>): Promise<T> {
    return reading(key, this.name, act);
  }
}
