/**
 * Whether a value suits a field of a configuration file, which is asked before it is written there.
 *
 * The file is looked at as it stands, and its other values may refer to an environment that is not there: what was
 * wrong with them before is no fault of this value.
 *
 * @module
 */
import type { z } from "zod";
import { type ConfigDocument, findValue, parseDocument, type ValueNode } from "./document.ts";
import { putString } from "./insert.ts";
import { configSchema } from "./schema.ts";
import { REDACTED } from "../secrets/secret.ts";

/** What keeps a value from standing in a field. */
export interface FieldFault {
  /** The fault in words that follow the field's name and do not tell the value. */
  readonly message: string;
  /** Whether no string at all can stand there. */
  readonly ofName: boolean;
}

/** The faults of the file once it has a string in a field. What is still missing is none: it may be added later. */
export function faultsOf(document: ConfigDocument, path: readonly string[], value: string): FieldFault[] {
  // No document has a key `__proto__`; see `parseDocument()`.
  const isNone = path[0] === "$schema" || path.includes("__proto__");
  const text = isNone ? null : putString(document, path, value);
  if (text === null) {
    const isObject = findValue(document, path)?.type === "object";
    return [{ message: isObject ? "it has fields of its own" : noSuchField(document, path), ofName: true }];
  }
  const changed = parseDocument(document.path, text);
  const known = new Set(issuesOf(document).map(identityOf));
  return issuesOf(changed).flatMap((issue): FieldFault[] => {
    const at = issue.path.map(String);
    const names = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...at, key]) : [at];
    const isOwn = names.some((name) => isWithin(path, name));
    // A key that is not known, but not this one, was in the file before.
    if (issue.code === "unrecognized_keys") {
      return isOwn ? [{ message: noSuchField(document, path), ofName: true }] : [];
    }
    const isWhole = at.length === path.length && isOwn;
    // A fault that another value had before is not this one's, nor that one is missing; a new one elsewhere is.
    if (!isWhole && (known.has(identityOf(issue)) || !findValue(changed, at))) return [];
    const isType = isOwn && issue.code === "invalid_type";
    // The path leads through a value that is no object.
    if (isType && !isWhole) return [{ message: noSuchField(document, path), ofName: true }];
    // Some messages quote the value.
    const message = issue.message.replaceAll(JSON.stringify(value), `"${REDACTED}"`);
    return [{ message: isWhole ? message : `${at.join(".")}: ${message}`, ofName: isType }];
  });
}

/** What the schema says of a file, without resolving its values. */
function issuesOf({ root }: ConfigDocument): z.core.$ZodIssue[] {
  return configSchema.safeParse(plainValue(root)).error?.issues ?? [];
}

/** The same text for an issue of the file before and after the change. */
function identityOf({ path, message }: z.core.$ZodIssue): string {
  return JSON.stringify([path.map(String), message]);
}

/** Whether a path is `outer` itself or leads through it. */
function isWithin(path: readonly string[], outer: readonly string[]): boolean {
  return outer.every((part, i) => part === path[i]);
}

/** Says that there is no such field, and with which kind: a store or database of another kind has other fields. */
function noSuchField(document: ConfigDocument, [section = ""]: readonly string[]): string {
  const kind = findValue(document, [section, "kind"])?.value;
  const where = typeof kind === "string" ? ` where ${section}.kind is "${kind}", as in ${document.path}` : "";
  return `there is no such field${where}`;
}

/** The value of a node as `JSON.parse` gives it. */
function plainValue(node: ValueNode): unknown {
  if (node.type === "array") return (node.children ?? []).map(plainValue);
  if (node.type !== "object") return node.value;
  const entries = (node.children ?? []).map((
    { children: [key, value] = [] },
  ) => [key?.value, value && plainValue(value)]);
  return Object.fromEntries(entries);
}
