/**
 * The errors of S3 in the terms of the store's contract.
 *
 * @module
 */
import { UnavailableError } from "../../errors.ts";
import { ObjectError } from "../store.ts";
import {
  ACCESS,
  CONFLICT,
  CREDENTIALS,
  DAMAGED,
  isRaw,
  isRefusal,
  reduced,
  said,
  statusOf,
  wrapStoreError,
} from "./meanings.ts";

/** What was being done with an object. */
export interface ObjectAction {
  /** A read, copy or delete that is denied concerns the one object; a write that is denied concerns the store. */
  readonly kind: "read" | "write";
  /** The whole key. */
  readonly key: string;
  /** The store's name. */
  readonly store: string;
}

/** The key cannot be an object here. */
export function unhandled(key: string, detail: string, cause?: Error): ObjectError {
  return new ObjectError("unhandled_key", key, detail, { cause });
}

/** The object is not the version that was asked for. */
export function changed(key: string): ObjectError {
  return new ObjectError("changed", key, "it is another version than was asked for");
}

/** The object is missing. */
export function vanished(key: string): ObjectError {
  return new ObjectError("vanished", key, "it is not there any more");
}

/** What was just written is not there: another process writes to this store, which only the one run may do. */
export function takenOver(key: string, store: string): UnavailableError {
  const what = "another run has deleted or replaced what this one was writing";
  return new UnavailableError(
    "taken_over",
    `Cannot write ${JSON.stringify(key)} in ${store}: ${what}; wait until that one is over, and run again`,
  );
}

/** The bytes that came are not the object's. */
export function damaged(key: string, store: string, detail: string, cause?: unknown): UnavailableError {
  const advice = "run again, and look for what stands between here and the server if it happens again";
  return new UnavailableError(
    "transfer_failed",
    `Cannot read ${JSON.stringify(key)} in ${store}: ${detail}; ${advice}`,
    { cause: cause instanceof Error ? reduced(cause) : cause },
  );
}

/** Whether to send a request once more, besides what the SDK itself takes for passing. */
export function isPassing(error: unknown): boolean {
  return isRaw(error) && (DAMAGED.has(error.name) || CONFLICT.has(error.name));
}

/** Whether the object is missing; a HEAD cannot tell this from a missing bucket. */
export function isMissing(error: unknown): boolean {
  return isRaw(error) && statusOf(error) === 404 && ["NoSuchKey", "NotFound"].includes(error.name);
}

/** Whether the object is another version than the request's condition wants. */
export function isOtherVersion(error: unknown): boolean {
  return isRaw(error) && statusOf(error) === 412;
}

/** Whether this was denied to a user that the server knows. */
export function isDenied(error: unknown): boolean {
  return isRaw(error) && ACCESS.has(error.name);
}

/** Throws every error but that of an upload which is gone already. */
export function unlessGone(error: unknown): void {
  if (!isRaw(error) || error.name !== "NoSuchUpload") throw error;
}

/** Whether a refusal came without the code that says why, as in every answer to HEAD. */
export function isUnexplained(error: unknown): boolean {
  return isRaw(error) && [400, 403].includes(statusOf(error) ?? 0) &&
    !CREDENTIALS.has(error.name) && !ACCESS.has(error.name);
}

/** The error for one object in the terms of the contract, or what was thrown as it is if nothing is known of it. */
export function wrapObjectError(error: unknown, action: ObjectAction): unknown {
  const { kind, key, store } = action;
  const what = `Cannot ${kind === "write" ? "write" : "use"} ${JSON.stringify(key)} in ${store}`;
  if (!isRaw(error)) return error;
  if (isMissing(error)) return vanished(key);
  if (isOtherVersion(error)) return changed(key);
  if (error.name === "InvalidObjectState") {
    const detail = `it is in an archive of ${store}, and has to be restored first`;
    return new ObjectError("access_denied", key, detail, { cause: reduced(error) });
  }
  const wrapped = wrapStoreError(error, what);
  if (kind === "read" && isRefusal(error)) {
    const detail = `access denied in ${store}${said(error)}; check the bucket's and the user's policy`;
    return new ObjectError("access_denied", key, detail, { cause: reduced(error) });
  }
  if (wrapped !== error || statusOf(error) === undefined) return wrapped;
  return unhandled(key, `${store} refuses it${said(error)}`, reduced(error));
}
