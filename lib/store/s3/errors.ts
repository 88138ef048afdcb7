/**
 * What can go wrong with S3, in the terms of the store's contract.
 *
 * The codes are those of the Amazon S3 API reference ("Error responses"), and what MinIO and versitygw have of their
 * own. Answers to HEAD have a status and no code. Of what a server says only code, text and request id are kept: the
 * rest of such an answer repeats parts of the request's signature.
 *
 * @module
 */
import { AccessError, ConfigError, PipelineError, UnavailableError, wrapSystemError } from "../../errors.ts";
import { ObjectError } from "../store.ts";

/** What is looked at of an error of the SDK or of the network below it. */
interface Failure {
  readonly name: string;
  readonly message: string;
  /** Of the system, as in `ECONNREFUSED`. */
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

/** What was being done with an object. */
export interface ObjectAction {
  /** Reading, copying and deleting fail for the one object; writing fails for the store. */
  readonly kind: "read" | "write";
  /** The whole key. */
  readonly key: string;
  /** The store's name. */
  readonly store: string;
}

const CREDENTIALS = new Set([
  "AuthFailure",
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidAccessKeyId",
  "InvalidClientTokenId",
  "InvalidIdentityToken",
  "InvalidToken",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
  "TokenProviderError",
  "TokenRefreshRequired",
  "XAdminUserNotFound",
]);

const ACCESS = new Set(["AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AccountProblem"]);

const REGION = new Set([
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
  "PermanentRedirect",
  "TemporaryRedirect",
]);

const THROTTLING = new Set([
  "RequestLimitExceeded",
  "SlowDown",
  "SlowDownRead",
  "SlowDownWrite",
  "Throttling",
  "ThrottlingException",
  "TooManyRequests",
  "TooManyRequestsException",
]);

const UNAVAILABLE = new Set([
  "ConditionalRequestConflict",
  "InternalError",
  "OperationAborted",
  "RequestTimeout",
  "ServiceUnavailable",
  "TimeoutError",
  "XMinioServerNotInitialized",
]);

/** Damage on the way, which the server's look at the checksum has shown. */
const DAMAGED = new Set([
  "BadDigest",
  "IncompleteBody",
  "InvalidDigest",
  "XAmzContentChecksumMismatch",
  "XAmzContentSHA256Mismatch",
]);

/** A server that does not wait in line for another writer of the same key says so. */
const CONFLICT = new Set(["ConditionalRequestConflict", "OperationAborted"]);

/** System codes of a connection that could not be made or broke; those of files are not among them. */
const NETWORK = new Set([
  "EADDRNOTAVAIL",
  "EAI_AGAIN",
  "EAI_FAIL",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "EPROTO",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ETIMEDOUT",
]);

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
  return new UnavailableError(
    "taken_over",
    `Cannot write ${
      JSON.stringify(key)
    } in ${store}: another run has deleted or replaced what this one was ` +
      "writing; wait until that one is over, and run again",
  );
}

/** The bytes that came are not the object's. */
export function damaged(key: string, store: string, detail: string, cause?: unknown): UnavailableError {
  return new UnavailableError(
    "transfer_failed",
    `Cannot read ${
      JSON.stringify(key)
    } in ${store}: ${detail}; run again, and look for what stands between here ` +
      "and the server if it happens again",
    { cause: cause instanceof Error ? reduced(cause) : cause },
  );
}

/** Whether to send a request once more, besides what the SDK itself takes for passing. */
export function isPassing(error: unknown): boolean {
  return isFailure(error) && (DAMAGED.has(error.name) || CONFLICT.has(error.name));
}

/** Whether the object is missing; a HEAD cannot tell this from a missing bucket. */
export function isMissing(error: unknown): boolean {
  return isFailure(error) && statusOf(error) === 404 && ["NoSuchKey", "NotFound"].includes(error.name);
}

/** Whether the object is another version than the request's condition wants. */
export function isOtherVersion(error: unknown): boolean {
  return isFailure(error) && statusOf(error) === 412;
}

/** Whether this was denied to a user that the server knows. */
export function isDenied(error: unknown): boolean {
  return isFailure(error) && ACCESS.has(error.name);
}

/** Throws every failure but that of an upload which is gone already. */
export function unlessGone(error: unknown): void {
  if (!isFailure(error) || error.name !== "NoSuchUpload") throw error;
}

/** Whether a refusal came without the code that says why, as in every answer to HEAD. */
export function isUnexplained(error: unknown): boolean {
  return isFailure(error) && [400, 403].includes(statusOf(error) ?? 0) &&
    !CREDENTIALS.has(error.name) && !ACCESS.has(error.name);
}

