/**
 * What has to be known of a file before its rows can be read, if it is not written in the default form.
 *
 * @module
 */
import type { Encoding } from "./encoding.ts";

/** How a file's text begins, and what it is written in. */
export interface TextForm {
  /** What its bytes are. */
  readonly encoding: Encoding;
  /** Lines that stand before the header, whatever is in them: a quote means nothing there. */
  readonly skipLines: number;
  /** The names of the columns of a file that has no header; left out: its first row is the header. */
  readonly header?: readonly string[] | undefined;
}

/** UTF-8, of which the first row is the header. */
export const DEFAULT_TEXT: TextForm = { encoding: "utf-8", skipLines: 0 };

/** Whether a file's bytes can be read as they stand, from the header on. */
export function isDefaultText({ encoding, skipLines, header }: TextForm): boolean {
  return encoding === "utf-8" && skipLines === 0 && header === undefined;
}
