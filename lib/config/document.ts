/**
 * A configuration file as it was written: JSONC with the place of every value, so that messages can point at it and
 * single values can be replaced.
 *
 * @module
 */
import {
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from "jsonc-parser";
import { resolve } from "node:path";
import { ConfigError, messageOf } from "../errors.ts";
import { decodeUtf8 } from "../text.ts";

/** The path to a value of a document: keys, and positions in arrays. */
export type ValuePath = readonly (string | number)[];

/** A value of the file, or a key with its value (`property`), as package `jsonc-parser` gives it with its place. */
export interface ValueNode {
  /** What kind of node it is. The children of an object are properties, those of a property its key and its value. */
  readonly type: "object" | "array" | "property" | "string" | "number" | "boolean" | "null";
  /** The value of a string, number or boolean. */
  readonly value?: unknown;
  /** The position at which the node's text begins, in UTF-16 code units. */
  readonly offset: number;
  /** The length of the node's text, in UTF-16 code units. */
  readonly length: number;
  /** The node that this one is a child of; the root has none. */
  readonly parent?: ValueNode;
  /** The nodes that this one is made of; see `type`. */
  readonly children?: ValueNode[];
}

/** A parsed file, with what it takes to point into it. */
export interface ConfigDocument {
  /** The file's absolute path. */
  readonly path: string;
  /** The file's whole text. */
  readonly text: string;
  /** The node of the whole file, an object. */
  readonly root: ValueNode;
}

/** A byte order mark, which some editors write and the parser does not know. */
const BOM = /^\ufeff/;

/**
 * Reads and parses a configuration file.
 *
 * @throws {ConfigError} if it cannot be read, is not UTF-8, is not JSONC, is no object, or has a key twice.
 */
export async function readDocument(path: string, what = "the configuration"): Promise<ConfigDocument> {
  const full = resolve(path);
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(full);
  } catch (cause) {
    throw new ConfigError(
      "config_unreadable",
      `Cannot read ${what} ${full}; ${
        what === "the configuration"
          ? "name another with --config FILE or ETL_CONFIG"
          : '"model" names it in the configuration'
      }`,
      { cause },
    );
  }
  const text = decodeUtf8(bytes);
  if (text === null) throw new ConfigError("invalid_config", `${full}: is not UTF-8; save it as UTF-8`);
  return parseDocument(full, text);
}

/**
 * Parses the text of a configuration file.
 *
 * @param path The file's absolute path, for messages.
 * @throws {ConfigError} if it is not JSONC, is no object, has a key twice, or the key `__proto__`.
 */
export function parseDocument(path: string, text: string): ConfigDocument {
  const errors: ParseError[] = [];
  // A blank in the mark's place leaves every position as it is in the file.
  const root = parseTree(text.replace(BOM, " "), errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first || root?.type !== "object") {
    const where = `${path}:${lineAt(text, first?.offset ?? 0)}`;
    const what = first ? printParseErrorCode(first.error) : "the file must hold one JSON object";
    throw new ConfigError("invalid_config", `${where}: not valid JSONC: ${what}`);
  }
  const document: ConfigDocument = { path, text, root: root as ValueNode };
  requireKeys(document, document.root);
  return document;
}

/**
 * JSON takes the last of two equal keys in silence, and JavaScript loses one key: who wrote it believes that it counts.
 */
function requireKeys(document: ConfigDocument, node: ValueNode): void {
  const seen = new Set<unknown>(["__proto__"]);
  for (const child of node.children ?? []) {
    const key = child.type === "property" ? child.children?.[0] : undefined;
    if (key && seen.has(key.value)) {
      const where = `${document.path}:${lineAt(document.text, key.offset)}`;
      const what = key.value === "__proto__" ? "is reserved" : "given twice";
      throw new ConfigError("invalid_config", `${where}: ${key.value}: ${what}`);
    }
    if (key) seen.add(key.value);
    requireKeys(document, child);
  }
}

/** All strings of a document that are values (not keys), each with its path. */
export function* stringsOf(
  node: ValueNode,
  path: ValuePath = [],
): Generator<{ path: ValuePath; text: string; node: ValueNode }> {
  if (typeof node.value === "string") yield { path, text: node.value, node };
  for (const [i, child] of (node.children ?? []).entries()) {
    if (node.type === "array") yield* stringsOf(child, [...path, i]);
    const [key, value] = child.type === "property" ? child.children ?? [] : [];
    if (key && value) yield* stringsOf(value, [...path, String(key.value)]);
  }
}

/** The values of a node, as JSON has them. */
export function valuesOf(node: ValueNode): unknown {
  return getNodeValue(node as Node);
}

/** The node of a value; `undefined` if the file does not have it. */
export function findValue({ root }: ConfigDocument, path: ValuePath): ValueNode | undefined {
  return findNodeAtLocation(root as Node, [...path]) as ValueNode | undefined;
}

/**
 * The error for a fault of a value, with file, line and key. If the file does not have the value, the line is that of
 * what it would stand in.
 *
 * @param what The fault in words, which tell no value that may be secret; nor may the cause.
 */
export function errorAt(
  document: ConfigDocument,
  path: ValuePath,
  what: string,
  cause?: unknown,
): ConfigError {
  let node: ValueNode | undefined;
  for (let depth = path.length; depth >= 0 && !node; depth--) {
    node = findValue(document, path.slice(0, depth));
  }
  // The node's parent is the property, which begins where its key does.
  const where = `${document.path}:${lineAt(document.text, (node?.parent ?? node)?.offset ?? 0)}`;
  const fault = cause === undefined ? what : `${what} (${messageOf(cause)})`;
  return new ConfigError("invalid_config", `${where}: ${path.join(".") || "configuration"}: ${fault}`);
}

/** The line of a position, from 1. */
function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
