/**
 * What S3 answers, in the terms of the store's contract.
 *
 * @module
 */
import type { Readable } from "node:stream";
import type { ObjectVersion } from "../store.ts";

/** What answers say of an object. */
export interface ObjectAnswer {
  /** Its etag, in quotes. */
  readonly ETag?: string | undefined;
  /** Its size in bytes. */
  readonly ContentLength?: number | undefined;
  /** When it was written. */
  readonly LastModified?: Date | undefined;
}

/** A page of a listing. */
export interface ListedPage {
  /** Left out if there is nothing under the prefix. */
  readonly Contents?: readonly ListedAnswer[] | undefined;
  /** How the server has encoded its keys; left out: not at all. */
  readonly EncodingType?: string | undefined;
}

/** What a listing says of an object. */
export interface ListedAnswer extends Pick<ObjectAnswer, "ETag" | "LastModified"> {
  /** Its key, encoded if the page says so. */
  readonly Key?: string | undefined;
  /** Its size in bytes. */
  readonly Size?: number | undefined;
}

/** The version that an answer describes. */
export function versionOf(key: string, { ETag, ContentLength, LastModified }: ObjectAnswer): ObjectVersion {
  if (ContentLength === undefined || !LastModified) {
    throw new Error(`${key} has no size or no time in the answer`);
  }
  // Whole seconds, as HEAD has them: MinIO lists milliseconds.
  const lastModified = LastModified.toISOString().replace(/\.\d+Z$/, "Z");
  return { key, etag: etagOf(ETag), sizeBytes: ContentLength, lastModified };
}

/** The etag of an answer that must have one. */
export function etagOf(etag: string | undefined): string {
  if (!etag) throw new Error("the answer has no etag");
  return unquoted(etag);
}

/** What a HEAD says of an object that its writer has said. */
export interface Description {
  /** How long others may keep it. */
  readonly CacheControl?: string | undefined;
  /** What a browser does with it. */
  readonly ContentDisposition?: string | undefined;
  /** How its bytes are packed, as in `gzip`. */
  readonly ContentEncoding?: string | undefined;
  /** The language of its text, as in `en`. */
  readonly ContentLanguage?: string | undefined;
  /** What its bytes are, as in `text/csv`. */
  readonly ContentType?: string | undefined;
  /** The writer's own fields. */
  readonly Metadata?: Record<string, string> | undefined;
}

/** What a copy in parts has to be told of its source; a whole copy takes it along. */
export function descriptionOf(head: Description): Description {
  const { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ContentType, Metadata } = head;
  return { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ContentType, Metadata };
}

/** What was wrong with one key among many. */
export interface KeyAnswer {
  /** The whole key. */
  readonly Key?: string | undefined;
  /** What is wrong, as the name of an error. */
  readonly Code?: string | undefined;
  /** The same for people. */
  readonly Message?: string | undefined;
}

/** The error for one key among many, as if it had come alone. */
export function errorOf({ Code = "", Message = "" }: KeyAnswer): Error {
  return Object.assign(new Error(Message), { name: Code, $metadata: { httpStatusCode: 400 } });
}

/** An etag as requests have it. */
export function quoted(etag: string): string {
  return `"${etag}"`;
}

/** An etag as the contract has it, without the quotes of HTTP. */
export function unquoted(etag: string): string {
  return etag.replace(/^"(.*)"$/s, "$1");
}

/** What tells whether an etag is a checksum. */
export interface EtagAnswer {
  /** The object's etag, in quotes. */
  readonly ETag?: string | undefined;
  /** How the object is encrypted; left out: by the server's own keys. */
  readonly ServerSideEncryption?: string | undefined;
  /** How the object is encrypted with a key of the writer's; left out: it is not. */
  readonly SSECustomerAlgorithm?: string | undefined;
}

/** An answer with bytes of an object, to be read or destroyed. */
export interface ContentAnswer extends EtagAnswer, Pick<ObjectAnswer, "ContentLength"> {
  /** Which of the object's bytes, as in `bytes 5-9/10`; left out: all. */
  readonly ContentRange?: string | undefined;
  /** The bytes. */
  readonly stream: Readable;
}

/**
 * The MD5 of the content if the etag is one: not for objects made of parts, nor for those that the server encrypted with
 * other keys than its own (Object, API reference).
 */
export function plainMd5(answer: EtagAnswer): string | null {
  const { ETag = "", ServerSideEncryption = "AES256", SSECustomerAlgorithm } = answer;
  const etag = unquoted(ETag);
  const isPlain = ServerSideEncryption === "AES256" && SSECustomerAlgorithm === undefined;
  return isPlain && /^[0-9a-f]{32}$/.test(etag) ? etag : null;
}
