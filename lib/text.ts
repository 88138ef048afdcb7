/**
 * Text: read from bytes that may not hold any, and written so that people may see it.
 *
 * @module
 */

/** The text that UTF-8 bytes stand for, with its byte order mark if it has one; `null` if they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** The text with its control characters as escapes: a file name can then neither move the cursor nor forge a line. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A whole number as people read it: `1,234`. */
export function countText(value: number): string {
  // What the runtime has for this takes 25 ms when it is first called, as long as a small stage.
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A number of rows as people read it: `1 row`, `1,234 rows`. */
export function rowsText(value: number): string {
  return `${countText(value)} ${value === 1 ? "row" : "rows"}`;
}
