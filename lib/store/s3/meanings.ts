/**
 * What an error of S3 means for the store as a whole: which error ends the run, and what its user is told to do.
 *
 * The codes are those of the Amazon S3 API reference ("Error responses"), and what MinIO and versitygw have of their
 * own. Answers to HEAD have a status and no code. Of what a server says only code, text and request id are kept: the
 * rest of such an answer repeats parts of the request's signature.
 *
 * @module
 */
import {
  AccessError,
  ConfigError,
  type ErrorRule,
  PipelineError,
  UnavailableError,
  wrapByRule,
  wrapSystemError,
} from "../../errors.ts";
import { ObjectError } from "../store.ts";

/** What is looked at of an error of the SDK or of the network below it. */
export interface RawError extends Error {
  /** The system's code, as in `ECONNREFUSED`. */
  readonly code?: unknown;
  /** What the SDK adds to an answer. */
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

/** The credentials are missing, wrong or expired. */
export const CREDENTIALS = new Set([
  "AuthFailure",
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidAccessKeyId",
  "InvalidClientTokenId",
  "InvalidIdentityToken",
  "InvalidToken",
  "InvalidTokenId",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
  "TokenProviderError",
  "TokenRefreshRequired",
  "XAdminUserNotFound",
]);

/** The server knows who asks, and says no. */
export const ACCESS = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "AllAccessDisabled",
  "AccountProblem",
]);

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
export const DAMAGED = new Set([
  "BadDigest",
  "IncompleteBody",
  "InvalidDigest",
  "XAmzContentChecksumMismatch",
  "XAmzContentSHA256Mismatch",
]);

/** Answers of a server that has not all of S3. */
const LACKS = new Set(["MethodNotAllowed", "NotImplemented", "UnsupportedOperation"]);

/** What TLS makes of an answer that is none of it (OpenSSL, rustls). */
const NO_TLS = /wrong version number|packet length too long|InvalidContentType|corrupt message/i;

/** A server that does not wait in line for another writer of the same key says so. */
export const CONFLICT = new Set(["ConditionalRequestConflict", "OperationAborted"]);

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

/** What an error means for the store as a whole. */
const STORE_ERRORS: readonly ErrorRule<RawError>[] = [
  {
    matches: ({ name }) => name === "RequestTimeTooSkewed",
    Class: AccessError,
    text: (error) => `the credentials are missing, wrong or expired${said(error)}; set this machine's clock`,
  },
  {
    matches: ({ name }) => CREDENTIALS.has(name),
    Class: AccessError,
    text: (error) =>
      `the credentials are missing, wrong or expired${said(error)}; ` +
      "check store.credentials, or what the AWS default chain finds",
  },
  {
    matches: ({ name }) => name === "NoSuchBucket",
    Class: ConfigError,
    code: "store_missing",
    text: "there is no such bucket; check store.bucket",
  },
  {
    matches: ({ name }) => name === "InvalidBucketName",
    Class: ConfigError,
    code: "store_missing",
    text: "no bucket can have this name; check store.bucket",
  },
  {
    matches: (error) =>
      REGION.has(error.name) || statusOf(error) === 301 || error.message === "Region is missing",
    Class: ConfigError,
    code: "wrong_region",
    text: (error) =>
      `the region is missing or wrong${said(error)}; set store.region (or AWS_REGION) to the bucket's`,
  },
  {
    matches: ({ name }) => name === "NotCapable",
    Class: AccessError,
    text: "a permission of Deno is missing; " +
      "run deno with --allow-net for the endpoint, and --allow-env and --allow-read for credentials",
  },
  {
    matches: (error) => THROTTLING.has(error.name) || statusOf(error) === 429,
    Class: UnavailableError,
    code: "store_throttled",
    text: (error) => `too many requests${said(error)}; run again later`,
  },
  {
    matches: ({ name }) => DAMAGED.has(name),
    Class: UnavailableError,
    code: "transfer_failed",
    text: (error) => `bytes were damaged on the way${said(error)}`,
  },
  {
    matches: ({ message, code }) => /certificate/i.test(message) || /CERT/.test(String(code)),
    Class: ConfigError,
    code: "bad_certificate",
    text: "the server's certificate is not trusted, or not for this host; " +
      "name the file of its authority in store.caFile, or correct store.endpoint",
  },
  {
    matches: ({ message }) => NO_TLS.test(message),
    Class: ConfigError,
    code: "no_tls",
    text: "the server does not speak TLS at this port; store.endpoint may have to begin with http://",
  },
  {
    matches: (error) => LACKS.has(error.name) || [405, 501].includes(statusOf(error) ?? 0),
    Class: ConfigError,
    code: "store_lacks",
    text: (error) =>
      `the server lacks what is needed of S3${
        said(error)
      }: conditional writes, checksums, copies and multipart ` +
      "uploads; docs/configuration.md names servers that have it",
  },
  {
    matches: ({ code }) => code === "ENOTFOUND",
    Class: UnavailableError,
    code: "store_unavailable",
    text: (error) =>
      `there is no such host${
        said(error)
      }; check store.endpoint and the network (proxies are not used), and set ` +
      "store.forcePathStyle to true if the server has no host name for each bucket",
  },
  {
    matches: (error) =>
      UNAVAILABLE.has(error.name) || (statusOf(error) ?? 0) >= 500 || NETWORK.has(String(error.code)),
    Class: UnavailableError,
    code: "store_unavailable",
    text: (error) => `no good answer${said(error)}; check store.endpoint and the network, and run again`,
  },
  {
    matches: isRefusal,
    Class: AccessError,
    text: (error) => `access denied${said(error)}; check the bucket's and the user's policy`,
  },
  {
    // The SDK adds this to an answer that it could not parse, a web page for example.
    matches: (error) => "$response" in error && (statusOf(error) ?? 0) < 400,
    Class: UnavailableError,
    code: "store_unavailable",
    text: "the answer is not that of an S3 server",
  },
];

/**
 * The error for the store as a whole, or what was thrown as it is if nothing is known of it.
 *
 * @param action What was being done, as in `Cannot list "sales_data/" in s3://sales`.
 */
export function wrapStoreError(error: unknown, action: string): unknown {
  if (!isRaw(error)) return error;
  return wrapByRule(STORE_ERRORS, error, action, reduced(error)) ?? wrapSystemError(error, action);
}

/** Whether nothing has wrapped the error yet. */
export function isRaw(error: unknown): error is RawError {
  return error instanceof Error && !(error instanceof PipelineError) && !(error instanceof ObjectError);
}

/** Whether the server knows who asks, and says no. */
export function isRefusal(error: RawError): boolean {
  return !CREDENTIALS.has(error.name) &&
    (ACCESS.has(error.name) || [401, 403].includes(statusOf(error) ?? 0));
}

/** The status of an answer; `undefined` if there was none. */
export function statusOf(error: RawError): number | undefined {
  return error.$metadata?.httpStatusCode;
}

/** Code and request id, by which whoever runs the server finds the request. */
export function said(error: RawError): string {
  const known = error.name === "Error" || error.name === "Unknown" ? error.code : error.name;
  const status = statusOf(error);
  const id = error.$metadata?.requestId;
  const parts = [known ?? (status && `HTTP ${status}`), id && `request ${id}`].filter(Boolean);
  return parts.length > 0 ? ` (${parts.join(", ")})` : "";
}

/** Name and text of an error, and nothing else that a log could print. */
export function reduced(error: Error): Error {
  return Object.assign(new Error(error.message), { name: error.name });
}
