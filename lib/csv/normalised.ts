/**
 * The form in which doubtful rows are given to the engine: each is one line that can only be read in one way.
 *
 * A row becomes `file ␟ line ␟ raw ␟ field ␟ field …` and a line end, where ␟ stands for the unit separator: `file` is the
 * number of its source file; `line` its first line there; `raw` its text, left empty if the fields joined by the delimiter
 * are that text; the fields are without quoting. Line ends, separators and the like within a value are written as an
 * escape of two characters, which {@linkcode unescapeSql} takes back. An exact row is copied as it stands, since none of
 * these occurs in it, and has the delimiter of its source file in place of the unit separator.
 *
 * @module
 */
import { ESCAPE, FIELD_SEPARATOR, NO_DELIMITER } from "./marks.ts";

/** The second character of each escape, by the character that it stands for. */
export const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "n",
  "\r": "r",
  "\0": "z",
  [NO_DELIMITER]: "d",
  [FIELD_SEPARATOR]: "s",
  [ESCAPE]: "e",
};
/** What an escape begins with, as SQL. */
const BEGIN = `chr(${ESCAPE.charCodeAt(0)})`;
/** Characters with an escape that text really has: to look for one of the others would cost as much as for these. */
const COMMON = ["\n", "\r"];

/** SQL that takes the escapes back from a text expression. */
export function unescapeSql(expression: string): string {
  const escaped = (code: string) => `${BEGIN} || '${code}'`;
  // The escape character itself comes last: what it gives must not be taken for the beginning of another escape.
  const unescape = (characters: readonly string[]) =>
    characters.reduce(
      (sql, character) =>
        `replace(${sql}, ${escaped(ESCAPES[character] ?? "")}, chr(${character.charCodeAt(0)}))`,
      expression,
    );
  const all = Object.keys(ESCAPES);
  const rare = all.filter((character) => !COMMON.includes(character))
    .map((character) => `contains(${expression}, ${escaped(ESCAPES[character] ?? "")})`);
  return `CASE WHEN NOT contains(${expression}, ${BEGIN}) THEN ${expression}
    WHEN ${rare.join(" OR ")} THEN ${unescape(all)} ELSE ${unescape(COMMON)} END`;
}
