/**
 * The shape of a configuration file: its keys, defaults and limits. `config/schema.json` is made from it, for editors.
 *
 * @module
 */
import { isIP } from "node:net";
import { z } from "zod";
import { contractSchema, csvSchema } from "../contract/schema.ts";
import { usesTls } from "../database/mysql/tls.ts";
import { Secret } from "../secrets/secret.ts";

const text = z.string().min(1);

/** A field that is secret by itself; each is in {@linkcode SECRET_FIELDS} too. */
const secret = (given: z.ZodString) => given.transform((value) => new Secret(value));

/** The fields that are secrets by themselves, wherever their values come from. */
export const SECRET_FIELDS = [
  "store.credentials.accessKeyId",
  "store.credentials.secretAccessKey",
  "store.credentials.sessionToken",
  "database.password",
] as const;

const endpoint = z.url({ protocol: /^https?$/, abort: true }).refine((url) => {
  const { username, password, search, hash } = new URL(url);
  return username + password + search + hash === "";
}, "must be scheme, host and port only; accounts go into store.credentials");

const folderStore = z.strictObject({
  kind: z.literal("folder"),
  path: text.describe("Folder that holds the objects, relative to this file."),
});

const s3Store = z.strictObject({
  kind: z.literal("s3"),
  bucket: text,
  region: text.optional(),
  endpoint: endpoint.optional().describe("For S3-compatible servers."),
  forcePathStyle: z.boolean().default(false),
  credentials: z.strictObject({
    accessKeyId: secret(text),
    secretAccessKey: secret(text),
    sessionToken: secret(text).optional(),
  }).optional().describe("Left out: the AWS default chain (environment, profile, IRSA, Pod Identity)."),
});

const duckdbDatabase = z.strictObject({
  kind: z.literal("duckdb"),
  path: text.describe("DuckDB file, relative to this file."),
});

const mysqlDatabase = z.strictObject({
  kind: z.literal("mysql"),
  host: text,
  port: z.int().min(1).max(65535).default(3306),
  database: text,
  user: text,
  password: secret(z.string()),
  tls: z.strictObject({ mode: z.enum(["required", "off"]), caFile: text.optional() }).optional()
    .describe("Left out: required, except for loopback hosts: off."),
}).refine(({ host, tls }) => !usesTls(host, tls?.mode) || isIP(host) === 0, {
  path: ["host"],
  // The driver checks names only, and would take any certificate of a known authority for that of an address.
  error: "must be a name, not an address, for TLS to check the certificate",
});

const prefix = z.string().regex(
  /^(?!\.{1,2}\/)[^/\0]+\/(?:(?!\.{1,2}\/)[^/\0]+\/)*$/,
  'must end in "/" and have no empty, "." or ".." segment',
);

const prefixes = z.strictObject({
  source: prefix.default("sales_data/"),
  processed: prefix.default("sales_data_processed/"),
  error: prefix.default("sales_data_error/"),
  customerMart: prefix.default("customer_data_mart/"),
  salesMart: prefix.default("sales_data_mart/"),
  salesPartitionedMart: prefix.default("sales_partitioned_data_mart/"),
  acceptedSales: prefix.default("accepted_sales/"),
  staging: prefix.default("_staging/"),
  runs: prefix.default("_runs/"),
}).superRefine((given, issues) => {
  const all = Object.entries(given);
  for (const [name, value] of all) {
    const outer = all.find(([other, held]) => other !== name && held !== "" && value.startsWith(held));
    if (!outer) continue;
    issues.addIssue({
      code: "custom",
      path: [name],
      message: `"${value}" lies within "${outer[1]}" (${outer[0]})`,
    });
  }
});

/**
 * The configuration file's shape, with its defaults.
 *
 * @internal
 */
export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  store: z.discriminatedUnion("kind", [folderStore, s3Store]),
  database: z.discriminatedUnion("kind", [duckdbDatabase, mysqlDatabase]),
  workDir: text.default("../data/work"),
  prefixes: prefixes.prefault({}),
  contract: contractSchema.prefault({}),
  csv: csvSchema.prefault({}),
  lease: z.strictObject({
    ttlSeconds: z.int().min(1).default(900),
    waitSeconds: z.int().min(0).default(0),
  }).prefault({}),
  incentivePercent: z.number().min(0).max(100)
    .refine((value) => /^-?\d+(\.\d{1,4})?$/.test(String(value)), "must have at most 4 decimals").default(1),
  resources: z.strictObject({
    memoryLimit: z.string().regex(/^(auto|\d+(\.\d+)? ?[KMGT]i?B)$/, 'must be "auto" or a size like "2GiB"')
      .default("auto"),
    threads: z.union([z.literal("auto"), z.int().min(1).max(1024)], {
      error: 'must be "auto" or a whole number',
    }).default("auto"),
  }).prefault({}),
}).superRefine((given, issues) => {
  const { delimiter, quote } = given.csv;
  for (const name of ["delimiter", "quote"] as const) {
    // A value with such a mark in it could not be told from two fields, or from a quoted one.
    if (/[A-Za-z0-9.+\- ]/.test(name === "delimiter" ? delimiter : quote)) {
      issues.addIssue({
        code: "custom",
        path: ["csv", name],
        message: "may not be a character that values have",
      });
    }
  }
});

/** A configuration as the stages see it: with every default, and with absolute paths. */
export type Config = Omit<ReturnType<typeof configSchema.parse>, "$schema">;
/** The prefixes of the store's keys; each ends in a slash. */
export type Prefixes = Config["prefixes"];

/** The JSON Schema of the configuration file, as text with a final line end. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" });
  return JSON.stringify({ title: "nightly-marts configuration", ...schema }, null, 2) + "\n";
}
