/**
 * Characters with a meaning of their own: those that end lines, and those that stand between fields if the delimiter
 * cannot, each a control character that no regular file has.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** The byte that ends a line. */
export const LF = 0x0a;
/** The byte that may stand before an LF. */
export const CR = 0x0d;
/** The bytes that may stand at the beginning of a file. */
export const BOM: Buffer = Buffer.from("\ufeff");

/** Field separator of normalised files; see {@link ./normalised.ts}. */
export const FIELD_SEPARATOR = "\x1f";
/** Begins an escape in normalised files. */
export const ESCAPE = "\x10";
/** A character that stands in no line; the engine takes it for the delimiter if it is to read lines as one column. */
export const NO_DELIMITER = "\x01";

/** Characters, besides the quote, that a reader might take for something else than text. */
export const NEVER_TEXT: readonly string[] = ["\r", "\0", NO_DELIMITER, ESCAPE, FIELD_SEPARATOR];
