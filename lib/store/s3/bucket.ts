/**
 * A bucket by its requests, one method each. Besides the client this is the only file that knows Amazon's SDK.
 *
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
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import { LIST_PAGE_SIZE } from "../store.ts";
import {
  type ContentAnswer,
  type Description,
  etagOf,
  type KeyAnswer,
  type ListedPage,
  type ObjectAnswer,
  quoted,
} from "./answer.ts";
import { type ClientOptions, openClient, type S3Config } from "./client.ts";
import { copySource, decodeKey } from "./key.ts";
import type { Piece } from "./pieces.ts";

/** An object in parts that is not complete yet. */
export interface Upload {
  /** The key of the object that it becomes. */
  readonly key: string;
  /** The server's name for the upload. */
  readonly id: string | undefined;
}

/** What a server says of a part. */
export interface SentPart {
  /** The part's etag, in quotes. */
  readonly ETag?: string | undefined;
  /** The part's checksum in base64; left out if the server has made none. */
  readonly ChecksumCRC32?: string | undefined;
}

/** A part as the request has it that completes an upload. */
export type NumberedPart = CompletedPart;

/**
 * An upload in parts gets one checksum of the whole, which every reader can verify. A copy in parts does not: versitygw
 * makes a wrong one of the source's.
 */
const CHECKSUM = { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" } as const;

/** See the module's head. Keys are taken as they are. */
export class Bucket implements Disposable {
  /** The bucket's name for messages, with its server. */
  readonly name: string;
  /** Aborts all requests. */
  readonly signal: AbortSignal | undefined;
  readonly #bucket: string;
  readonly #client: S3Client;

  /** Sends nothing yet. A signal aborts all requests, which then fail with its reason. */
  constructor(
    config: S3Config,
    { signal, ...options }: ClientOptions & { signal?: AbortSignal | undefined },
  ) {
    this.name = `s3://${config.bucket}${config.endpoint ? ` at ${new URL(config.endpoint).host}` : ""}`;
    this.signal = signal;
    this.#bucket = config.bucket;
    this.#client = openClient(config, options);
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  /** Asks for one key. */
  async probe(): Promise<void> {
    await this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket, MaxKeys: 1 }), this.#abort());
  }

  /** The pages of a listing; nothing for a prefix that no key can have. */
  async *pages(prefix: string): AsyncGenerator<ListedPage> {
    if (!prefix.isWellFormed()) return;
    let token: string | undefined;
    do {
      const request = { Bucket: this.#bucket, Prefix: prefix, MaxKeys: LIST_PAGE_SIZE } as const;
      const page: ListObjectsV2CommandOutput = await this.#client.send(
        new ListObjectsV2Command({
          ...request,
          EncodingType: "url",
          ...token && { ContinuationToken: token },
        }),
        this.#abort(),
      );
      yield page;
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token);
  }

  /** What describes an object. */
  head(key: string): Promise<ObjectAnswer & Description> {
    return this.#client.send(new HeadObjectCommand(this.#at(key)), this.#abort());
  }

  /** Begins to read an object: if an etag is given, that version, and then its checksum is verified on the way. */
  async get(key: string, { etag, range }: { etag?: string; range?: string }): Promise<ContentAnswer> {
    const command = new GetObjectCommand({
      ...this.#at(key),
      ...etag !== undefined && { IfMatch: quoted(etag), ChecksumMode: "ENABLED" },
      ...range !== undefined && { Range: range },
    });
    const { Body: stream, ...answer } = await this.#client.send(command, this.#abort());
    if (!(stream instanceof Readable)) {
      throw new TypeError("the SDK gives the body in another form than it did");
    }
    return { ...answer, stream };
  }

  /** Writes an object at once; gives its etag. */
  async put(key: string, bytes: Uint8Array, ifAbsent: boolean): Promise<string> {
    const content = { Body: bytes, ContentLength: bytes.length };
    const command = new PutObjectCommand({ ...this.#at(key), ...conditionOf(ifAbsent), ...content });
    return etagOf((await this.#client.send(command, this.#abort())).ETag);
  }

  /** Copies a version at once; gives the copy's etag. */
  async copy(from: string, to: string, etag: string): Promise<string> {
    const command = new CopyObjectCommand({ ...this.#at(to), ...this.#source(from, etag) });
    return etagOf((await this.#client.send(command, this.#abort())).CopyObjectResult?.ETag);
  }

  /** Deletes an object; if an etag is given, only that version, as far as the server knows such a condition. */
  async delete(key: string, etag?: string): Promise<void> {
    const condition = etag === undefined ? {} : { IfMatch: quoted(etag) };
    await this.#client.send(new DeleteObjectCommand({ ...this.#at(key), ...condition }), this.#abort());
  }

  /** Deletes many objects; gives what was wrong with some of them. */
  async deleteMany(keys: readonly string[]): Promise<KeyAnswer[]> {
    const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
    const command = new DeleteObjectsCommand({ Bucket: this.#bucket, Delete });
    return (await this.#client.send(command, this.#abort())).Errors ?? [];
  }

  /** Begins an upload in parts; a copy in parts has a description. */
  async beginUpload(key: string, description?: Description): Promise<Upload> {
    const command = new CreateMultipartUploadCommand({ ...this.#at(key), ...description ?? CHECKSUM });
    return { key, id: (await this.#client.send(command, this.#abort())).UploadId };
  }

  /** Sends a part. */
  putPart(upload: Upload, number: number, bytes: Uint8Array, abortSignal: AbortSignal): Promise<SentPart> {
    const content = { Body: bytes, ContentLength: bytes.length };
    const command = new UploadPartCommand({ ...this.#part(upload, number), ...content });
    return this.#client.send(command, { abortSignal });
  }

  /** Copies a piece of a version as a part. */
  async copyPart(
    upload: Upload,
    { number, start, end }: Piece,
    source: { key: string; etag: string },
    abortSignal: AbortSignal,
  ): Promise<SentPart> {
    const command = new UploadPartCopyCommand({
      ...this.#part(upload, number),
      ...this.#source(source.key, source.etag),
      CopySourceRange: `bytes=${start}-${end - 1}`,
    });
    return (await this.#client.send(command, { abortSignal })).CopyPartResult ?? {};
  }

  /** Makes the object of its parts; gives its etag. */
  async completeUpload(
    upload: Upload,
    Parts: NumberedPart[],
    { ifAbsent, isCopy }: { ifAbsent: boolean; isCopy: boolean },
  ): Promise<string> {
    const command = new CompleteMultipartUploadCommand({
      ...this.#upload(upload),
      ...conditionOf(ifAbsent),
      MultipartUpload: { Parts },
      ...isCopy ? {} : { ChecksumType: CHECKSUM.ChecksumType },
    });
    return etagOf((await this.#client.send(command, this.#abort())).ETag);
  }

  /** Gives an upload up. */
  async abortUpload(upload: Upload, abortSignal = this.signal): Promise<void> {
    const command = new AbortMultipartUploadCommand(this.#upload(upload));
    await this.#client.send(command, abortSignal ? { abortSignal } : {});
  }

  /** The uploads under a prefix that are not complete, in pages; nothing for a prefix that no key can have. */
  async *uploads(prefix: string): AsyncGenerator<Upload[]> {
    if (!prefix.isWellFormed()) return;
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | null = {};
    while (marker) {
      const request = { Bucket: this.#bucket, Prefix: prefix, EncodingType: "url", ...marker } as const;
      const page: ListMultipartUploadsCommandOutput = await this.#client.send(
        new ListMultipartUploadsCommand(request),
        this.#abort(),
      );
      yield (page.Uploads ?? []).flatMap(({ Key = "", UploadId: id }) => {
        const key = decodeKey(Key, page.EncodingType);
        // Some servers give the uploads of every key.
        return key?.startsWith(prefix) ? [{ key, id }] : [];
      });
      const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
      marker = IsTruncated && NextKeyMarker
        ? {
          KeyMarker: decodeKey(NextKeyMarker, page.EncodingType) ?? NextKeyMarker,
          ...NextUploadIdMarker && { UploadIdMarker: NextUploadIdMarker },
        }
        : null;
    }
  }

  #at(key: string) {
    return { Bucket: this.#bucket, Key: key };
  }

  #upload({ key, id }: Upload) {
    return { ...this.#at(key), UploadId: id };
  }

  #part(upload: Upload, PartNumber: number) {
    return { ...this.#upload(upload), PartNumber };
  }

  #source(key: string, etag: string) {
    return { CopySource: copySource(this.#bucket, key), CopySourceIfMatch: quoted(etag) };
  }

  #abort(): { abortSignal?: AbortSignal } {
    return this.signal ? { abortSignal: this.signal } : {};
  }
}

function conditionOf(ifAbsent: boolean): { IfNoneMatch?: "*" } {
  return ifAbsent ? { IfNoneMatch: "*" } : {};
}
