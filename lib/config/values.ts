/**
 * The values of a configuration file: with what they refer to put in, decrypted if they are encrypted, and with the
 * origin of each.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { type ConfigDocument, errorAt, type ValueNode, type ValuePath } from "./document.ts";
import {
  DecryptionError,
  decryptValue,
  ENCRYPTED_PREFIX,
  parseKeys,
  splitKeys,
} from "../secrets/encryption.ts";
import { ConfigError, messageOf } from "../errors.ts";
import type { Redactor } from "../secrets/redactor.ts";
import { decodeUtf8 } from "../text.ts";

/** Reads a variable of the environment; `undefined` if it is not set. Throws if the process may not read it. */
export type Environment = (name: string) => string | undefined;

/** What a configuration draws on, besides its own text. */
export interface ConfigWorld {
  /** The environment, for `${NAME}` and for the keys. */
  readonly env: Environment;
  /** Learns every secret before it is used. */
  readonly redactor: Redactor;
}

/** The source of a value of the configuration. */
export interface ValueOrigin {
  /** The origin, such as `file`, `environment MYSQL_PASSWORD`, `secret file /run/secrets/mysql`. Tells no value. */
  readonly source: string;
  /** The key that decrypted the value, from 0. A value that has one is secret, whatever field it is. */
  readonly keyIndex?: number;
}

/** Values as they are given, not yet checked, with their origins. */
export interface ResolvedValues {
  /** The values, as `JSON.parse` would give them. */
  readonly given: unknown;
  /** The origin of each string, number and boolean, by its path, such as `database.password`. */
  readonly origins: ReadonlyMap<string, ValueOrigin>;
}

/**
 * Puts in what a node's strings refer to, then decrypts what is encrypted. What was put in is not looked at again: a
 * value of the environment may have `${` in it.
 *
 * @param path The node's own path.
 * @throws {ConfigError} for a reference or an encrypted value that does not resolve, with file, line and key.
 */
export async function resolveValues(
  document: ConfigDocument,
  node: ValueNode,
  world: ConfigWorld,
  path: ValuePath = [],
): Promise<ResolvedValues> {
  const resolver = new Resolver(document, world);
  return { given: await resolver.resolve(node, path), origins: resolver.origins };
}

class Resolver {
  readonly origins = new Map<string, ValueOrigin>();
  readonly #document: ConfigDocument;
  readonly #world: ConfigWorld;
  #keys: Promise<CryptoKey[]> | null = null;

  constructor(document: ConfigDocument, world: ConfigWorld) {
    this.#document = document;
    this.#world = world;
  }

  async resolve(node: ValueNode, path: ValuePath): Promise<unknown> {
    if (node.type === "object") {
      const entries: [string, unknown][] = [];
      for (const property of node.children ?? []) {
        const [key, value] = property.children ?? [];
        const name = String(key?.value);
        if (value) entries.push([name, await this.resolve(value, [...path, name])]);
      }
      return Object.fromEntries(entries);
    }
    if (node.type === "array") {
      return await Promise.all((node.children ?? []).map((child, i) => this.resolve(child, [...path, i])));
    }
    if (typeof node.value === "string") return await this.#resolveString(node.value, path);
    this.origins.set(path.join("."), { source: "file" });
    return node.value;
  }

