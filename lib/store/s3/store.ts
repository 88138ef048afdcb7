/**
 * An S3 bucket as object store: Amazon's, or one of a server that speaks its protocol.
 *
 * The servers differ in what they do with conditions and unusual keys. So the store looks for itself before it relies on
 * a condition that one of them ignores, and refuses a key that one of them would take for another.
 *
 * @example
 * ```ts ignore
 * await using store = await openS3Store({ bucket: "sales", region: "eu-central-1" });
 * await store.put("sales_data/a.csv", { bytes: new TextEncoder().encode("customer_id\n") });
 * ```
 * @module
 */
import pMap from "p-map";
import { readAuthorities } from "../../authorities.ts";
import { type ObjectFault, type ObjectSource, type ObjectStore, type ObjectVersion } from "../store.ts";
import { type Description, errorOf, type ListedAnswer, type ObjectAnswer, versionOf } from "./answer.ts";
import { BodyReader, bodySource } from "./body.ts";
import { Bucket } from "./bucket.ts";
import type { ClientOptions, S3Config } from "./client.ts";
import {
  changed,
  isDenied,
  isMissing,
  isOtherVersion,
  isUnexplained,
  type ObjectAction,
  takenOver,
  vanished,
  wrapObjectError,
} from "./errors.ts";
import { decodeKey, faultInListed, fitsXml, isDoubtful, requireKey } from "./key.ts";
import { KEY_CONCURRENCY, S3_LIMITS, type S3Limits } from "./limits.ts";
import { wrapStoreError } from "./meanings.ts";
import { Uploads } from "./upload.ts";

/** What the store is opened with besides its configuration. */
export interface S3Options extends Pick<ClientOptions, "learnSecret"> {
  /** Aborts all requests, which then fail with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** What tests put in place of {@linkcode S3_LIMITS}. */
  readonly limits?: Partial<S3Limits> | undefined;
}

/**
 * Opens a bucket, and asks it for one key, so that a wrong name, region or key shows at once.
 *
 * @throws {ConfigError} `store_missing`, `wrong_region` or `bad_certificate`.
 * @throws {AccessError} if the credentials are missing or wrong.
 * @throws {UnavailableError} if the server cannot be reached.
 */
