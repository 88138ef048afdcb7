/**
 * Names of source files: which objects below the landing prefix are taken, and where they go afterwards.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Prefixes } from "./config_schema.ts";

/** What a name below the landing prefix says of its object. */
export type NameKind = "csv" | "gzip" | "unsupported" | "left_alone";

/** Bytes in a file's name on Linux (NAME_MAX, limits.h), and so in a segment of a folder store's key. */
const MAX_SEGMENT_BYTES = 255;
/** Bytes in a key (Amazon S3 user guide, "Naming Amazon S3 objects"). */
const MAX_KEY_BYTES = 1024;
const HASH_CHARACTERS = 16;

/** Tells what to do with an object from its name, the key below the landing prefix. */
export function classifyName(name: string): NameKind {
  const lower = name.toLowerCase();
  const hidden = name.split("/").some((segment) => segment.startsWith("."));
  if (name === "" || name.endsWith("/") || hidden || /\.(part|tmp)$/.test(lower)) return "left_alone";
  if (lower.endsWith(".csv")) return "csv";
  return lower.endsWith(".csv.gz") ? "gzip" : "unsupported";
}

/** Where a source file and what belongs to it go. */
export interface Destination {
  /** Of the source object itself. */
  readonly source: string;
  /** Of the record why the whole file was rejected. */
  readonly reason: string;
  /** Of the CSV of its rejected rows. */
  readonly rejects: string;
}

/** What decides a file's destination. */
export interface FiledSource {
  /** The whole key. */
  readonly key: string;
  /** `rejected` files go below the error prefix. */
  readonly status: string | null;
}

/**
 * The destinations of a run's files, by key. No two of them are equal or one the folder of another: a name for which
 * that would happen, or that cannot take its suffix, gets a hash.
 */
export function destinations(
  files: readonly FiledSource[],
  runId: string,
  prefixes: Prefixes,
): Map<string, Destination> {
  const errors = `${prefixes.error}${runId}/`;
  const reasons = new KeySpace(`${errors}reasons/`, ".json");
  const rejects = new KeySpace(`${errors}rejects/`, ".csv");
  const names = files.map(({ key }) => key.slice(prefixes.source.length));
  reasons.reserve(names);
  rejects.reserve(names);
  return new Map(files.map(({ key, status }, i) => {
    const name = names[i] ?? "";
    const folder = status === "rejected" ? `${errors}files/` : `${prefixes.processed}${runId}/`;
    return [key, {
      source: fitKey(folder, name, ""),
      reason: reasons.keyOf(name),
      rejects: rejects.keyOf(name),
    }];
  }));
}

/** Keys made of a prefix, a name and a suffix, none of which is the folder of another. */
class KeySpace {
  readonly #prefix: string;
  readonly #suffix: string;
  /** Every folder that a name has, as in `a/` and `a/b/` for `a/b/c.csv`. */
  readonly #folders = new Set<string>();

  constructor(prefix: string, suffix: string) {
    this.#prefix = prefix;
    this.#suffix = suffix;
  }

  reserve(names: readonly string[]): void {
    for (const name of names) {
      for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
        this.#folders.add(name.slice(0, at));
      }
    }
  }

  keyOf(name: string): string {
    const clashes = this.#folders.has(name + this.#suffix);
    return clashes ? hashedKey(this.#prefix, name, this.#suffix) : fitKey(this.#prefix, name, this.#suffix);
  }
}

function fitKey(prefix: string, name: string, suffix: string): string {
  const key = prefix + name + suffix;
  const segment = name.slice(name.lastIndexOf("/") + 1) + suffix;
  const fits = byteLength(segment) <= MAX_SEGMENT_BYTES && byteLength(key) <= MAX_KEY_BYTES;
  return fits ? key : hashedKey(prefix, name, suffix);
}

/** A short key for a long name: as much of its beginning as fits, and a hash of the whole. */
function hashedKey(prefix: string, name: string, suffix: string): string {
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH_CHARACTERS);
  const room = 100;
  const start = name.replaceAll("/", "_").slice(0, room).replace(/[\ud800-\udbff]$/, "");
  return `${prefix}${start}~${hash}${suffix}`;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
