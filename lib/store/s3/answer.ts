/**
 * What S3 answers, in the terms of the store's contract.
 *
 * @module
 */
import type { ObjectVersion } from "../store.ts";

/** What answers say of an object. */
export interface ObjectAnswer {
  /** In quotes. */
  readonly ETag?: string | undefined;
  /** Bytes. */
  readonly ContentLength?: number | undefined;
  /** When it was written. */
  readonly LastModified?: Date | undefined;
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

/** What describes an object besides its bytes, of what a HEAD says. */
export interface Description {
  /** How long others may keep it. */
  readonly CacheControl?: string | undefined;
  /** What a browser does with it. */
  readonly ContentDisposition?: string | undefined;
  /** As `gzip`. */
  readonly ContentEncoding?: string | undefined;
  /** As `en`. */
  readonly ContentLanguage?: string | undefined;
  /** As `text/csv`. */
  readonly ContentType?: string | undefined;
  /** The writer's own. */
  readonly Metadata?: Record<string, string> | undefined;
}

/** What a copy in parts has to be told of its source; a whole copy takes it along. */
export function descriptionOf(head: Description): Description {
  const { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ContentType, Metadata } = head;
  return { CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ContentType, Metadata };
}

/** The failure of one key among many, as if it were an answer of its own. */
export function answerOf(
  { Code = "", Message = "" }: { readonly Code?: string | undefined; readonly Message?: string | undefined },
): Error {
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

/**
 * The MD5 of the content where the etag is one: not for objects made of parts, nor for those that the server encrypted
 * with other keys than its own (Object, API reference).
 */
export function plainMd5(
  answer: {
    readonly ETag?: string | undefined;
    readonly ServerSideEncryption?: string | undefined;
    readonly SSECustomerAlgorithm?: string | undefined;
  },
): string | null {
  const { ETag = "", ServerSideEncryption = "AES256", SSECustomerAlgorithm } = answer;
  const etag = unquoted(ETag);
  const isPlain = ServerSideEncryption === "AES256" && SSECustomerAlgorithm === undefined;
  return isPlain && /^[0-9a-f]{32}$/.test(etag) ? etag : null;
}
