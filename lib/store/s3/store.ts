/**
 * An S3 bucket as object store: Amazon's, or one of a server that speaks its protocol.
 *
 * The servers differ in what they do with conditions and unusual keys. So nothing here relies on a condition that one
 * of them ignores without a look of its own, and a key that one of them would take for another is refused. Requests
 * are retried by the SDK, with jitter; only a body that breaks off is taken up again here.
 *
 * @example
 * ```ts ignore
 * await using store = await openS3Store({ bucket: "sales", region: "eu-central-1" });
 * await store.put("sales_data/a.csv", { bytes: new TextEncoder().encode("customer_id\n") });
 * ```
 * @module
 */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import pMap from "p-map";
import type { Secret } from "../../secrets/secret.ts";
import { answerOf, descriptionOf, etagOf, plainMd5, quoted, versionOf } from "./answer.ts";
import { type Body, BodyReader, type BodySource } from "./body.ts";
import { checkKey, copySource, decodeKey, faultInListed, fitsXml, isDoubtful } from "./key.ts";
import { S3_LIMITS, type S3Limits, Slots, within } from "./limits.ts";
import { type Piece, piecesOf, readPiece, sizeOf } from "./pieces.ts";
import {
  changed,
  damaged,
  isDenied,
  isMissing,
  isOtherVersion,
  isPassing,
  isUnexplained,
  type ObjectAction,
  takenOver,
  unlessGone,
  vanished,
  wrapObjectError,
  wrapStoreError,
} from "./errors.ts";
import {
  LIST_PAGE_SIZE,
  type ObjectFault,
  type ObjectSource,
  type ObjectStore,
  type ObjectVersion,
} from "../store.ts";

/** Which bucket, and how to reach it; as `store` in the configuration. */
export interface S3Config {
  /** The bucket's name. */
  readonly bucket: string;
  /** Left out: what the AWS default chain says, or with an endpoint `us-east-1`. */
  readonly region?: string | undefined;
  /** URL of an S3-compatible server; left out: Amazon. */
  readonly endpoint?: string | undefined;
  /** The bucket in the path of the URL, not in its host name. Default `false`. */
  readonly forcePathStyle?: boolean | undefined;
  /** Left out: the AWS default chain (environment, profile, IRSA, Pod Identity, instance). */
  readonly credentials?: {
    readonly accessKeyId: Secret;
    readonly secretAccessKey: Secret;
    readonly sessionToken?: Secret | undefined;
  } | undefined;
}

/** What the store is opened with besides its configuration. */
export interface S3Options {
  /** Aborts all requests; what was asked for then fails with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Learns the secrets that the AWS default chain finds, before they are used. */
  readonly learnSecret?: ((value: string) => void) | undefined;
  /** In place of {@linkcode S3_LIMITS}, for tests. */
  readonly limits?: Partial<S3Limits> | undefined;
}

/** Parts of one object on their way at a time. */
const PART_CONCURRENCY = 4;
/**
 * Of an upload in parts: one checksum of the whole, which every reader can verify. Not of a copy in parts: versitygw
 * makes a wrong one of the source's.
 */
