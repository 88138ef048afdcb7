/**
 * Text from outside as it may be shown to people.
 *
 * @module
 */

/** The text with its control characters as escapes, so that a file name can neither move the cursor nor forge a line. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
