/**
 * Text from bytes that may be none.
 *
 * @module
 */

/** The text that UTF-8 bytes stand for, its byte order mark too, or `null` where they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