export async function openS3Store(config: S3Config, options: S3Options = {}): Promise<ObjectStore> {
  const limits = { ...S3_LIMITS, ...options.limits };
  const { caFile } = config;
  const ca = caFile === undefined ? undefined : await readAuthorities(caFile, "store.caFile");
  const store = new S3Store(new Bucket(config, { ...options, limits, ca }), limits);
  try {
    await store.probe();
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

class S3Store implements ObjectStore {
  readonly name: string;
  readonly #bucket: Bucket;
  readonly #limits: S3Limits;
  readonly #uploads: Uploads;

  constructor(bucket: Bucket, limits: S3Limits) {
    this.name = bucket.name;
    this.#bucket = bucket;
    this.#limits = limits;
    this.#uploads = new Uploads(bucket, limits);
  }

  /** Throws if the bucket cannot be used at all. */
  async probe(): Promise<void> {
    try {
      await this.#bucket.probe();
    } catch (error) {
      // A policy may allow listing for some prefixes only.
      if (!isDenied(error)) throw this.#wrapStoreError(error, `Cannot open ${this.name}`);
    }
  }

  async *list(prefix: string): AsyncGenerator<(ObjectVersion | ObjectFault)[]> {
    try {
      for await (const { Contents = [], EncodingType } of this.#bucket.pages(prefix)) {
        const options = { concurrency: KEY_CONCURRENCY };
        const page = await pMap(Contents, (entry) => this.#describe(entry, EncodingType), options);
        if (page.length > 0) yield page;
      }
    } catch (error) {
      throw this.#wrapStoreError(error, `Cannot list ${JSON.stringify(prefix)} in ${this.name}`);
    }
  }

  async head(key: string): Promise<ObjectVersion | null> {
    const found = await this.#head(key);
    return found && versionOf(key, found);
  }

  async get(key: string, options: { ifMatch: string }): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    requireKey(key);
    const source = bodySource(this.#bucket, { key, etag: options.ifMatch, limits: this.#limits });
    const reader = await this.#reading(key, async () => new BodyReader(source, await source.open(0)));
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const chunk = await this.#reading(key, () => reader.read());
          if (chunk) return controller.enqueue(chunk);
        } catch (error) {
          reader.close();
          throw error;
        }
        reader.close();
        controller.close();
      },
      cancel: () => reader.close(),
    }, { highWaterMark: 0 });
  }

  /**
   * With `ifAbsent`, `null` may also mean that an earlier attempt of this very call has written the object, and its
   * answer was lost: read the object to know.
   */
  async put(
    key: string,
    source: ObjectSource,
    { ifAbsent = false }: { ifAbsent?: boolean } = {},
  ): Promise<ObjectVersion | null> {
    requireKey(key);
    try {
      const etag = "bytes" in source
        ? await this.#bucket.put(key, source.bytes, ifAbsent)
        : await this.#uploads.putFile(key, source.file, ifAbsent);
      return await this.#written(key, etag);
    } catch (error) {
      if (ifAbsent && isOtherVersion(error)) return null;
      throw this.#wrapObjectError(error, key, "write");
    }
  }

  async copy(from: string, to: string, options: { ifMatch: string }): Promise<ObjectVersion> {
    requireKey(to);
    const source = await this.#head(from);
    if (source === null) throw vanished(from);
    const { etag, sizeBytes } = versionOf(from, source);
    if (etag !== options.ifMatch) throw changed(from);
    const isLarge = sizeBytes > this.#limits.copyPartBytes;
    const copied = await this.#reading(
      from,
      () => isLarge ? this.#uploads.copy(from, to, source) : this.#bucket.copy(from, to, etag),
    );
    const written = await this.#written(to, copied);
    if (written.sizeBytes !== sizeBytes) throw takenOver(to, this.name);
    return written;
  }

  /**
   * Looks first, then deletes under the condition of the etag. What takes the object's place between the two requests,
   * some milliseconds, is lost if a server ignores the condition (MinIO), or if it has the same content.
   */
  async delete(key: string, options: { ifMatch: string; lastModified?: string }): Promise<void> {
    const found = await this.head(key);
    if (found === null) return;
    const { etag, lastModified } = found;
    if (etag !== options.ifMatch || lastModified !== (options.lastModified ?? lastModified)) {
      throw changed(key);
    }
    try {
      await this.#bucket.delete(key, etag);
    } catch (error) {
      if (!isMissing(error)) throw this.#wrapObjectError(error, key, "read");
    }
  }

  async sweep(prefix: string): Promise<void> {
    try {
      // Before the objects: none of these uploads may become one afterwards.
      await this.#uploads.endAll(prefix);
      for await (const { Contents = [], EncodingType } of this.#bucket.pages(prefix)) {
        await this.#deleteAll(Contents.flatMap(({ Key = "" }) => decodeKey(Key, EncodingType) ?? []));
      }
    } catch (error) {
      const action = `Cannot delete what is under ${JSON.stringify(prefix)} in ${this.name}`;
      throw this.#wrapStoreError(error, action);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#bucket[Symbol.dispose]();
    return Promise.resolve();
  }

  /** An entry of a listing in the terms of the contract. */
  async #describe(entry: ListedAnswer, encoding: string | undefined): Promise<ObjectVersion | ObjectFault> {
    const listed = entry.Key ?? "";
    const key = decodeKey(listed, encoding);
    const fault = { key: key ?? listed, reason: "unhandled_key" } as const;
    // Without an etag nothing could be done with it that is sure to be done with this version.
    if (key === null || faultInListed(key) || !entry.ETag) return fault;
    if (isDoubtful(key, encoding) && await this.head(key) === null) return fault;
    return versionOf(key, { ...entry, ContentLength: entry.Size });
  }

  async #head(key: string): Promise<ObjectAnswer & Description | null> {
    requireKey(key);
    return await this.#reading(key, async () => {
      try {
        return await this.#bucket.head(key);
      } catch (error) {
        if (isMissing(error)) return null;
        throw isUnexplained(error) ? await this.#explain(key, error) : error;
      }
    });
  }

  /** An answer to HEAD has no room for a reason; the same question by GET has. */
  async #explain(key: string, unexplained: unknown): Promise<unknown> {
    try {
      (await this.#bucket.get(key, { range: "bytes=0-0" })).stream.destroy();
      return unexplained;
    } catch (error) {
      return error;
    }
  }

  /** The version that was just written. */
  async #written(key: string, etag: string): Promise<ObjectVersion> {
    const found = await this.head(key);
    if (found?.etag !== etag) throw takenOver(key, this.name);
    return found;
  }

  async #deleteAll(keys: readonly string[]): Promise<void> {
    const together = keys.filter(fitsXml);
    const faults = together.length > 0 ? await this.#bucket.deleteMany(together) : [];
    const fault = faults.find(({ Code }) => Code !== "NoSuchKey");
    if (fault) throw this.#wrapObjectError(errorOf(fault), fault.Key ?? "", "write");
    const single = keys.filter((key) => !fitsXml(key));
    await pMap(single, (key) => this.#bucket.delete(key), { concurrency: KEY_CONCURRENCY });
  }

  /** Does something with an object that is there, and wraps the error if that fails. */
  async #reading<T>(key: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw this.#wrapObjectError(error, key, "read");
    }
  }

  #wrapObjectError(error: unknown, key: string, kind: ObjectAction["kind"]): unknown {
    const { name: store, signal } = this.#bucket;
    return signal?.aborted ? signal.reason : wrapObjectError(error, { kind, key, store });
  }

  #wrapStoreError(error: unknown, action: string): unknown {
    const { signal } = this.#bucket;
    return signal?.aborted ? signal.reason : wrapStoreError(error, action);
  }
}
