/**
 * The settings of a store as the configuration file has them: its keys, defaults and limits.
 *
 * @module
 */
import { z } from "zod";
import { secretField } from "../secrets/field.ts";

const text = z.string().min(1);

const endpoint = z.url({ protocol: /^https?$/, abort: true }).refine((url) => {
  const { username, password, pathname, search, hash } = new URL(url);
  return username + password + search + hash === "" && pathname === "/";
}, "must be scheme, host and port only; accounts go into store.credentials, the bucket into store.bucket");

const folder = z.strictObject({
  kind: z.literal("folder"),
  path: text.describe("Folder that holds the objects, relative to this file."),
});

const s3 = z.strictObject({
  kind: z.literal("s3"),
  bucket: text,
  region: text.optional(),
  endpoint: endpoint.optional().describe("For S3-compatible servers."),
  forcePathStyle: z.boolean().default(false),
  caFile: text.optional().describe(
    "PEM of the authority of the endpoint's certificate, if it is one of your own.",
  ),
  credentials: z.strictObject({
    accessKeyId: secretField(text),
    secretAccessKey: secretField(text),
    sessionToken: secretField(text).optional(),
  }).optional().describe("Left out: the AWS default chain (environment, profile, IRSA, Pod Identity)."),
});

/**
 * The settings' shape.
 *
 * @internal
 */
export const storeSchema = z.discriminatedUnion("kind", [folder, s3]);

/** The settings of any kind of store, with every default filled in. */
export type StoreSettings = ReturnType<typeof storeSchema.parse>;
