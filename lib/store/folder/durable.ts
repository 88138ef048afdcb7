/**
 * Writes files so that each is there whole or not at all, and survives a power cut.
 *
 * A file is written under a name of its own in the store's private folder and synced, then gets its place in one step,
 * and then the folders are synced that have a new entry.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import { writeAll, writeAllSync } from "../../bytes.ts";
import { codeOf } from "../../errors.ts";
import { changed, takenOver, unhandled, wrapWriteError } from "./errors.ts";
import { type Content, FileReader, lstatOrNull, removeLeftover, SMALL_BYTES } from "./file.ts";
import { PRIVATE_FOLDER, splitKey } from "./key.ts";
import type { Tree } from "./tree.ts";

/** A file that was written. */
export interface Written {
  /** What it was when it was complete. */
  readonly info: Deno.FileInfo;
  /** The hash of its content. */
  readonly etag: string;
}

/** See the module's head. */
export class DurableWriter {
  readonly #tree: Tree;
  /** Temporary files that this instance is writing. */
  readonly #temporaries = new Set<string>();
  /** Syncs of a folder that are running, or waiting for the running one. */
  readonly #syncs = new Map<string, { running: Promise<void>; waiting?: Promise<void> }>();
  /** Folders whose entry in the folder above, and so on up to the root, is known to survive a power cut. */
  readonly #durableFolders = new Set<string>();

  /** Writes below the tree's root. */
  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** Whether this instance is writing something. */
  get isBusy(): boolean {
    return this.#temporaries.size > 0;
  }

  /** Whether this instance is writing the file at the path. */
  isWriting(path: string): boolean {
    return this.#temporaries.has(path);
  }

  /**
   * Gives a file its place in one step.
   *
   * @param options.make Writes the file at the path that it is given.
   * @param options.placed Is called when the file has its place, which may not survive a power cut yet.
   * @returns `null` if the place is taken and `ifAbsent` is set.
   */
  async place(
    key: string,
    { ifAbsent, make, placed }: {
      ifAbsent: boolean;
      make: (temporary: string) => Promise<Written>;
      placed: (path: string, written: Written) => void;
    },
  ): Promise<Written | null> {
    const { root, privateFolder } = this.#tree;
    const { folder: parts, name } = splitKey(root, key);
    const temporary = join(privateFolder, randomUUID());
    this.#temporaries.add(temporary);
    try {
      this.#tree.makeFolder(key, [PRIVATE_FOLDER]);
      const written = await make(temporary);
      const folder = this.#tree.makeFolder(key, parts);
      const path = join(folder, name);
      const taken = lstatOrNull(path);
      if (taken && !taken.isFile) throw unhandled(key, `${path} is in the way, and is no regular file`);
      if (ifAbsent) {
        // A link, unlike a rename, fails if the name is taken.
        Deno.linkSync(temporary, path);
        Deno.removeSync(temporary);
      } else {
        Deno.renameSync(temporary, path);
      }
      placed(path, written);
      await this.#makeDurable(folder);
      return written;
    } catch (error) {
      if (ifAbsent && codeOf(error) === "EEXIST") return null;
      if (codeOf(error) === "ENOENT" && !lstatOrNull(temporary)) throw takenOver(key, root, error);
      throw wrapWriteError(error, key, root);
    } finally {
      await removeLeftover(temporary);
      this.#temporaries.delete(temporary);
    }
  }

  /** Makes the entries of a folder survive a power cut; all that ask while one sync is running share the next one. */
  sync(folder: string): Promise<void> {
    const { waiting, running = Promise.resolve() } = this.#syncs.get(folder) ?? {};
    if (waiting) return waiting;
    // The running one may have passed by what is new: only one that begins later covers that.
    const begun = running.then(() => {
      const done = syncFolder(folder);
      const settled = done.catch(() => {}).then(() => {
        if (this.#syncs.get(folder)?.running === settled) this.#syncs.delete(folder);
      });
      this.#syncs.set(folder, { running: settled });
      return done;
    });
    this.#syncs.set(folder, { running, waiting: begun });
    return begun;
  }

  /** Forgets which folders survive a power cut: some may be gone. */
  forgetFolders(): void {
    this.#durableFolders.clear();
  }

  /** Makes what is new in a folder survive a power cut, and the folder itself too. */
  async #makeDurable(folder: string): Promise<void> {
    await this.sync(folder);
    const above: string[] = [];
    for (let at = folder; at !== this.#tree.root && !this.#durableFolders.has(at); at = dirname(at)) {
      await this.sync(dirname(at));
      above.push(at);
    }
    for (const at of above) this.#durableFolders.add(at);
  }
}

/** Writes a new file that survives a power cut. */
export async function fill(path: string, content: Content): Promise<Written> {
  using file = Deno.openSync(path, { write: true, createNew: true });
  for (let chunk = await content.next(); chunk; chunk = await content.next()) {
    if (chunk.length > SMALL_BYTES) await writeAll(file, chunk);
    else writeAllSync(file, chunk);
  }
  await file.sync();
  return { info: file.statSync(), etag: content.etag };
}

/**
 * Gives a file a second link, which survives a power cut, when all of the file has been read. Copies its bytes if no link
 * can be made.
 *
 * @throws {ObjectError} `changed` if the file changes meanwhile.
 */
export async function link(reader: FileReader, path: string, openedMs: number): Promise<Written> {
  while (await reader.next());
  await reader.sync();
  const { info, etag } = reader;
  try {
    Deno.linkSync(reader.path, path);
    return { info, etag };
  } catch (error) {
    // Another file system, or one without links, or somebody else's file.
    if (!["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP"].includes(codeOf(error) ?? "")) throw error;
  }
  using again = FileReader.open(reader.path, reader.key, openedMs);
  const copied = await fill(path, again);
  if (copied.etag !== etag) throw changed(reader.key);
  return copied;
}

async function syncFolder(folder: string): Promise<void> {
  using file = Deno.openSync(folder);
  await file.sync();
}
