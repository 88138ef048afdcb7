/**
 * Reads a configuration file: JSONC with references to the environment and to files, checked strictly.
 *
 * Every error names the file, the line and the key, never a value that might be a secret.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { type ConfigDocument, findValue, problem, readDocument } from "./document.ts";
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
  /** The same without its secrets, as the manifest of a run keeps it; see {@linkcode freezeConfig}. */
  freeze(runId: string): Config;
  /** Where each value that the file gives came from, by its path, its parts joined with dots. */
  readonly origins: ReadonlyMap<string, ValueOrigin>;
}

/**
 * Loads and checks a configuration file.
 *
 * @throws {ConfigError} for anything wrong in it, with file, line and key.
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
  for (const field of pathFields(config, "paths")) {
    const given = valueAt(config, field);
    if (typeof given === "string") setValueAt(config, field, resolve(base, given));
  }
  for (const name of storeBackend(config.store).secretVariables(config.store)) addVariable(name, world);
  const encrypted = [...origins].flatMap(([path, { keyIndex }]) => keyIndex === undefined ? [] : path);
  addDerivedSecrets(config, encrypted, world.redactor);
  return { config, freeze: (runId) => freezeConfig(config, { encrypted, runId }), origins };
}

/**
 * The work dir that a configuration file names, and nothing else of it: a compute stage needs no more, and no secret.
 *
 * @throws {ConfigError} where the file cannot be read or the key is not a string.
 */
export async function loadWorkDir(path: string, world: ConfigWorld): Promise<string> {
  const document = await readDocument(path);
  const node = findValue(document, ["workDir"]);
  const given = node ? (await resolveValues(document, node, world, ["workDir"])).given : "../data/work";
  if (typeof given !== "string" || given === "") throw problem(document, ["workDir"], "must be a path");
  return resolve(dirname(document.path), given);
}

/** The error for a value that only turns out to be wrong when it is used, with file, line and key. */
export async function configFault(path: string, key: readonly string[], what: string): Promise<ConfigError> {
  return problem(await readDocument(path), key, what);
}

/** Before anything is checked: what fails is reported, and must be known to be secret by then. */
function addSecrets(given: unknown, redactor: Redactor): void {
  for (const path of SECRET_FIELDS) {
    const value = valueAt(given, path);
    if (typeof value === "string") redactor.add(value);
  }
}

/** What encrypted values become in use: absolute paths, and a host without its URL. */
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

function addVariable(name: string, { env, redactor }: ConfigWorld): void {
  try {
    redactor.add(env(name) ?? "");
  } catch {
    // May not be read: then nobody else in this process can read it either.
  }
}

function describeIssue(document: ConfigDocument, issue: z.core.$ZodIssue): string[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => problem(document, [...path, key], "unknown key").message);
  }
  // A union or record hides what is wrong behind "invalid"; the inner issue says it.
  if (issue.code === "invalid_key") {
    const inner = issue.issues[0]?.message ?? issue.message;
    return [problem(document, path, inner).message];
  }
  return [problem(document, path, issue.message).message];
}
