/**
 * Reads a configuration file: JSONC with references to the environment and to files, checked strictly.
 *
 * Every error names the file, the line and the key, never a value that might be a secret.
 *
 * @module
 */
import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { type Config, configSchema } from "./config_schema.ts";
import { ConfigError, messageOf } from "./errors.ts";

/** A value of the environment, `undefined` where it is not set. */
export type Environment = (name: string) => string | undefined;

/** What a manifest keeps of a configuration: everything but its secrets. */
export type FrozenConfig = Config;

/**
 * Loads and checks a configuration file.
 *
 * @throws {ConfigError} for anything wrong in it, with file, line and key.
 */
export async function loadConfig(path: string, env: Environment): Promise<Config> {
  const document = await readDocument(path);
  const given = await resolveReferences(document, document.root, [], env);
  const parsed = configSchema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.flatMap((issue) => describeIssue(document, issue));
    throw new ConfigError("invalid_config", lines.join("\n"));
  }
  const { $schema: _, ...config } = parsed.data;
  const base = dirname(document.path);
  config.workDir = resolve(base, config.workDir);
  if (config.store.kind === "folder") config.store.path = resolve(base, config.store.path);
  if (config.database.kind === "duckdb") config.database.path = resolve(base, config.database.path);
  if (config.database.kind === "mysql" && config.database.tls?.caFile) {
    config.database.tls.caFile = resolve(base, config.database.tls.caFile);
  }
  return config;
}

/**
 * The work dir that a configuration file names, and nothing else of it: a compute stage needs no more, and no secret.
 *
 * @throws {ConfigError} where the file cannot be read or the key is not a string.
 */
export async function loadWorkDir(path: string, env: Environment): Promise<string> {
  const document = await readDocument(path);
  const node = findNodeAtLocation(document.root, ["workDir"]);
  const given = node ? await resolveReferences(document, node, ["workDir"], env) : "../data/work";
  if (typeof given !== "string" || given === "") throw problem(document, ["workDir"], "must be a path");
  return resolve(dirname(document.path), given);
}

/** The error for a value that only turns out to be wrong when it is used, with file, line and key. */
export async function configFault(path: string, key: readonly string[], what: string): Promise<ConfigError> {
  return problem(await readDocument(path), [...key], what);
}

/** The configuration without its secrets, as the manifest keeps it. */
export function freezeConfig(config: Config): FrozenConfig {
  const frozen = structuredClone(config);
  if (frozen.store.kind === "s3") delete frozen.store.credentials;
  if (frozen.database.kind === "mysql") frozen.database.password = "";
  return frozen;
}

/** SHA-256 of a frozen configuration, in hex. */
export function configHash(config: FrozenConfig): string {
  return createHash("sha256").update(JSON.stringify(config)).digest("hex");
}

/** A parsed file with what is needed to point into it. */
interface ConfigDocument {
  readonly path: string;
  readonly text: string;
  readonly root: Node;
}

async function readDocument(path: string): Promise<ConfigDocument> {
  const full = resolve(path);
  let text: string;
  try {
    text = (await Deno.readTextFile(full)).replace(/^\ufeff/, "");
  } catch (cause) {
    throw new ConfigError(
      "config_unreadable",
      `Cannot read the configuration ${full}; name another with --config FILE or ETL_CONFIG`,
      { cause },
    );
  }
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first || root?.type !== "object") {
    const where = `${full}:${lineAt(text, first?.offset ?? 0)}`;
    const what = first ? printParseErrorCode(first.error) : "the file must hold one JSON object";
    throw new ConfigError("invalid_config", `${where}: not valid JSONC: ${what}`);
  }
  rejectRepeatedKeys({ path: full, text, root }, root);
  return { path: full, text, root };
}

function rejectRepeatedKeys(document: ConfigDocument, node: Node): void {
  const seen = new Set<unknown>();
  for (const child of node.children ?? []) {
    const key = child.type === "property" ? child.children?.[0] : undefined;
    if (key && seen.has(key.value)) {
      const where = `${document.path}:${lineAt(document.text, key.offset)}`;
      throw new ConfigError("invalid_config", `${where}: ${key.value}: given twice`);
    }
    if (key) seen.add(key.value);
    rejectRepeatedKeys(document, child);
  }
}

/** The value of a node with `${…}` and `$$` replaced in every string. */
async function resolveReferences(
  document: ConfigDocument,
  node: Node,
  path: (string | number)[],
  env: Environment,
): Promise<unknown> {
  if (node.type === "object") {
    const entries: [string, unknown][] = [];
    for (const property of node.children ?? []) {
      const [key, value] = property.children ?? [];
      if (key && value) {
        entries.push([key.value, await resolveReferences(document, value, [...path, key.value], env)]);
      }
    }
    return Object.fromEntries(entries);
  }
  if (node.type === "array") {
    const items = (node.children ?? []).map((child, i) =>
      resolveReferences(document, child, [...path, i], env)
    );
    return await Promise.all(items);
  }
  if (node.type !== "string") return node.value;
  if (node.value.startsWith("enc:")) {
    throw problem(
      document,
      path,
      "this version cannot decrypt encrypted values; use ${NAME} or ${file:PATH}",
    );
  }
  let value = "";
  let end = 0;
  for (const match of (node.value as string).matchAll(/\$(?:\$|\{([^}]*)(\}?))/g)) {
    value += node.value.slice(end, match.index);
    if (match[2] === "") throw problem(document, path, "a reference that begins with ${ does not end in }");
    value += match[0] === "$$" ? "$" : await resolveReference(document, match[1] ?? "", path, env);
    end = match.index + match[0].length;
  }
  return value + node.value.slice(end);
}

async function resolveReference(
  document: ConfigDocument,
  reference: string,
  path: (string | number)[],
  env: Environment,
): Promise<string> {
  if (reference.startsWith("file:")) {
    const file = resolve(dirname(document.path), reference.slice("file:".length));
    try {
      return (await Deno.readTextFile(file)).replace(/\r?\n$/, "");
    } catch (cause) {
      throw problem(document, path, `cannot read the file ${file}`, cause);
    }
  }
  const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(reference) ?? [];
  if (name === undefined) {
    throw problem(document, path, "a reference is ${NAME}, ${NAME:-default} or ${file:PATH}");
  }
  let found: string | undefined;
  try {
    found = env(name);
  } catch (cause) {
    throw problem(document, path, `may not read the environment variable ${name}`, cause);
  }
  // As in a shell, an empty variable takes the default too.
  const value = fallback !== undefined && !found ? fallback : found;
  if (value === undefined) throw problem(document, path, `the environment variable ${name} is not set`);
  return value;
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

function problem(
  document: ConfigDocument,
  path: (string | number)[],
  what: string,
  cause?: unknown,
): ConfigError {
  let node: Node | undefined;
  for (let depth = path.length; depth >= 0 && !node; depth--) {
    node = findNodeAtLocation(document.root, path.slice(0, depth));
  }
  const where = `${document.path}:${lineAt(document.text, (node?.parent ?? node)?.offset ?? 0)}`;
  const reason = cause === undefined ? what : `${what} (${messageOf(cause)})`;
  return new ConfigError("invalid_config", `${where}: ${path.join(".") || "configuration"}: ${reason}`);
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
