/**
 * The object store: a flat map from keys to immutable objects, as S3 has it.
 *
 * **Atomic.** `put` and `copy` make the whole object visible or nothing, and replace what was there. When they
 * have returned, the object survives a power cut. A reader never sees half an object.
 *
 * **Idempotent.** `put`, `copy`, `delete` and `sweep` may be repeated after a crash at any moment and give the same
 * result; deleting what is not there succeeds.
 *
 * **Guarded.** An etag changes with the content. With `ifMatch`, `get`, `copy` and `delete` act on exactly that
 * version or fail with `changed` or `vanished`; with `ifAbsent`, `put` creates or returns `null`.
 *
 * **Raised.** What concerns one object is an {@linkcode ObjectError}, and the other objects can go on. What concerns
 * the store as a whole is an `UnavailableError`, an `AccessError` or a `ConfigError`.
 *
 * @module
 */

/** Why one object could not be dealt with; also the reason of a `skipped` file. */
export type ObjectReason = "changed" | "vanished" | "access_denied" | "unhandled_key";

/** One object version. */
export interface ObjectVersion {
  /** The whole key, as in `sales_data/a.csv`. */
  readonly key: string;
  /** Opaque; differs when the content differs. */
  readonly etag: string;
  /** Bytes. */
  readonly sizeBytes: number;
  /** RFC 3339, UTC, in the store's own precision. */
  readonly lastModified: string;
}

/** An entry of a listing that is no object that can be read. */
export interface ObjectFault {
  /** The whole key as far as it can be told. */
  readonly key: string;
  /** Why it is no object version. */
  readonly reason: ObjectReason;
  /** The same in words, if there is more to say. */
  readonly detail?: string;
}

/** What `put` takes: a few bytes, or a local file, which is never written to again: a folder may keep it by a link. */
export type ObjectSource = { readonly file: string } | { readonly bytes: Uint8Array };

/** The contract that every object store keeps; see the module's head. */
export interface ObjectStore extends AsyncDisposable {
  /** The store's name for messages: a folder or a bucket, without credentials. */
  readonly name: string;
  /**
   * The objects whose key begins with `prefix`, in pages of at most {@linkcode LIST_PAGE_SIZE}, ordered by the bytes
   * of the key. Nothing if the prefix is missing.
   */
  list(prefix: string): AsyncIterable<(ObjectVersion | ObjectFault)[]>;
  /** The object's version, or `null` if there is none. */
  head(key: string): Promise<ObjectVersion | null>;
  /** The bytes of exactly this version; reading them fails with `changed` if the object changes meanwhile. */
  get(key: string, options: { ifMatch: string }): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /** Writes an object; `null` with `ifAbsent` if the key is taken. */
  put(key: string, source: ObjectSource, options?: { ifAbsent?: boolean }): Promise<ObjectVersion | null>;
  /** Copies exactly this version within the store. */
  copy(from: string, to: string, options: { ifMatch: string }): Promise<ObjectVersion>;
  /** Deletes exactly this version; with `lastModified` also only if it was not written anew with the same content. */
  delete(key: string, options: { ifMatch: string; lastModified?: string }): Promise<void>;
  /** Deletes everything under the prefix, and ends uploads there that were cut off. */
  sweep(prefix: string): Promise<void>;
}

/** Keys in a page of a listing, as in S3 (ListObjectsV2, API reference: "up to 1,000"). */
export const LIST_PAGE_SIZE = 1000;

/** What is thrown if one object cannot be dealt with, and the others can. */
export class ObjectError extends Error {
  /** Why it cannot be dealt with. */
  readonly reason: ObjectReason;
  /** The object's whole key. */
  readonly key: string;

  /** `detail` completes the sentence `Cannot use KEY: …`. */
  constructor(reason: ObjectReason, key: string, detail: string, options?: ErrorOptions) {
    super(`Cannot use ${JSON.stringify(key)}: ${detail}`, options);
    this.name = "ObjectError";
    this.reason = reason;
    this.key = key;
  }
}

/** Whether an entry of a listing is an object that can be read. */
export function isVersion(entry: ObjectVersion | ObjectFault): entry is ObjectVersion {
  return !("reason" in entry);
}
