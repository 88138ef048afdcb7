/**
 * Whether a value suits a field of a configuration file, before it is written into it.
 *
 * The file is looked at as it stands, so that its other values may refer to an environment that is not there: what was
 * wrong with them before is not this value's fault.
 *
 * @module
 */
import type { z } from "zod";
import { type ConfigDocument, findValue, parseDocument, type ValueNode } from "./document.ts";
import { putString } from "./insert.ts";
import { configSchema } from "./schema.ts";
import { REDACTED } from "../secrets/secret.ts";

/** Why a value cannot stand in a field. */
export interface FieldFault {
  /** In words that follow the field's name; without the value. */
  readonly message: string;
  /** No string at all can stand there. */
  readonly ofName: boolean;
}

/** What would be wrong with a file that has a string in a field; what is only missing still may be added later. */
export function faultsOf(document: ConfigDocument, path: readonly string[], value: string): FieldFault[] {
  const text = path[0] === "$schema" ? null : putString(document, path, value);
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
    if (issue.code === "unrecognized_keys") {
      return isOwn ? [{ message: noSuchField(document, path), ofName: true }] : [];
    }
    const isWhole = at.length === path.length && isOwn;
    if (!isWhole && (known.has(identityOf(issue)) || !findValue(changed, at))) return [];
    const isType = isOwn && issue.code === "invalid_type";
    if (isType && !isWhole) return [{ message: noSuchField(document, path), ofName: true }];
    const message = issue.message.replaceAll(JSON.stringify(value), `"${REDACTED}"`);
    return [{ message: isWhole ? message : `${at.join(".")}: ${message}`, ofName: isType }];
  });
}

function issuesOf({ root }: ConfigDocument): z.core.$ZodIssue[] {
  return configSchema.safeParse(plainValue(root)).error?.issues ?? [];
}

function identityOf({ path, message }: z.core.$ZodIssue): string {
  return JSON.stringify([path.map(String), message]);
}

/** Whether a path is another one or leads through it. */
function isWithin(path: readonly string[], outer: readonly string[]): boolean {
  return outer.every((part, i) => part === path[i]);
}

/** Store and database have other fields with each kind. */
function noSuchField(document: ConfigDocument, [section = ""]: readonly string[]): string {
  const kind = findValue(document, [section, "kind"])?.value;
  const where = typeof kind === "string" ? ` where ${section}.kind is "${kind}", as in ${document.path}` : "";
  return `there is no such field${where}`;
}

function plainValue(node: ValueNode): unknown {
  if (node.type === "array") return (node.children ?? []).map(plainValue);
  if (node.type !== "object") return node.value;
  const entries = (node.children ?? []).map((
    { children: [key, value] = [] },
  ) => [key?.value, value && plainValue(value)]);
  return Object.fromEntries(entries);
}
