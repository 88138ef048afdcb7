/**
 * Reads a configuration file: JSONC with references to the environment and to files, checked strictly.
 *
 * Every error names the file, the line and the key, never a value that might be a secret.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { type ConfigDocument, errorAt, findValue, readDocument } from "./document.ts";
import { type Config, configSchema, SECRET_FIELDS } from "./schema.ts";
import { freezeConfig, valueAt } from "./freeze.ts";
import { type ConfigWorld, resolveValues, type ValueOrigin } from "./values.ts";
import { ConfigError } from "../errors.ts";
import type { Redactor } from "../secrets/redactor.ts";

/** A configuration that was read and checked. */
export interface LoadedConfig {
  /** The effective configuration. */
  readonly config: Config;
  /** Gives the configuration without its secrets, for the manifest of a run; see {@linkcode freezeConfig}. */
  freeze(runId: string): Config;
  /** The origin of each value that the file gives, by its path, such as `database.password`. */
  readonly origins: ReadonlyMap<string, ValueOrigin>;
}

/** The variables in which the AWS default chain finds secrets (AWS SDKs reference guide, "Settings reference"). */
const AWS_SECRETS = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/**
 * Loads and checks a configuration file.
 *
 * @throws {ConfigError} for every fault in it, with file, line and key.
 */
export async function loadConfig(path: string, world: ConfigWorld): Promise<LoadedConfig> {
  const document = await readDocument(path);
  const { given, origins } = await resolveValues(document, document.root, world);
  addSecrets(given, world.redactor);
  const parsed = configSchema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.flatMap((issue) => describeIssue(document, issue));
    throw new ConfigError("invalid_config", lines.join("\n"));
  }
  const { $schema: _, ...config } = parsed.data;
  const { store, database } = config;
  const base = dirname(document.path);
  config.workDir = resolve(base, config.workDir);
  if (store.kind === "folder") store.path = resolve(base, store.path);
  if (database.kind === "duckdb") database.path = resolve(base, database.path);
  if (database.kind === "mysql" && database.tls?.caFile) {
    database.tls.caFile = resolve(base, database.tls.caFile);
  }
  if (store.kind === "s3" && store.credentials === undefined) addAwsSecrets(world);
  const encrypted = [...origins].flatMap(([path, { keyIndex }]) => keyIndex === undefined ? [] : path);
  addDerivedSecrets(config, encrypted, world.redactor);
  return { config, freeze: (runId) => freezeConfig(config, { encrypted, runId }), origins };
}

/**
 * Reads the work dir that a configuration file names, and nothing else: a compute stage needs no more, and no secret.
 *
 * @throws {ConfigError} if the file cannot be read or the key is not a string.
 */
export async function loadWorkDir(path: string, world: ConfigWorld): Promise<string> {
  const document = await readDocument(path);
  const node = findValue(document, ["workDir"]);
  const given = node ? (await resolveValues(document, node, world, ["workDir"])).given : "../data/work";
  if (typeof given !== "string" || given === "") throw errorAt(document, ["workDir"], "must be a path");
  return resolve(dirname(document.path), given);
}

/** The error for a value whose fault shows only once it is used, with file, line and key. */
export async function configFault(path: string, key: readonly string[], what: string): Promise<ConfigError> {
  return errorAt(await readDocument(path), key, what);
}

/** Makes secrets known before anything is checked: a fault's message may tell a value. */
function addSecrets(given: unknown, redactor: Redactor): void {
  for (const path of SECRET_FIELDS) {
    const value = valueAt(given, path);
    if (typeof value === "string") redactor.add(value);
  }
}

/** Makes known what encrypted values become in use: absolute paths, and a host without its URL. */
function addDerivedSecrets(config: Config, encrypted: readonly string[], redactor: Redactor): void {
  for (const path of encrypted) {
    const value = valueAt(config, path);
    if (typeof value !== "string") continue;
    redactor.add(value);
    const url = URL.parse(value);
    if (url?.protocol === "http:" || url?.protocol === "https:") {
      redactor.add(url.host);
      redactor.add(url.hostname);
    }
  }
}

/** Makes the secrets of the AWS default chain known, which the client reads by itself. */
function addAwsSecrets({ env, redactor }: ConfigWorld): void {
  for (const name of AWS_SECRETS) {
    try {
      redactor.add(env(name) ?? "");
    } catch {
      // The process may not read it, so that nothing in it can tell it either.
    }
  }
}

/** The lines that say what the schema says, one for each key that is not known. */
function describeIssue(document: ConfigDocument, issue: z.core.$ZodIssue): string[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => errorAt(document, [...path, key], "unknown key").message);
  }
  // A record says no more than "invalid" of a key; the issue within says why.
  if (issue.code === "invalid_key") {
    const inner = issue.issues[0]?.message ?? issue.message;
    return [errorAt(document, path, inner).message];
  }
  return [errorAt(document, path, issue.message).message];
}
