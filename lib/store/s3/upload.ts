/**
 * Objects that are sent or copied in parts: each becomes an object or nothing.
 *
 * An upload that is not complete keeps its parts at the server, which bills them. So whatever ends an upload early aborts
 * it, and what a killed process has left is aborted by the next sweep.
 *
 * @module
 */
import pMap from "p-map";
import { type Description, descriptionOf, etagOf, type ObjectAnswer } from "./answer.ts";
import type { Bucket, NumberedPart, SentPart, Upload } from "./bucket.ts";
import { unlessGone } from "./errors.ts";
import { KEY_CONCURRENCY, type S3Limits, Slots } from "./limits.ts";
import { type Piece, piecesOf, readPiece, sizeOf } from "./pieces.ts";

/** Parts of one object on their way at a time. */
const PART_CONCURRENCY = 4;
/** An upload that cannot be completed is aborted within this time, or left to the next sweep or the bucket's rules. */
const ABANDON_TIMEOUT_MS = 10_000;
/** The same after a signal, when little time is left. */
const STOP_TIMEOUT_MS = 1_000;
/** How often an upload is aborted at most: some servers never say that they do not know it. */
const MOST_ABORTS = 5;
const ABORT_PAUSE_MS = 50;

/** See the module's head. */
export class Uploads {
  readonly #bucket: Bucket;
  readonly #limits: S3Limits;
  readonly #buffers: Slots;

  /** All uploads together keep to the limits. */
  constructor(bucket: Bucket, limits: S3Limits) {
    this.#bucket = bucket;
    this.#limits = limits;
    this.#buffers = new Slots(limits.maxBuffers);
  }

  /** Writes a local file as an object, at once if it is small; gives the etag. */
  async putFile(key: string, path: string, ifAbsent: boolean): Promise<string> {
    const size = await sizeOf(path);
    const { partBytes } = this.#limits;
    if (size <= partBytes) {
      const whole = { number: 1, start: 0, end: size };
      return await this.#buffers.use(async () =>
        this.#bucket.put(key, await readPiece(path, whole), ifAbsent)
      );
    }
    const upload = await this.#bucket.beginUpload(key);
    const send: SendPart = (piece, signal) =>
      this.#buffers.use(async () => {
        signal.throwIfAborted();
        return await this.#bucket.putPart(upload, piece.number, await readPiece(path, piece), signal);
      });
    return await this.#finish(upload, { pieces: piecesOf(size, partBytes), send, ifAbsent, isCopy: false });
  }

  /** Copies a version in parts; gives the copy's etag. Tags, which have a permission of their own, are not copied. */
  async copy(from: string, to: string, source: ObjectAnswer & Description): Promise<string> {
    const pieces = piecesOf(source.ContentLength ?? 0, this.#limits.copyPartBytes);
    const version = { key: from, etag: etagOf(source.ETag) };
    const upload = await this.#bucket.beginUpload(to, descriptionOf(source));
    const send: SendPart = (piece, signal) => this.#bucket.copyPart(upload, piece, version, signal);
    return await this.#finish(upload, { pieces, send, ifAbsent: false, isCopy: true });
  }

  /** Aborts every upload under a prefix. */
  async endAll(prefix: string): Promise<void> {
    for await (const page of this.#bucket.uploads(prefix)) {
      await pMap(page, (upload) => this.#bucket.abortUpload(upload).catch(unlessGone), {
        concurrency: KEY_CONCURRENCY,
      });
    }
  }

  /** Sends the pieces and makes the object of them, or aborts the upload. */
  async #finish(
    upload: Upload,
    { pieces, send, ...kind }: {
      pieces: readonly Piece[];
      send: SendPart;
      ifAbsent: boolean;
      isCopy: boolean;
    },
  ): Promise<string> {
    try {
      return await this.#bucket.completeUpload(upload, await this.#sendAll(pieces, send), kind);
    } catch (error) {
      await this.#abandon(upload);
      throw error;
    }
  }

  /** Sends the pieces; throws the first error when no part is on its way any more. */
  async #sendAll(pieces: readonly Piece[], send: SendPart): Promise<NumberedPart[]> {
    const failed = new AbortController();
    const { signal: stop } = this.#bucket;
    const signal = AbortSignal.any([failed.signal, ...stop ? [stop] : []]);
    const sendOne = async (piece: Piece): Promise<NumberedPart> => {
      try {
        signal.throwIfAborted();
        const { ETag, ChecksumCRC32 } = await send(piece, signal);
        return { PartNumber: piece.number, ETag, ...ChecksumCRC32 && { ChecksumCRC32 } };
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    };
    // Not at the first error: a part that is still on its way would outlive the upload.
    const options = { concurrency: PART_CONCURRENCY, stopOnError: false };
    return await pMap(pieces, sendOne, options).catch(() => {
      throw failed.signal.reason;
    });
  }

  /**
   * Ends an upload without its object. A part that the server is still at keeps it there although the server says that
   * it is gone (Amazon S3 API, AbortMultipartUpload): it is told again, until it does not know the upload any more.
   */
  async #abandon(upload: Upload): Promise<void> {
    const timeoutMs = this.#bucket.signal?.aborted ? STOP_TIMEOUT_MS : ABANDON_TIMEOUT_MS;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      for (let i = 0; i < MOST_ABORTS; i++) {
        await this.#bucket.abortUpload(upload, signal);
        await new Promise((done) => setTimeout(done, ABORT_PAUSE_MS));
      }
    } catch {
      // It is gone, or the server is: then the next sweep ends it.
    }
  }
}

/** Sends one part, until the signal stops it. */
type SendPart = (piece: Piece, signal: AbortSignal) => Promise<SentPart>;
