/**
 * A configuration file as it was written: JSONC with the place of every value, so that messages can point at it and
 * single values can be replaced.
 *
 * @module
 */
import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { resolve } from "node:path";
import { ConfigError, messageOf } from "../errors.ts";
import { decodeUtf8 } from "../text.ts";

/** Where a value stands: the keys, and positions in arrays, that lead to it. */
export type ValuePath = readonly (string | number)[];

/** A value of the file, or a key with its value (`property`), and its place, as package `jsonc-parser` gives it. */
export interface ValueNode {
  /** What it is; the children of an object are properties, those of a property its key and its value. */
  readonly type: "object" | "array" | "property" | "string" | "number" | "boolean" | "null";
  /** Of a string, number or boolean. */
  readonly value?: unknown;
  /** Where its text begins, in UTF-16 code units. */
  readonly offset: number;
  /** Of its text, in UTF-16 code units. */
  readonly length: number;
  /** What it stands in. */
  readonly parent?: ValueNode;
  /** See `type`. */
  readonly children?: ValueNode[];
}

/** A parsed file with what is needed to point into it. */
export interface ConfigDocument {
  /** Absolute. */
  readonly path: string;
  /** As in the file. */
  readonly text: string;
  /** An object. */
  readonly root: ValueNode;
}

/** A byte order mark, which some editors write; the parser takes it for a mistake. */
const BOM = /^\ufeff/;

/**
 * Reads and parses a configuration file.
 *
 * @throws {ConfigError} where it cannot be read, is not UTF-8, not JSONC, is no object, or has a key twice.
 */
export async function readDocument(path: string): Promise<ConfigDocument> {
  const full = resolve(path);
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(full);
  } catch (cause) {
    throw new ConfigError(
      "config_unreadable",
      `Cannot read the configuration ${full}; name another with --config FILE or ETL_CONFIG`,
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
 * @param path Absolute, for messages.
 * @throws {ConfigError} where it is not JSONC, is no object, or has a key twice.
 */
export function parseDocument(path: string, text: string): ConfigDocument {
  const errors: ParseError[] = [];
  const root = parseTree(text.replace(BOM, " "), errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first || root?.type !== "object") {
    const where = `${path}:${lineAt(text, first?.offset ?? 0)}`;
    const what = first ? printParseErrorCode(first.error) : "the file must hold one JSON object";
    throw new ConfigError("invalid_config", `${where}: not valid JSONC: ${what}`);
  }
  const document: ConfigDocument = { path, text, root: root as ValueNode };
  rejectRepeatedKeys(document, document.root);
  return document;
}

function rejectRepeatedKeys(document: ConfigDocument, node: ValueNode): void {
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

/** All strings of a document that are values, with their paths. */
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

/** The node of a value, `undefined` where the file does not have it. */
export function findValue({ root }: ConfigDocument, path: ValuePath): ValueNode | undefined {
  return findNodeAtLocation(root as Node, [...path]) as ValueNode | undefined;
}

/** The error for a value, with file, line and key; `what` and the cause must not tell a value that may be secret. */
export function problem(
  document: ConfigDocument,
  path: ValuePath,
  what: string,
  cause?: unknown,
): ConfigError {
  let node: ValueNode | undefined;
  for (let depth = path.length; depth >= 0 && !node; depth--) {
    node = findValue(document, path.slice(0, depth));
  }
  const where = `${document.path}:${lineAt(document.text, (node?.parent ?? node)?.offset ?? 0)}`;
  const reason = cause === undefined ? what : `${what} (${messageOf(cause)})`;
  return new ConfigError("invalid_config", `${where}: ${path.join(".") || "configuration"}: ${reason}`);
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
