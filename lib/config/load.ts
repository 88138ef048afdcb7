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
import { type Config, configSchema, pathFields, SECRET_FIELDS } from "./schema.ts";
import { freezeConfig, setValueAt, valueAt } from "./freeze.ts";
import { type ConfigWorld, resolveValues, type ValueOrigin } from "./values.ts";
import { ConfigError } from "../errors.ts";
import type { Redactor } from "../secrets/redactor.ts";
import { storeBackend } from "../store/open.ts";

/** A configuration that was read and checked. */
export interface LoadedConfig {
  /** The effective configuration. */
  readonly config: Config;
  /** Gives the configuration without its secrets, for the manifest of a run; see {@linkcode freezeConfig}. */
  freeze(runId: string): Config;
  /** The file as it was written. */
  readonly document: ConfigDocument;
  /** The origin of each value that the file gives, by its path, such as `database.password`. */
  readonly origins: ReadonlyMap<string, ValueOrigin>;
}

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
  const base = dirname(document.path);
  config.workDir = resolve(base, config.workDir);
  if (config.model !== undefined) config.model = resolve(base, config.model);
  for (const field of pathFields(config, "paths")) {
    const given = valueAt(config, field);
    if (typeof given === "string") setValueAt(config, field, resolve(base, given));
  }
  for (const name of storeBackend(config.store).secretVariables(config.store)) addVariable(name, world);
  const encrypted = [...origins].flatMap(([path, { keyIndex }]) => keyIndex === undefined ? [] : path);
  addDerivedSecrets(config, encrypted, world.redactor);
  return { config, document, freeze: (runId) => freezeConfig(config, { encrypted, runId }), origins };
}

/** What a configuration says of files, for commands that use neither its store nor its database. */
const FILE_SETTINGS = ["model", "prefixes", "contract", "csv", "resources"];

/**
 * Reads what a configuration says of files, and nothing else: no secret need be there.
 *
 * @throws {ConfigError} for every fault in that, with file, line and key.
 */
export async function loadFileSettings(
  path: string,
  world: ConfigWorld,
): Promise<Pick<LoadedConfig, "config" | "document">> {
  const document = await readDocument(path);
  // What stands for store and database is not used.
  const given: Record<string, unknown> = {
    store: { kind: "folder", path: "." },
    database: { kind: "duckdb", path: "." },
  };
  for (const key of FILE_SETTINGS) {
    const node = findValue(document, [key]);
    if (node) given[key] = (await resolveValues(document, node, world, [key])).given;
  }
  const parsed = configSchema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.flatMap((issue) => describeIssue(document, issue));
    throw new ConfigError("invalid_config", lines.join("\n"));
  }
  const { $schema: _, ...config } = parsed.data;
  if (config.model !== undefined) config.model = resolve(dirname(document.path), config.model);
  return { config, document };
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

/** Makes a secret known that the store reads by itself. */
function addVariable(name: string, { env, redactor }: ConfigWorld): void {
  try {
    redactor.add(env(name) ?? "");
  } catch {
    // The process may not read it, so that nothing in it can tell it either.
  }
}

/**
 * The lines that say what the schema says, one for each key that is not known.
 *
 * @internal
 */
export function describeIssue(document: ConfigDocument, issue: z.ZodError["issues"][number]): string[] {
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
