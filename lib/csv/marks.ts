/**
 * Characters that stand between fields where the delimiter cannot, each a control character that no regular file has.
 *
 * @module
 */

/** Field separator of normalised files; see {@link ./csv_normalised.ts}. */
export const FIELD_SEPARATOR = "\x1f";
/** Begins an escape in normalised files. */
export const ESCAPE = "\x10";
/** A character that no line holds which the engine reads as one column. */
export const NO_DELIMITER = "\x01";

/** Characters, besides the quote, that a reader might take for something else than text. */
export const NEVER_TEXT: readonly string[] = ["\r", "\0", NO_DELIMITER, ESCAPE, FIELD_SEPARATOR];
