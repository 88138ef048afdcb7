/**
 * Keys of the S3 store: which ones every server keeps apart, and how requests and answers spell them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { unhandled } from "./errors.ts";

/** Longest key, in bytes of UTF-8 (Amazon S3 user guide, "Naming Amazon S3 objects"). */
const MAX_KEY_BYTES = 1024;

/** What XML 1.0 has no way to write (section 2.2, "Characters"). */
const NOT_IN_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

/** What some servers put in a listing in place of such a character. */
const REPLACEMENT = "\ufffd";

/**
 * Refuses a key that some server would take for another one: a URL or a file system behind it makes `a/b` of `a//b`
 * and `b` of `a/../b`. Longer segments and the like are left to the server, which says so.
 *
 * @throws {ObjectError} `unhandled_key`.
 */
export function requireKey(key: string): void {
  const fault = faultIn(key);
  if (fault) throw unhandled(key, fault);
}

/** Why a key cannot be used, in words; `null` if it can. */
export function faultIn(key: string): string | null {
  const parts = key.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return 'a part between slashes is empty, "." or ".."';
  }
  if (key.includes("\0") || !key.isWellFormed()) return "it has a character that not every server can store";
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `it is longer than ${MAX_KEY_BYTES} bytes`;
  return null;
}

/**
 * Why an entry of a listing is no object to work with, in words; `null` if it is one. A key that ends in a slash is the
 * mark of a folder, as the S3 console makes it. It is listed, so that nobody has to wonder what became of it, but no
 * operation takes it.
 */
export function faultInListed(key: string): string | null {
  return faultIn(key.replace(/(?<=.)\/$/s, ""));
}

/**
 * A key as a listing has it. With `EncodingType: "url"` it is a form-encoded text (ListObjectsV2, API reference), on
 * servers that do not say so in their answer it is the key itself.
 *
 * @returns `null` if it is not UTF-8.
 */
export function decodeKey(listed: string, encoding: string | undefined): string | null {
  if (encoding !== "url") return listed;
  try {
    return decodeURIComponent(listed.replaceAll("+", " "));
  } catch {
    return null;
  }
}

/** Whether the key in a listing may stand for another one, which the listing has no way to write. */
export function isDoubtful(key: string, encoding: string | undefined): boolean {
  return encoding !== "url" && key.includes(REPLACEMENT);
}

/** Whether a key can be named in a request that is an XML document, as one that deletes many. */
export function fitsXml(key: string): boolean {
  return !NOT_IN_XML.test(key);
}

/** The source of a copy as its header wants it: URL-encoded, slashes kept (CopyObject, API reference). */
export function copySource(bucket: string, key: string): string {
  return `${bucket}/${key}`.split("/").map(encodeURIComponent).join("/");
}
