/**
 * Puts a value into the text of a configuration file. Package `jsonc-parser` could do that, but it would lay out the
 * neighbours anew, and give the comment of the last one to the new one.
 *
 * @module
 */
import { type ConfigDocument, findValue, type ValueNode } from "./document.ts";

/**
 * The file's text with a string at a path.
 *
 * @returns `null` if something on the way to it is no object.
 */
export function putString(document: ConfigDocument, path: readonly string[], value: string): string | null {
  const found = findValue(document, path);
  const written = JSON.stringify(value);
  if (found?.type === "object" || found?.type === "array") return null;
  if (found) return splice(document.text, found.offset, found.length, written);
  // The nearest parent that is there takes the value, within objects for what is missing between the two.
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

/** A comma behind blanks, line ends and comments; a comma within a comment is none. */
const COMMA_AFTER = /^(?:\s|\/\/[^\r\n]*(?=[\r\n])|\/\*(?:(?!\*\/)[^])*\*\/)*,/;
/** The comments behind a property on its own line, which belong to it. */
const REST_OF_LINE = /^(?:[ \t]*\/\*(?:(?!\*\/)[^\r\n])*\*\/)*(?:[ \t]*\/\/[^\r\n]*)?/;

/** Puts a property behind the last one and its comment: on a line of its own if that one is the last of its line. */
function insertProperty(text: string, { offset, children = [] }: ValueNode, property: string): string {
  const last = children.at(-1);
  if (!last) return splice(text, offset + 1, 0, ` ${property} `);
  const end = last.offset + last.length;
  const comma = COMMA_AFTER.exec(text.slice(end))?.[0].length;
  const afterComma = end + (comma ?? 0);
  const at = afterComma + (REST_OF_LINE.exec(text.slice(afterComma))?.[0].length ?? 0);
  const line = text.slice(text.lastIndexOf("\n", last.offset) + 1);
  // `undefined` if something follows on the line, such as the closing brace.
  const [lineEnd] = /^[ \t]*(\r?\n|$)/.exec(text.slice(at)) ?? [];
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const before = lineEnd === undefined ? " " : eol + /^[ \t]*/.exec(line)?.[0];
  const inserted = splice(text, at, 0, before + property + (comma === undefined ? "" : ","));
  // After the insertion, which lies behind it and would have moved otherwise.
  return comma === undefined ? splice(inserted, end, 0, ",") : inserted;
}

/** The text with another in place of `length` characters at an offset. */
function splice(text: string, offset: number, length: number, put: string): string {
  return text.slice(0, offset) + put + text.slice(offset + length);
}
