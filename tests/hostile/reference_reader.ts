/**
 * The rows of a CSV text by section "Contract" of the design, read one character after the other.
 *
 * @module
 */

/** How a file is written. */
export interface Dialect {
  readonly delimiter: string;
  readonly quote: string;
  readonly maxRowBytes: number;
}

/** A row, the header too. */
export interface ReadRow {
  /** Its first line in the file. */
  readonly line: number;
  /** As it stands there, without its line end. */
  readonly raw: string;
  /** Without their quoting. */
  readonly fields: readonly string[];
  /** Whether it has what RFC 4180 leaves open: a stray quote, a CR that ends no line outside quotes, a NUL. */
  readonly isOpen: boolean;
}

/** All rows, or those before the line at which the file cannot be read further. */
export interface Reading {
  readonly rows: readonly ReadRow[];
  readonly malformedLine: number | null;
}

const BOM = "\xef\xbb\xbf";

/**
 * Reads a text in which each character stands for one byte.
 *
 * @param skipLines Lines in front that are not looked at.
 */
export function readRows(text: string, dialect: Dialect, skipLines = 0): Reading {
  const rows: ReadRow[] = [];
  let at = text.startsWith(BOM) ? BOM.length : 0, line = 1;
  for (; line <= skipLines; line++) {
    const end = text.indexOf("\n", at);
    at = end < 0 ? text.length : end + 1;
  }
  while (at < text.length) {
    const blank = lineEndAt(text, at);
    if (blank > 0) {
      at += blank;
      line++;
      continue;
    }
    const found = readRow(text, at, dialect);
    if (found === null) return { rows, malformedLine: line };
    const raw = text.slice(at, found.end);
    if (!isGhost(found)) rows.push({ line, raw, fields: found.fields, isOpen: found.isOpen });
    at = found.end + lineEndAt(text, found.end);
    line += raw.split("\n").length;
  }
  return { rows, malformedLine: null };
}

/** Whether there is nothing in a row but delimiters and blanks, as spreadsheets write the rows below a table. */
function isGhost(
  { fields, isOpen }: { readonly fields: readonly string[]; readonly isOpen: boolean },
): boolean {
  return !isOpen && fields.length >= 2 && fields.join("").replaceAll(" ", "").replaceAll("\t", "") === "";
}

/** Length of the line end at this place: LF or CRLF; 0 where there is none. */
function lineEndAt(text: string, at: number): number {
  return text[at] === "\n" ? 1 : text[at] === "\r" && text[at + 1] === "\n" ? 2 : 0;
}

/** One row and where it ends; `null` where a quote stays open or it grows too long. */
function readRow(
  text: string,
  start: number,
  { delimiter, quote, maxRowBytes }: Dialect,
): { fields: string[]; end: number; isOpen: boolean } | null {
  const fields: string[] = [];
  let field = "", isOpen = false;
  let place: "start" | "plain" | "quoted" | "closed" = "start";
  for (let at = start; at - start <= maxRowBytes; at++) {
    const character = text[at];
    if (character === "\0") isOpen = true;
    if (place === "quoted") {
      if (character === undefined) return null;
      if (character !== quote) field += character;
      else if (text[at + 1] === quote) field += text[at++];
      else place = "closed";
    } else if (character === undefined || lineEndAt(text, at) > 0) {
      return { fields: [...fields, field], end: at, isOpen };
    } else if (character === delimiter) {
      fields.push(field);
      field = "";
      place = "start";
    } else if (character === quote && place === "start") {
      place = "quoted";
    } else {
      if (character === quote || character === "\r" || place === "closed") isOpen = true;
      field += character;
      if (place === "start") place = "plain";
    }
  }
  return null;
}
