/**
 * Which version of an object each file is.
 *
 * The etag is the SHA-256 of the content. A hash is made once and kept for as long as the file's times show that
 * nobody has changed the file since.
 *
 * @module
 */
import type { ObjectVersion } from "../store.ts";
import { changed, reading, vanished } from "./errors.ts";
import { FileReader, inspect, lstatOrNull, openSame, stampOf, versionOf } from "./file.ts";

/**
 * Age from which the times of a file tell every later change, in milliseconds. It is above the granularity of all
 * clocks involved, of which the coarsest is Deno 2.9's own: that cuts change times to seconds, and modification times
 * to milliseconds.
 */
const SETTLED_MS = 2000;

/** The hash of a file's content while the file has this stamp. */
interface Known {
  readonly stamp: string;
  readonly size: number;
  readonly etag: string;
}

/** See the module's head. */
export class Versions {
  readonly #root: string;
  readonly #nowMs: () => number;
  readonly #known = new Map<string, Known>();
  /** Paths of objects that this instance has put; nobody else writes into these files. */
  readonly #own = new Set<string>();

  /** `root` is named in messages; `nowMs` is the wall clock, in milliseconds since 1970. */
  constructor(root: string, nowMs: () => number) {
    this.#root = root;
    this.#nowMs = nowMs;
  }

  /** The version of a file and its stamp, `null` if there is none. Hashes the file unless its hash is known. */
  async identify(path: string, key: string): Promise<{ version: ObjectVersion; stamp: string } | null> {
    const info = inspect(path, key);
    if (!info) return null;
    const known = this.#known.get(path);
    const stamp = stampOf(info);
    if (known?.stamp === stamp) return { version: versionOf(key, known.etag, info), stamp };
    using reader = openSame(path, key, info, this.#nowMs());
    if (!reader) return await this.identify(path, key);
    while (await reader.next());
    this.#remember(reader);
    return { version: versionOf(key, reader.etag, reader.info), stamp: stampOf(reader.info) };
  }

  /**
   * Opens a version; `null` if something else has taken the path meanwhile.
   *
   * @throws {ObjectError} if it can be told without reading that the version is not there.
   */
  open(path: string, key: string, etag: string): FileReader | null {
    const info = inspect(path, key);
    if (!info) throw vanished(key);
    const known = this.#known.get(path);
    if (known?.stamp === stampOf(info) && known.etag !== etag) throw changed(key);
    if (known?.etag === etag && known.size !== info.size) throw changed(key);
    return openSame(path, key, info, this.#nowMs());
  }

  /**
   * The next bytes of a version, `null` at the end.
   *
   * @throws {ObjectError} `changed` if the bytes were not those of the version.
   */
  async read(reader: FileReader, etag: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const chunk = await reading(reader.key, this.#root, () => reader.next());
    if (chunk) return chunk;
    this.#remember(reader);
    if (reader.etag !== etag) throw changed(reader.key);
    return null;
  }

  /** Notes that this instance has put a file in its place, whose bytes it has written itself. */
  note(path: string, { info, etag }: { info: Deno.FileInfo; etag: string }): void {
    // Its stamp is another one since it has its place, but these are still the bytes that were written.
    const placed = lstatOrNull(path);
    if (placed?.ino !== info.ino || Number(placed.mtime) !== Number(info.mtime)) return;
    this.#known.set(path, { stamp: stampOf(placed), size: placed.size, etag });
    this.#own.add(path);
  }

  /** The file of a version that this instance has put and nobody has touched since, `null` for every other. */
  findOwn(path: string, key: string, etag: string): Deno.FileInfo | null {
    const info = inspect(path, key);
    const known = this.#known.get(path);
    if (!info || !known || !this.#own.has(path)) return null;
    return known.stamp === stampOf(info) && known.etag === etag ? info : null;
  }

  /** Notes that the file of a known version has got a second link, which changes its change time and nothing else. */
  noteLink(path: string, info: Deno.FileInfo): void {
    const known = this.#known.get(path);
    const linked = lstatOrNull(path);
    if (known && linked?.ino === info.ino) this.#known.set(path, { ...known, stamp: stampOf(linked) });
  }

  /** Forgets a file that was deleted. */
  forget(path: string): void {
    this.#known.delete(path);
    this.#own.delete(path);
  }

  /** Keeps a hash, but not while a further change could leave the file's times as they are. */
  #remember({ path, info, etag, openedMs }: FileReader): void {
    const settledMs = openedMs - SETTLED_MS;
    if (Number(info.mtime) > settledMs || Number(info.ctime) > settledMs) this.#known.delete(path);
    else this.#known.set(path, { stamp: stampOf(info), size: info.size, etag });
  }
}
