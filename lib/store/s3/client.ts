/**
 * The client of Amazon's SDK: which server it asks, as whom, and for how long.
 *
 * The SDK retries requests, with jitter. Bytes that were damaged on the way, a conflict with another writer and an
 * answer that does not come in time are retried too.
 *
 * @module
 */
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import type { Secret } from "../../secrets/secret.ts";
import { isPassing } from "./errors.ts";
import { type S3Limits, within } from "./limits.ts";

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
  /** PEM file of the authorities to trust in place of the built-in ones. */
  readonly caFile?: string | undefined;
  /** Left out: the AWS default chain (environment, profile, IRSA, Pod Identity, instance). */
  readonly credentials?: {
    readonly accessKeyId: Secret;
    readonly secretAccessKey: Secret;
    readonly sessionToken?: Secret | undefined;
  } | undefined;
}

/** What a client is opened with besides its configuration. */
export interface ClientOptions {
  /** Deadlines and sizes. */
  readonly limits: S3Limits;
  /** The authorities of {@linkcode S3Config.caFile}. */
  readonly ca?: string | undefined;
  /** Learns the secrets that the AWS default chain finds, before they are used. */
  readonly learnSecret?: ((value: string) => void) | undefined;
}

/**
 * Opens a client, which connects to nothing yet.
 *
 * @internal
 */
export function openClient(config: S3Config, { limits, ca, learnSecret }: ClientOptions): S3Client {
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
    // Else every large request asks first, on a connection of its own, and waits for servers that do not know that.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: limits.connectTimeoutMs,
      socketTimeout: limits.silenceTimeoutMs,
      httpAgent: agent,
      httpsAgent: { ...agent, ...ca !== undefined && { ca } },
    },
  } as S3ClientConfig);
  // This runs within the SDK's own retries, which then send the request again.
  client.middlewareStack.add((next) => async (args) => {
    try {
      return await within(limits.answerTimeoutMs, next(args));
    } catch (error) {
      throw isPassing(error) ? Object.assign(error as Error, { $retryable: {} }) : error;
    }
  }, { step: "finalizeRequest", priority: "low", name: "deadlineAndDamage" });
  if (learnSecret) learnCredentials(client, learnSecret);
  return client;
}

/** Tells what the client signs with each time that it gets it: the secrets of a role change. */
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