const CHECKSUM = { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" } as const;
/** An upload that failed is given up within this time, or left to the next sweep or the bucket's own rules. */
const ABANDON_TIMEOUT_MS = 10_000;
/** The same after a signal, when little time is left. */
const STOP_TIMEOUT_MS = 1_000;
/** How often an upload is aborted at most: some servers never say that they do not know it. */
const MOST_ABORTS = 5;
const ABORT_PAUSE_MS = 50;
/** Requests for one key each at a time, where a listing or a sweep needs them. */
const KEY_CONCURRENCY = 8;

/**
 * Opens a bucket, and asks it for one key, so that a wrong name, region or key shows at once.
 *
 * @throws {ConfigError} `store_missing`, `wrong_region` or `bad_certificate`.
 * @throws {AccessError} where the credentials are missing or wrong.
 * @throws {UnavailableError} where the server cannot be reached.
 */
export async function openS3Store(config: S3Config, options: S3Options = {}): Promise<ObjectStore> {
  const limits = { ...S3_LIMITS, ...options.limits };
  const store = new S3Store(config, limits, options);
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
  readonly #bucket: string;
  readonly #client: S3Client;
  readonly #limits: S3Limits;
  readonly #signal: AbortSignal | undefined;
  readonly #buffers: Slots;

  constructor(config: S3Config, limits: S3Limits, { signal, learnSecret }: S3Options) {
    this.name = `s3://${config.bucket}${config.endpoint ? ` at ${new URL(config.endpoint).host}` : ""}`;
    this.#bucket = config.bucket;
    this.#client = openClient(config, limits);
    if (learnSecret) learnCredentials(this.#client, learnSecret);
    this.#limits = limits;
    this.#signal = signal;
    this.#buffers = new Slots(limits.maxBuffers);
  }

  /** Fails where the bucket cannot be used at all. */
  async probe(): Promise<void> {
    try {
      await this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket, MaxKeys: 1 }), this.#abort());
    } catch (error) {
      // A policy may allow listing for some prefixes only.
      if (!isDenied(error)) throw this.#wrapStoreError(error, `Cannot open ${this.name}`);
    }
  }

  async *list(prefix: string): AsyncGenerator<(ObjectVersion | ObjectFault)[]> {
    try {
      for await (const { Contents = [], EncodingType } of this.#pages(prefix)) {
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
    checkKey(key);
    const source = this.#bodySource(key, options.ifMatch);
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
    options?: { ifAbsent?: boolean },
  ): Promise<ObjectVersion | null> {
    checkKey(key);
    const condition: Condition = options?.ifAbsent ? { IfNoneMatch: "*" } : {};
    try {
      const etag = "bytes" in source
        ? await this.#putBytes(key, source.bytes, condition)
        : await this.#putFile(key, source.file, condition);
      return await this.#written(key, etag);
    } catch (error) {
      if (options?.ifAbsent && isOtherVersion(error)) return null;
      throw this.#wrapObjectError(error, key, "write");
    }
  }

  async copy(from: string, to: string, options: { ifMatch: string }): Promise<ObjectVersion> {
    checkKey(to);
    const source = await this.#head(from);
    if (source === null) throw vanished(from);
    const { etag, sizeBytes } = versionOf(from, source);
    if (etag !== options.ifMatch) throw changed(from);
    const copied = await this.#reading(
      from,
      () =>
        sizeBytes > this.#limits.copyPartBytes
          ? this.#copyParts(from, to, source)
          : this.#copyWhole(from, to, etag),
    );
    const written = await this.#written(to, copied);
    if (written.sizeBytes !== sizeBytes) throw takenOver(to, this.name);
    return written;
  }

  /**
   * Looks first, then deletes under the condition of the etag. What takes the object's place between the two requests,
   * some milliseconds, is lost where a server ignores the condition (MinIO), or where it has the same content.
   */
  async delete(key: string, options: { ifMatch: string; lastModified?: string }): Promise<void> {
    const found = await this.head(key);
    if (found === null) return;
    const { etag, lastModified } = found;
    if (etag !== options.ifMatch || lastModified !== (options.lastModified ?? lastModified)) {
      throw changed(key);
    }
    try {
      const command = new DeleteObjectCommand({ ...this.#at(key), IfMatch: quoted(etag) });
      await this.#client.send(command, this.#abort());
    } catch (error) {
      if (!isMissing(error)) throw this.#wrapObjectError(error, key, "read");
    }
  }

  async sweep(prefix: string): Promise<void> {
    try {
      // Before the objects: none of these uploads may become one afterwards.
      await this.#endUploads(prefix);
      for await (const { Contents = [], EncodingType } of this.#pages(prefix)) {
        await this.#deleteAll(Contents.flatMap(({ Key = "" }) => decodeKey(Key, EncodingType) ?? []));
      }
    } catch (error) {
      throw this.#wrapStoreError(
        error,
        `Cannot delete what is under ${JSON.stringify(prefix)} in ${this.name}`,
      );
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }

  async *#pages(prefix: string): AsyncGenerator<ListObjectsV2CommandOutput> {
    // No key has such a prefix.
    if (!prefix.isWellFormed()) return;
    let token: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: prefix,
          MaxKeys: LIST_PAGE_SIZE,
          EncodingType: "url",
          ...token && { ContinuationToken: token },
        }),
        this.#abort(),
      );
      yield page;
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token);
  }

  /** An entry of a listing in the terms of the contract. */
  async #describe(entry: Listed, encoding: string | undefined): Promise<ObjectVersion | ObjectFault> {
    const listed = entry.Key ?? "";
    const key = decodeKey(listed, encoding);
    const fault = { key: key ?? listed, reason: "unhandled_key" } as const;
    // Without an etag nothing could be done with it that is sure to be done with this version.
    if (key === null || faultInListed(key) || !entry.ETag) return fault;
    if (isDoubtful(key, encoding) && await this.head(key) === null) return fault;
    return versionOf(key, { ...entry, ContentLength: entry.Size });
  }

  async #head(key: string): Promise<HeadObjectCommandOutput | null> {
    checkKey(key);
    return await this.#reading(key, async () => {
      try {
        return await this.#client.send(new HeadObjectCommand(this.#at(key)), this.#abort());
      } catch (error) {
        if (isMissing(error)) return null;
        throw isUnexplained(error) ? await this.#explain(key, error) : error;
      }
    });
  }

  /** An answer to HEAD has no room for a reason; the same question by GET has. */
  async #explain(key: string, unexplained: unknown): Promise<unknown> {
    try {
      const { Body } = await this.#client.send(
        new GetObjectCommand({ ...this.#at(key), Range: "bytes=0-0" }),
        this.#abort(),
      );
      streamOf(Body).destroy();
      return unexplained;
    } catch (error) {
      return error;
    }
  }

  #bodySource(key: string, ifMatch: string): BodySource {
    const { maxResumes, resumeDelayMs, silenceTimeoutMs } = this.#limits;
    return {
      silenceTimeoutMs,
      open: (start) => this.#openBody(key, ifMatch, start),
      wait: async (attempt, error) => {
        this.#signal?.throwIfAborted();
        if (attempt > maxResumes) throw damaged(key, this.name, `it broke off ${attempt} times`, error);
        await sleep(resumeDelayMs * 2 ** (attempt - 1), undefined, { signal: this.#signal });
      },
      damaged: (detail, cause) => damaged(key, this.name, detail, cause),
    };
  }

  async #openBody(key: string, ifMatch: string, start: number): Promise<Body> {
    const answer = await this.#client.send(
      new GetObjectCommand({
        ...this.#at(key),
        IfMatch: quoted(ifMatch),
        ChecksumMode: "ENABLED",
        ...start > 0 && { Range: `bytes=${start}-` },
      }),
      this.#abort(),
    );
    const stream = streamOf(answer.Body);
    const { ContentLength: sizeBytes, ContentRange = "" } = answer;
    if (sizeBytes === undefined || start > 0 && !ContentRange.startsWith(`bytes ${start}-`)) {
      stream.destroy();
      throw damaged(key, this.name, "the server does not say which bytes it sends");
    }
    return {
      chunks: stream[Symbol.asyncIterator](),
      sizeBytes,
      md5: plainMd5(answer),
      close: () => stream.destroy(),
    };
  }

  async #putBytes(key: string, bytes: Uint8Array, condition: Condition): Promise<string> {
    const { ETag } = await this.#client.send(
      new PutObjectCommand({ ...this.#at(key), ...condition, Body: bytes, ContentLength: bytes.length }),
      this.#abort(),
    );
    return etagOf(ETag);
  }

  async #putFile(key: string, path: string, condition: Condition): Promise<string> {
    const size = await sizeOf(path);
    const { partBytes } = this.#limits;
    if (size <= partBytes) {
      const whole = { number: 1, start: 0, end: size };
      return await this.#buffers.use(async () =>
        this.#putBytes(key, await readPiece(path, whole), condition)
      );
    }
    return await this.#inParts(
      key,
      piecesOf(size, partBytes),
      { condition },
      (part, piece, abort) =>
        this.#buffers.use(async () => {
          abort.abortSignal.throwIfAborted();
          const Body = await readPiece(path, piece);
          const command = new UploadPartCommand({ ...part, Body, ContentLength: Body.length });
          return await this.#client.send(command, abort);
        }),
    );
  }

  async #copyWhole(from: string, to: string, etag: string): Promise<string> {
    const { CopyObjectResult } = await this.#client.send(
      new CopyObjectCommand({
        ...this.#at(to),
        CopySource: copySource(this.#bucket, from),
        CopySourceIfMatch: quoted(etag),
      }),
      this.#abort(),
    );
    return etagOf(CopyObjectResult?.ETag);
  }

  /** Unlike {@linkcode #copyWhole} it does not take tags along, which have a permission of their own. */
  async #copyParts(from: string, to: string, source: HeadObjectCommandOutput): Promise<string> {
    const { ContentLength = 0, ETag } = source;
    const pieces = piecesOf(ContentLength, this.#limits.copyPartBytes);
    return await this.#inParts(to, pieces, { condition: {}, like: source }, async (part, piece, abort) => {
      const { CopyPartResult } = await this.#client.send(
        new UploadPartCopyCommand({
          ...part,
          CopySource: copySource(this.#bucket, from),
          CopySourceIfMatch: ETag,
          CopySourceRange: `bytes=${piece.start}-${piece.end - 1}`,
        }),
        abort,
      );
      return CopyPartResult ?? {};
    });
  }

  /** Makes an object of parts, or nothing. */
  async #inParts(
    key: string,
    pieces: readonly Piece[],
    { condition, like }: { condition: Condition; like?: HeadObjectCommandOutput },
    send: (part: PartTarget, piece: Piece, abort: { abortSignal: AbortSignal }) => Promise<SentPart>,
  ): Promise<string> {
    const { UploadId } = await this.#client.send(
      new CreateMultipartUploadCommand({
        ...this.#at(key),
        ...like ? descriptionOf(like) : CHECKSUM,
      }),
      this.#abort(),
    );
    const upload = { ...this.#at(key), UploadId };
    try {
      const failed = new AbortController();
      const abort = { abortSignal: AbortSignal.any([failed.signal, ...this.#signal ? [this.#signal] : []]) };
      const Parts = await pMap(pieces, async (piece): Promise<CompletedPart> => {
        try {
          abort.abortSignal.throwIfAborted();
          const { ETag, ChecksumCRC32 } = await send({ ...upload, PartNumber: piece.number }, piece, abort);
          return { PartNumber: piece.number, ETag, ...ChecksumCRC32 && { ChecksumCRC32 } };
        } catch (error) {
          failed.abort(error);
          throw error;
        }
        // Not at the first error: a part that is still on its way would outlive the upload.
      }, { concurrency: PART_CONCURRENCY, stopOnError: false }).catch(() => {
        throw failed.signal.reason;
      });
      const command = new CompleteMultipartUploadCommand({
        ...upload,
        ...condition,
        MultipartUpload: { Parts },
        ...like ? {} : { ChecksumType: CHECKSUM.ChecksumType },
      });
      return etagOf((await this.#client.send(command, this.#abort())).ETag);
    } catch (error) {
      await this.#abandon(upload);
      throw error;
    }
  }

  /**
   * Ends an upload without its object. A part that the server is still at keeps it there although the server says that
   * it is gone (Amazon S3 API, AbortMultipartUpload): it is told again, until it does not know the upload any more.
   */
  async #abandon(upload: { Bucket: string; Key: string; UploadId: string | undefined }): Promise<void> {
    const abortSignal = AbortSignal.timeout(this.#signal?.aborted ? STOP_TIMEOUT_MS : ABANDON_TIMEOUT_MS);
    try {
      for (let i = 0; i < MOST_ABORTS; i++) {
        await this.#client.send(new AbortMultipartUploadCommand(upload), { abortSignal });
        await new Promise((done) => setTimeout(done, ABORT_PAUSE_MS));
      }
    } catch {
      // It is gone, or the server is; what is left the next upload sweeps.
    }
  }

  /** The version that was just written. */
  async #written(key: string, etag: string): Promise<ObjectVersion> {
    const found = await this.head(key);
    if (found?.etag !== etag) throw takenOver(key, this.name);
    return found;
  }

  async #endUploads(prefix: string): Promise<void> {
    if (!prefix.isWellFormed()) return;
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | null = {};
    while (marker) {
      const page: ListMultipartUploadsCommandOutput = await this.#client.send(
        new ListMultipartUploadsCommand({
          Bucket: this.#bucket,
          Prefix: prefix,
          EncodingType: "url",
          ...marker,
        }),
        this.#abort(),
      );
      await pMap(page.Uploads ?? [], async ({ Key = "", UploadId }) => {
        const key = decodeKey(Key, page.EncodingType);
        // Some servers give the uploads of every key.
        if (!key?.startsWith(prefix)) return;
        await this.#client.send(
          new AbortMultipartUploadCommand({ ...this.#at(key), UploadId }),
          this.#abort(),
        )
          .catch(unlessGone);
      }, { concurrency: KEY_CONCURRENCY });
      const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
      marker = IsTruncated && NextKeyMarker
        ? {
          KeyMarker: decodeKey(NextKeyMarker, page.EncodingType) ?? NextKeyMarker,
          ...NextUploadIdMarker && { UploadIdMarker: NextUploadIdMarker },
        }
        : null;
    }
  }

  async #deleteAll(keys: readonly string[]): Promise<void> {
    const together = keys.filter(fitsXml);
    if (together.length > 0) {
      const { Errors = [] } = await this.#client.send(
        new DeleteObjectsCommand({
          Bucket: this.#bucket,
          Delete: { Objects: together.map((Key) => ({ Key })), Quiet: true },
        }),
        this.#abort(),
      );
      const failed = Errors.find(({ Code }) => Code !== "NoSuchKey");
      if (failed) throw this.#wrapObjectError(answerOf(failed), failed.Key ?? "", "write");
    }
    await pMap(keys.filter((key) => !fitsXml(key)), async (key) => {
      await this.#client.send(new DeleteObjectCommand(this.#at(key)), this.#abort());
    }, { concurrency: KEY_CONCURRENCY });
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: key };
  }

  #abort(): { abortSignal?: AbortSignal } {
    return this.#signal ? { abortSignal: this.#signal } : {};
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
    return this.#signal?.aborted
      ? this.#signal.reason
      : wrapObjectError(error, { kind, key, store: this.name });
  }

  #wrapStoreError(error: unknown, action: string): unknown {
    return this.#signal?.aborted ? this.#signal.reason : wrapStoreError(error, action);
  }
}