/** What went wrong with one object, in the terms of the contract. */
export function wrapObjectError(error: unknown, action: ObjectAction): unknown {
  const { kind, key, store } = action;
  const what = `Cannot ${kind === "write" ? "write" : "use"} ${JSON.stringify(key)} in ${store}`;
  if (!isFailure(error)) return error;
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

/**
 * What went wrong with the store as a whole, or the failure itself where that cannot be told.
 *
 * @param action What was being done, as in `Cannot list "sales_data/" in s3://sales`.
 */
export function wrapStoreError(error: unknown, action: string): unknown {
  if (!isFailure(error)) return error;
  const { name, code } = error;
  const status = statusOf(error);
  const options = { cause: reduced(error) };
  const because = said(error);
  if (CREDENTIALS.has(name)) {
    const advice = name === "RequestTimeTooSkewed"
      ? "set this machine's clock"
      : "check store.credentials, or what the AWS default chain finds";
    return new AccessError(
      `${action}: the credentials are missing, wrong or expired${because}; ${advice}`,
      options,
    );
  }
  if (name === "NoSuchBucket") {
    return new ConfigError(
      "store_missing",
      `${action}: there is no such bucket; check store.bucket`,
      options,
    );
  }
  if (name === "InvalidBucketName") {
    return new ConfigError(
      "store_missing",
      `${action}: no bucket can have this name; check store.bucket`,
      options,
    );
  }
  if (REGION.has(name) || status === 301 || error.message === "Region is missing") {
    const advice = "set store.region (or AWS_REGION) to the bucket's";
    return new ConfigError(
      "wrong_region",
      `${action}: the region is missing or wrong${because}; ${advice}`,
      options,
    );
  }
  if (name === "NotCapable") {
    const advice =
      "run deno with --allow-net for the endpoint, and --allow-env and --allow-read for credentials";
    return new AccessError(`${action}: a permission of Deno is missing; ${advice}`, options);
  }
  if (THROTTLING.has(name) || status === 429) {
    return new UnavailableError(
      "store_throttled",
      `${action}: too many requests${because}; run again later`,
      options,
    );
  }
  if (DAMAGED.has(name)) {
    return new UnavailableError(
      "transfer_failed",
      `${action}: bytes were damaged on the way${because}`,
      options,
    );
  }
  if (/certificate/i.test(error.message) || /CERT/.test(String(code))) {
    return new ConfigError("bad_certificate", `${action}: the server's certificate is not trusted`, options);
  }
  if (UNAVAILABLE.has(name) || (status ?? 0) >= 500 || NETWORK.has(String(code))) {
    const advice = "check store.endpoint and the network, and run again";
    return new UnavailableError(
      "store_unavailable",
      `${action}: no good answer${because}; ${advice}`,
      options,
    );
  }
  if (isRefusal(error)) {
    const advice = "check the bucket's and the user's policy";
    return new AccessError(`${action}: access denied${because}; ${advice}`, options);
  }
  // The SDK adds this to an answer that it could not parse, a web page for example.
  if ("$response" in error && (status === undefined || status < 400)) {
    return new UnavailableError(
      "store_unavailable",
      `${action}: the answer is not that of an S3 server`,
      options,
    );
  }
  return wrapSystemError(error, action);
}

function isFailure(error: unknown): error is Error & Failure {
  return error instanceof Error && !(error instanceof PipelineError) && !(error instanceof ObjectError);
}

/** Whether the server knows who asks, and says no. */
function isRefusal(error: Failure): boolean {
  return !CREDENTIALS.has(error.name) &&
    (ACCESS.has(error.name) || [401, 403].includes(statusOf(error) ?? 0));
}

function statusOf(error: Failure): number | undefined {
  return error.$metadata?.httpStatusCode;
}

/** Code and request id, by which whoever runs the server finds the request. */
function said(error: Failure): string {
  const known = error.name === "Error" || error.name === "Unknown" ? error.code : error.name;
  const status = statusOf(error);
  const id = error.$metadata?.requestId;
  const parts = [known ?? (status && `HTTP ${status}`), id && `request ${id}`].filter(Boolean);
  return parts.length > 0 ? ` (${parts.join(", ")})` : "";
}

/** Name and text of an error, and nothing else that a log could print. */
function reduced(error: Error): Error {
  return Object.assign(new Error(error.message), { name: error.name });
}
