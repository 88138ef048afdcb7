/**
 * Puts a value into the text of a configuration file by hand: package `jsonc-parser` would lay out its neighbours anew,
 * and give the last one's comment to the new one.
 *
 * @module
 */
import { type ConfigDocument, findValue, type ValueNode } from "./document.ts";

/**
 * The file's text with a string at a path.
 *
 * @returns `null` where something on the way to it is no object.
 */
export function putString(document: ConfigDocument, path: readonly string[], value: string): string | null {
  const found = findValue(document, path);
  const written = JSON.stringify(value);
  if (found?.type === "object" || found?.type === "array") return null;
  if (found) return splice(document.text, found.offset, found.length, written);
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const parent = depth === 0 ? document.root : findValue(document, path.slice(0, depth));
    if (!parent) continue;
    if (parent.type !== "object") return null;
    const [key = "", ...inner] = path.slice(depth);
    const held = inner.reduceRight((text, name) => `{ ${JSON.stringify(name)}: ${text} }`, written);
    return insertProperty(document.text, parent, `${JSON.stringify(key)}: ${held}`);
  }
  return null;
}

/** A comma behind comments and blanks, over line ends too; none that is within a comment. */
const COMMA_AFTER = /^(?:\s|\/\/[^\r\n]*(?=[\r\n])|\/\*(?:(?!\*\/)[^])*\*\/)*,/;
/** What belongs to a property on its own line. */
const REST_OF_LINE = /^(?:[ \t]*\/\*(?:(?!\*\/)[^\r\n])*\*\/)*(?:[ \t]*\/\/[^\r\n]*)?/;

/** Behind the last property and its comment, on a line of its own where that one is the last of its line. */
function insertProperty(text: string, { offset, children = [] }: ValueNode, property: string): string {
  const last = children.at(-1);
  if (!last) return splice(text, offset + 1, 0, ` ${property} `);
  const end = last.offset + last.length;
  const comma = COMMA_AFTER.exec(text.slice(end))?.[0].length;
  const afterComma = end + (comma ?? 0);
  const at = afterComma + (REST_OF_LINE.exec(text.slice(afterComma))?.[0].length ?? 0);
  const line = text.slice(text.lastIndexOf("\n", last.offset) + 1);
  const [lineEnd] = /^[ \t]*(\r?\n|$)/.exec(text.slice(at)) ?? [];
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const before = lineEnd === undefined ? " " : eol + /^[ \t]*/.exec(line)?.[0];
  const inserted = splice(text, at, 0, before + property + (comma === undefined ? "" : ","));
  return comma === undefined ? splice(inserted, end, 0, ",") : inserted;
}

function splice(text: string, offset: number, length: number, put: string): string {
  return text.slice(0, offset) + put + text.slice(offset + length);
}