/** Under which condition an object is written. */
type Condition = { readonly IfNoneMatch?: "*" };
/** Where a part belongs. */
type PartTarget = { Bucket: string; Key: string; UploadId: string | undefined; PartNumber: number };
/** What a server says of a part. */
type SentPart = { ETag?: string | undefined; ChecksumCRC32?: string | undefined };
/** An entry of a listing. */
type Listed = NonNullable<ListObjectsV2CommandOutput["Contents"]>[number];

function openClient(config: S3Config, limits: S3Limits): S3Client {
  const { region, endpoint, credentials } = config;
  const agent = { maxSockets: limits.maxSockets };
  const client = new S3Client({
    ...endpoint && { endpoint },
    ...(region ?? endpoint) && { region: region ?? "us-east-1" },
    ...credentials && { credentials: revealed(credentials) },
    forcePathStyle: config.forcePathStyle ?? false,
    followRegionRedirects: true,
    retryMode: "standard",
    maxAttempts: limits.maxAttempts,
    requestChecksumCalculation: "WHEN_SUPPORTED",
    // A connection of its own for every large request, and a wait on servers that do not know it.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: limits.connectTimeoutMs,
      socketTimeout: limits.silenceTimeoutMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  } as S3ClientConfig);
  // Within the SDK's own retries, which then send the request again.
  client.middlewareStack.add((next) => async (args) => {
    try {
      return await within(limits.answerTimeoutMs, next(args));
    } catch (error) {
      throw isPassing(error) ? Object.assign(error as Error, { $retryable: {} }) : error;
    }
  }, { step: "finalizeRequest", priority: "low", name: "deadlineAndDamage" });
  return client;
}

/** Tells the secrets of whatever the client signs with, each time that it gets them: those of a role change. */
function learnCredentials({ config }: S3Client, learn: (value: string) => void): void {
  const provide = config.credentials;
  config.credentials = async (options) => {
    const found = await provide(options);
    for (const secret of [found.accessKeyId, found.secretAccessKey, found.sessionToken]) learn(secret ?? "");
    return found;
  };
}

/** The credentials as the SDK takes them. */
function revealed(
  { accessKeyId, secretAccessKey, sessionToken }: NonNullable<S3Config["credentials"]>,
): Exclude<S3ClientConfig["credentials"], undefined | ((...args: never) => unknown)> {
  return {
    accessKeyId: accessKeyId.reveal(),
    secretAccessKey: secretAccessKey.reveal(),
    ...sessionToken && { sessionToken: sessionToken.reveal() },
  };
}

function streamOf(body: GetObjectCommandOutput["Body"]): Readable {
  if (!(body instanceof Readable)) throw new TypeError("the SDK gives the body in another form than it did");
  return body;
}
