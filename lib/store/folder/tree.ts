/**
 * The folders and files below the folder store's root, by key.
 *
 * No symlink below the root is followed, so that no key leads out of it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { ObjectFault } from "../store.ts";
import { faultOf, reading, unhandled } from "./errors.ts";
import { describeKind, lstatOrNull } from "./file.ts";
import { PRIVATE_FOLDER, splitKey, splitPrefix } from "./key.ts";

/** A file that a listing has found, or what it has found in place of one. */
export type Found = { readonly key: string; readonly path: string } | ObjectFault;

/** See the module's head. */
export class Tree {
  /** The path of the store's own folder. */
  readonly privateFolder: string;

  /** `root` is an absolute path without symlinks. */
  constructor(readonly root: string) {
    this.privateFolder = join(root, PRIVATE_FOLDER);
  }

  /**
   * The folder that the parts lead to, `null` if it is missing.
   *
   * @param key What the error names.
   * @throws {ObjectError} `unhandled_key` if a symlink is on the way.
   */
  folderOf(key: string, parts: readonly string[]): string | null {
    let folder = this.root;
    for (const part of parts) {
      folder = join(folder, part);
      if (!isFolder(lstatOrNull(folder), folder, key)) return null;
    }
    return folder;
  }

  /**
   * The folder that the parts lead to, made if it is missing.
   *
   * @param key What the error names.
   * @throws {ObjectError} `unhandled_key` if a symlink or a file is on the way.
   */
  makeFolder(key: string, parts: readonly string[]): string {
    let folder = this.root;
    for (const part of parts) {
      folder = join(folder, part);
      const info = lstatOrNull(folder);
      if (info === null) Deno.mkdirSync(folder);
      else if (!isFolder(info, folder, key)) {
        throw unhandled(key, `${folder} is in the way, and is no folder`);
      }
    }
    return folder;
  }

  /** The path of a key, `null` if its folder is missing. */
  pathOf(key: string): string | null {
    const { folder, name } = splitKey(this.root, key);
    const path = this.folderOf(key, folder);
    return path && join(path, name);
  }

  /** What is in a folder and has a name that begins with `start`, less the store's own folder. */
  async entriesOf(folder: string, start: string): Promise<Deno.DirEntry[]> {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter(({ name }) => name.startsWith(start) && join(folder, name) !== this.privateFolder);
  }

  /** All files under the prefix, in the order of the keys' bytes. */
  async *find(prefix: string): AsyncGenerator<Found> {
    const { parts, start } = splitPrefix(prefix);
    if (!parts) return;
    let folder: string | null;
    try {
      folder = await reading(prefix, this.root, () => this.folderOf(prefix, parts));
    } catch (error) {
      return yield* faultOf(error, prefix);
    }
    if (folder) yield* this.#walk(folder, prefix.slice(0, prefix.length - start.length), start);
  }

  async *#walk(folder: string, parent: string, start: string): AsyncGenerator<Found> {
    let entries: Deno.DirEntry[];
    try {
      entries = await reading(parent, this.root, () => this.entriesOf(folder, start));
    } catch (error) {
      return yield* faultOf(error, parent + start);
    }
    let previous: string | undefined;
    for (const { name, isDirectory, isFile } of inOrderOfKeys(entries)) {
      const key = parent + name;
      const path = join(folder, name);
      // Two names with bytes that are not UTF-8 may have become the same.
      if (name === previous || !isFile && !isDirectory) {
        yield { key, reason: "unhandled_key", detail: describeEntry(path) };
      } else if (isDirectory) yield* this.#walk(path, `${key}/`, "");
      else yield { key, path };
      previous = name;
    }
  }
}

/** Why an entry of a folder is no file that can be read, in words. */
function describeEntry(path: string): string {
  const info = lstatOrNull(path);
  return info === null || info.isFile
    ? "its name is not UTF-8, or one that another file has as well: rename it"
    : describeKind(info);
}

/** "a/" comes after "a.csv" and before "a0": a folder has the place of the keys in it. */
function inOrderOfKeys(entries: readonly Deno.DirEntry[]): Deno.DirEntry[] {
  return entries
    .map((entry) => ({ ...entry, bytes: Buffer.from(entry.isDirectory ? `${entry.name}/` : entry.name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
}

/** Whether it is a folder that is at the path; refuses a symlink. */
function isFolder(info: Deno.FileInfo | null, path: string, key: string): boolean {
  if (info?.isSymlink) throw unhandled(key, `${path} is a symlink, and none is followed`);
  return info?.isDirectory ?? false;
}
