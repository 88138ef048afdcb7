/**
 * How a line of a file, and a reason with it, is shown to people.
 *
 * @module
 */
import { DETAIL_CHARACTERS } from "../source_file.ts";

/** Characters of a line that are shown at most. */
export const SHOWN_CHARACTERS = 100;
/** A line is not shown if there is room for fewer characters of it than this. */
const LEAST_SHOWN = 12;

/** What no eye sees, or takes for a common blank. */
export const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** A text as people see it: so many characters at most, those that are invisible as `<U+00A0>`. */
export function shown(text: string, most: number = SHOWN_CHARACTERS): string {
  // A character is two units at most, and one more than fits shows that something is left out.
  const characters = [...text.slice(0, 2 * most + 2)];
  let all = "";
  for (const [index, character] of characters.entries()) {
    const next = INVISIBLE.test(character) ? `<${codePoint(character)}>` : character;
    const isLast = index === characters.length - 1 && text.length <= 2 * most + 2;
    if (all.length + next.length > (isLast ? most : most - 1)) return `${all}…`;
    all += next;
  }
  return all;
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A line of a file. */
export interface Line {
  /** Its number, from 1. */
  readonly number: number;
  /** Its text, or as much of it as there is. */
  readonly text: string;
}

/** A reason in words: what is wrong, the likely cause, and the line that was read, in {@linkcode DETAIL_CHARACTERS}. */
export function inWords(what: string, cause: string | null, line: Line | null): string {
  const said = cause === null ? what : `${what}; ${cause}`;
  if (line === null) return said;
  const [before, after] = [`${said}; line ${line.number}: "`, '"'];
  const room = DETAIL_CHARACTERS - before.length - after.length;
  return room < LEAST_SHOWN ? said : before + shown(line.text, Math.min(room, SHOWN_CHARACTERS)) + after;
}