  async #resolveString(text: string, path: ValuePath): Promise<string> {
    const sources: string[] = [];
    let value = "";
    let end = 0;
    // Either `$$`, or `${` with everything up to the next brace, which is missing if the second group is empty.
    for (const match of text.matchAll(/\$(?:\$|\{([^}]*)(\}?))/g)) {
      value += text.slice(end, match.index);
      if (match[2] === "") throw this.#errorAt(path, "a reference that begins with ${ does not end in }");
      value += match[0] === "$$" ? "$" : await this.#resolveReference(match[1] ?? "", path, sources);
      end = match.index + match[0].length;
    }
    value += text.slice(end);
    const source = sources.join(" and ") || "file";
    if (!value.startsWith(ENCRYPTED_PREFIX)) {
      this.origins.set(path.join("."), { source });
      return value;
    }
    const decrypted = await this.#decrypt(value, path);
    this.#world.redactor.add(decrypted.value);
    this.origins.set(path.join("."), { source: `${source}, encrypted`, keyIndex: decrypted.keyIndex });
    return decrypted.value;
  }

  async #resolveReference(reference: string, path: ValuePath, sources: string[]): Promise<string> {
    if (reference.startsWith("file:")) {
      const file = resolve(dirname(this.#document.path), reference.slice("file:".length));
      sources.push(`secret file ${file}`);
      const bytes = await Deno.readFile(file).catch((cause) => {
        throw this.#errorAt(path, `cannot read the file ${file}`, cause);
      });
      const text = decodeUtf8(bytes);
      if (text === null) throw this.#errorAt(path, `the file ${file} is not UTF-8`);
      return text.replace(/\r?\n$/, "");
    }
    const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(reference) ?? [];
    if (fallback?.includes("${")) {
      throw this.#errorAt(path, `the default of ${name} may have no reference in it`);
    }
    if (name === undefined) {
      throw this.#errorAt(path, "a reference is ${NAME}, ${NAME:-default} or ${file:PATH}");
    }
    let found: string | undefined;
    try {
      found = this.#world.env(name);
    } catch (cause) {
      throw this.#errorAt(path, `may not read the environment variable ${name}`, cause);
    }
    // As in a shell, an empty variable takes the default as well.
    if (fallback !== undefined && !found) {
      sources.push(`file, as the default of ${name}`);
      return fallback;
    }
    if (found === undefined) throw this.#errorAt(path, `the environment variable ${name} is not set`);
    sources.push(`environment ${name}`);
    return found;
  }

  async #decrypt(text: string, path: ValuePath): Promise<{ value: string; keyIndex: number }> {
    try {
      this.#keys ??= readKeys(this.#world);
      const keys = await this.#keys;
      if (keys.length === 0) throw new DecryptionError(`is encrypted, and there is no key; ${SET_A_KEY}`);
      return await decryptValue(text, { path: path.join("."), keys });
    } catch (error) {
      if (error instanceof DecryptionError) throw this.#errorAt(path, error.message);
      if (error instanceof ConfigError) throw this.#errorAt(path, `is encrypted, and ${error.message}`);
      throw error;
    }
  }

  #errorAt(path: ValuePath, what: string, cause?: unknown): ConfigError {
    return errorAt(this.#document, path, what, cause);
  }
}

/** What to do if there is no key, for messages. */
export const SET_A_KEY = "set ETL_CONFIG_KEY, or ETL_CONFIG_KEY_FILE to a file that holds it";

/**
 * Reads the keys, the newest first: those in ETL_CONFIG_KEY, then those in the file that ETL_CONFIG_KEY_FILE names.
 *
 * @throws {ConfigError} `invalid_key` if the file cannot be read or a key has another form.
 */
export async function readKeys(world: ConfigWorld): Promise<CryptoKey[]> {
  const inline = readVariable(world, "ETL_CONFIG_KEY");
  const file = readVariable(world, "ETL_CONFIG_KEY_FILE");
  const keys: CryptoKey[] = [];
  const sources = { ETL_CONFIG_KEY: inline, ETL_CONFIG_KEY_FILE: file && await readKeyFile(file, world) };
  for (const [source, text] of Object.entries(sources)) {
    for (const key of splitKeys(text)) world.redactor.add(key);
    keys.push(...await parseKeys(text, source));
  }
  return keys;
}

function readVariable({ env }: ConfigWorld, name: string): string {
  try {
    return env(name) ?? "";
  } catch (cause) {
    throw keyError(messageOf(cause));
  }
}

async function readKeyFile(path: string, { redactor }: ConfigWorld): Promise<string> {
  // Somebody may have put the key itself here, which no message may print. If the file is there, it was a path after all.
  const mistaken = splitKeys(path).filter((word) => LIKE_A_KEY.test(word));
  for (const word of mistaken) redactor.add(word);
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (cause) {
    if (mistaken.length === 0) throw keyError(messageOf(cause));
    throw new ConfigError(
      "invalid_key",
      "ETL_CONFIG_KEY_FILE holds a key, not the path of a file with one; a key goes into ETL_CONFIG_KEY",
    );
  }
  const text = decodeUtf8(bytes);
  if (text === null) throw keyError(`${path} is not UTF-8`);
  return text;
}

/** Base64 of about 32 bytes: a key may have been cut by mistake. */
const LIKE_A_KEY = /^[A-Za-z0-9+/_-]{40,}={0,2}$/;

/** The error for a key that cannot be read. */
function keyError(why: string): ConfigError {
  return new ConfigError(
    "invalid_key",
    `the key cannot be read; ${SET_A_KEY}, and let this process read it (${why})`,
  );
}
