/**
 * Keys of the folder store as paths: a key can have any part that a file's name can have, and cannot leave the root.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { unhandled } from "./errors.ts";

/** Folder directly below the root for files that are being written; it is not listed, and no key may lie in it. */
export const PRIVATE_FOLDER = ".nightly-marts";

/** Longest name of a file, in bytes (NAME_MAX in linux/limits.h). */
const MAX_NAME_BYTES = 255;

/** Longest path, in bytes (PATH_MAX in linux/limits.h, less the NUL at its end). */
const MAX_PATH_BYTES = 4095;

/** The folder and the name of a key; refuses a key that no file can have. */
export function splitKey(root: string, key: string): { folder: string[]; name: string } {
  const folder = key.split("/");
  const fault = faultIn(folder);
  if (fault) throw unhandled(key, fault);
  if (Buffer.byteLength(join(root, key)) > MAX_PATH_BYTES) throw unhandled(key, "its path is too long");
  return { name: folder.pop()!, folder };
}

/** The folder that a prefix names, `null` if no key can lie in it, and how the names in there begin. */
export function splitPrefix(prefix: string): { parts: string[] | null; start: string } {
  const end = prefix.lastIndexOf("/");
  const parts = end < 0 ? [] : prefix.slice(0, end).split("/");
  return { parts: faultIn(parts) ? null : parts, start: prefix.slice(end + 1) };
}

/** Why no key can have these parts, in words; `null` if one can. */
export function faultIn(parts: readonly string[]): string | null {
  if (parts[0] === PRIVATE_FOLDER) return `${PRIVATE_FOLDER} is the store's own folder`;
  for (const part of parts) {
    if (part === "" || part === "." || part === "..") return 'a part between slashes is empty, "." or ".."';
    if (part.includes("\0") || !part.isWellFormed()) return "it has a character that no file name can have";
    if (Buffer.byteLength(part) > MAX_NAME_BYTES) return `a part is longer than ${MAX_NAME_BYTES} bytes`;
  }
  return null;
}
