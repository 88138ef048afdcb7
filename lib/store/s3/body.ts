/**
 * The bytes of an S3 object as they come: verified, and asked for again if a connection is cut or stalls.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { plainMd5 } from "./answer.ts";
import type { Bucket } from "./bucket.ts";
import { damaged } from "./errors.ts";
import { type S3Limits, within } from "./limits.ts";

/** One answer with bytes of the object. */
export interface Body {
  /** The bytes; reading fails if the connection does, or if a checksum that came with the answer is not theirs. */
  readonly chunks: AsyncIterator<Uint8Array>;
  /** Bytes that this answer should have. */
  readonly sizeBytes: number;
  /** The MD5 of the whole object, if the server tells it. */
  readonly md5: string | null;
  /** Ends the transfer. */
  close(): void;
}

/** What a reader needs besides the first answer. */
export interface BodySource {
  /** A server that has sent nothing for this time is given up. */
  readonly silenceTimeoutMs: number;
  /** Asks for the bytes from `start` on, of the same version. */
  open(start: number): Promise<Body>;
  /** Waits before the `attempt`-th new request, from 1; throws if there shall be none. */
  wait(attempt: number, error: unknown): Promise<void>;
  /** Makes the error for bytes that are not the object's. */
  damaged(detail: string, cause?: unknown): Error;
}

/** One version in a bucket, and how patiently it is read. */
export interface VersionSource {
  /** The whole key. */
  readonly key: string;
  /** The version's etag, without quotes. */
  readonly etag: string;
  /** Deadlines, and how often the rest of a body is asked for. */
  readonly limits: S3Limits;
}

/** Reads a version from a bucket. */
export function bodySource(bucket: Bucket, { key, etag, limits }: VersionSource): BodySource {
  const { maxResumes, resumeDelayMs, silenceTimeoutMs } = limits;
  const damage = (detail: string, cause?: unknown) => damaged(key, bucket.name, detail, cause);
  return {
    silenceTimeoutMs,
    open: async (start) => {
      const range = start > 0 ? { range: `bytes=${start}-` } : {};
      const { stream, ...answer } = await bucket.get(key, { etag, ...range });
      const { ContentLength: sizeBytes, ContentRange = "" } = answer;
      if (sizeBytes === undefined || start > 0 && !ContentRange.startsWith(`bytes ${start}-`)) {
        stream.destroy();
        throw damage("the server does not say which bytes it sends");
      }
      const chunks = stream[Symbol.asyncIterator]();
      return { chunks, sizeBytes, md5: plainMd5(answer), close: () => stream.destroy() };
    },
    wait: async (attempt, error) => {
      bucket.signal?.throwIfAborted();
      if (attempt > maxResumes) throw damage(`it broke off ${attempt} times`, error);
      await sleep(resumeDelayMs * 2 ** (attempt - 1), undefined, { signal: bucket.signal });
    },
    damaged: damage,
  };
}

/**
 * Reads one version. If its MD5 is known, it is compared at the end, and a transfer that broke off goes on at the byte
 * that it had come to. Else only the answer as a whole may have a checksum: so it is asked for again from the start, and
 * what was given out already has to be the same.
 */
export class BodyReader {
  readonly #source: BodySource;
  readonly #sizeBytes: number;
  readonly #md5: string | null;
  readonly #hash = createHash("md5");
  #body: Body;
  /** Bytes given out. */
  #position = 0;
  /** How many of the bytes given out the answer has still to repeat, and the hash of those that it has repeated. */
  #repeated = { left: 0, hash: createHash("md5") };
  #attempts = 0;

  /** `first` is the answer from the start. */
  constructor(source: BodySource, first: Body) {
    this.#source = source;
    this.#body = first;
    this.#sizeBytes = first.sizeBytes;
    this.#md5 = first.md5;
  }

  /** The next bytes; `null` at the end. */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    while (true) {
      const { value, done, error } = await this.#next();
      if (error !== undefined) await this.#resume(error);
      else if (done) return this.#finish();
      else {
        const chunk = this.#skip(value);
        if (chunk.length > 0) return this.#give(chunk);
      }
    }
  }

  /** Ends the transfer; may be called at any time. */
  close(): void {
    this.#body.close();
  }

  async #next(): Promise<{ value: Uint8Array; done: boolean; error?: unknown }> {
    const none = new Uint8Array();
    try {
      const { value, done } = await within(this.#source.silenceTimeoutMs, this.#body.chunks.next());
      return { value: value ?? none, done: done ?? false };
    } catch (error) {
      return { value: none, done: false, error };
    }
  }

  async #resume(error: unknown): Promise<void> {
    this.close();
    if (this.#position === this.#sizeBytes && this.#sizeBytes > 0) {
      throw this.#source.damaged("its bytes are not those that its checksum was made of", error);
    }
    await this.#source.wait(++this.#attempts, error);
    const start = this.#md5 === null ? 0 : this.#position;
    this.#body = await this.#source.open(start);
    this.#repeated = { left: this.#position - start, hash: createHash("md5") };
    if (start + this.#body.sizeBytes !== this.#sizeBytes) {
      throw this.#source.damaged(`of ${this.#sizeBytes} bytes the server has others now`);
    }
  }

  /** What is new in a chunk. */
  #skip(chunk: Uint8Array): Uint8Array {
    const repeated = this.#repeated;
    if (repeated.left === 0) return chunk;
    const known = chunk.subarray(0, repeated.left);
    repeated.hash.update(known);
    repeated.left -= known.length;
    if (repeated.left === 0 && repeated.hash.digest("hex") !== this.#hash.copy().digest("hex")) {
      throw this.#source.damaged("it gave different bytes when it was read again");
    }
    return chunk.subarray(known.length);
  }

  #give(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
    this.#hash.update(chunk);
    this.#position += chunk.length;
    if (this.#position > this.#sizeBytes) throw this.#source.damaged("it gave more bytes than it has");
    // Node's own streams never share their memory between threads.
    return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) as Uint8Array<ArrayBuffer>;
  }

  #finish(): null {
    if (this.#position !== this.#sizeBytes) {
      throw this.#source.damaged(`${this.#position} of ${this.#sizeBytes} bytes came`);
    }
    if (this.#md5 !== null && this.#hash.digest("hex") !== this.#md5) {
      throw this.#source.damaged("its bytes are not those that its MD5 was made of");
    }
    return null;
  }
}
