/**
 * The shape of a configuration file: its keys, defaults and limits. `config/schema.json` is made from it, for editors.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { z } from "zod";
import { contractSettingsSchema, csvSchema } from "../contract/schema.ts";
import { faultOfGlob } from "../glob.ts";
import { databaseSchema } from "../database/config.ts";
import { DATABASE_SECRETS, databaseBackend } from "../database/open.ts";
import { storeSchema } from "../store/config.ts";
import { STORE_SECRETS, storeBackend } from "../store/open.ts";

const text = z.string().min(1);

/** The fields that are secrets by themselves, wherever their values come from. */
export const SECRET_FIELDS: readonly string[] = [
  ...STORE_SECRETS.map((field) => `store.${field}`),
  ...DATABASE_SECRETS.map((field) => `database.${field}`),
];

/** A key has at most 1,024 bytes in S3, and a file's name 255 in a folder; what follows a prefix needs its part. */
function isPrefixOfKeys(prefix: string): boolean {
  return Buffer.byteLength(prefix) <= 512 &&
    prefix.split("/").every((segment) => Buffer.byteLength(segment) <= 255);
}

/**
 * A prefix of keys in the object store, which ends in a slash.
 *
 * @internal
 */
export const prefixSchema = z.string().regex(
  /^(?!\.{1,2}\/)[^/\0]+\/(?:(?!\.{1,2}\/)[^/\0]+\/)*$/,
  'must end in "/" and have no empty, "." or ".." segment',
).refine(isPrefixOfKeys, "must have at most 512 bytes, and 255 in a segment");

const modelPrefix = prefixSchema.optional().describe("Left out: the model's.");

const prefixes = z.strictObject({
  source: modelPrefix,
  processed: modelPrefix,
  error: modelPrefix,
  customerMart: modelPrefix,
  salesMart: modelPrefix,
  salesPartitionedMart: modelPrefix,
  acceptedSales: modelPrefix,
  staging: prefixSchema.default("_staging/"),
  runs: prefixSchema.default("_runs/"),
}).superRefine((given, issues) => {
  // Those that are the model's are compared with it, and with these, when the model is loaded.
  const all = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const]
  );
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

/** Names that other programs leave beside the files that they deliver, and are no delivery. */
export const IGNORED_NAMES: readonly string[] = [
  "*.filepart", // WinSCP
  "*.crdownload", // Chrome
  "*_$folder$", // Hadoop's folder markers
  "_SUCCESS", // Spark
  "*.ok",
  "*.done",
  "*.md5",
  "Thumbs.db", // Windows
];

const glob = z.string().superRefine((pattern, issues) => {
  const message = faultOfGlob(pattern);
  if (message !== null) issues.addIssue({ code: "custom", message });
});

/**
 * The configuration file's shape, with its defaults.
 *
 * @internal
 */
export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  store: storeSchema,
  database: databaseSchema,
  workDir: text.default("../data/work"),
  model: text.optional().describe(
    "Dimensions, datasets and marts, relative to this file. Left out: the shipped model.",
  ),
  prefixes: prefixes.prefault({}),
  contract: contractSettingsSchema.prefault({}),
  csv: csvSchema.prefault({}),
  landing: z.strictObject({
    ignore: z.array(glob).max(1000).default([...IGNORED_NAMES]).describe(
      "Globs: names below a landing prefix that are left alone.",
    ),
  }).prefault({}),
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
/** The prefixes of the pipeline's own objects and of the shipped model's; each ends in a slash. */
export type Prefixes = Config["prefixes"];

/** The fields of store and database that are paths, or those of them that name a file: as in `database.tls.caFile`. */
export function pathFields({ store, database }: Config, which: "paths" | "files"): string[] {
  return [
    ...storeBackend(store)[which].map((field) => `store.${field}`),
    ...databaseBackend(database)[which].map((field) => `database.${field}`),
  ];
}

/** The JSON Schema of the configuration file, as text with a final line end. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" });
  return JSON.stringify({ title: "nightly-marts configuration", ...schema }, null, 2) + "\n";
}
