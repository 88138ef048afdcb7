/**
 * The errors of files in the terms of the store's contract.
 *
 * @module
 */
import { codeOf, ConfigError, UnavailableError, wrapSystemError } from "../../errors.ts";
import { ObjectError, type ObjectFault } from "../store.ts";

/** What Deno puts in a file's name in place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

/** The key cannot be an object here. */
export function unhandled(key: string, detail: string): ObjectError {
  return new ObjectError("unhandled_key", key, detail);
}

/** The object is not the version that was asked for. */
export function changed(key: string): ObjectError {
  return new ObjectError(
    "changed",
    key,
    "it is another version than was asked for, or is still being written",
  );
}

/** The object is missing. */
export function vanished(key: string): ObjectError {
  return new ObjectError("vanished", key, "it is not there any more");
}

/** What a listing says of an entry with an error: nothing if it has vanished, unless only its name cannot be told. */
export function* faultOf(error: unknown, key: string): Generator<ObjectFault> {
  if (!(error instanceof ObjectError)) throw error;
  if (error.reason !== "vanished") yield { key, reason: error.reason };
  else if (key.includes(REPLACEMENT)) yield { key, reason: "unhandled_key" };
}

/** Does something with an object that is there, and wraps the error if that fails. */
export async function reading<T>(key: string, root: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw wrapReadError(error, key, root);
  }
}

/** The error for an object that was to be read or deleted, in the terms of the contract. */
function wrapReadError(error: unknown, key: string, root: string): unknown {
  if (error instanceof ObjectError) return error;
  if (isMissing(error)) return vanished(key);
  if (codeOf(error) === "ENAMETOOLONG") return unhandled(key, "its path is too long");
  if (codeOf(error) === "EACCES" || codeOf(error) === "EPERM") {
    return new ObjectError("access_denied", key, `access denied; check its owner and mode in ${root}`, {
      cause: error,
    });
  }
  return wrapSystemError(error, `Cannot read or delete ${JSON.stringify(key)} in ${root}`);
}

/** The error for an object that was to be written, in the terms of the contract. */
export function wrapWriteError(error: unknown, key: string, root: string): unknown {
  if (error instanceof ObjectError) return error;
  const action = `Cannot write ${JSON.stringify(key)} in ${root}`;
  if (codeOf(error) === "EXDEV") {
    const detail = "its folder is on another file system than the root; mount the store as one";
    return new ConfigError("store_split", `${action}: ${detail}`, { cause: error });
  }
  return wrapSystemError(error, action);
}

/** What was being written is gone: another process has swept this store meanwhile, which only the one run may do. */
export function takenOver(key: string, root: string, cause: unknown): UnavailableError {
  return new UnavailableError(
    "taken_over",
    `Cannot write ${JSON.stringify(key)} in ${root}: another run has deleted what this one was writing; ` +
      "wait until that one is over, and run again",
    { cause },
  );
}

/** Whether the path, or a folder in it, is missing. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";
}

/** Throws every error but that of a missing path. */
export function unlessMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

/** Nothing if the path is missing; throws every other error. */
export function noneIfMissing(error: unknown): [] {
  unlessMissing(error);
  return [];
}
