/**
 * Forms of dates, as `strftime` writes them: `%d`, `%m` and `%Y` have two, two and four digits, `%-d` and `%-m` as few as
 * they need.
 *
 * @example
 * ```ts
 * console.assert(new RegExp(`^${parseDateFormat("%d.%m.%Y").pattern}$`).test("31.12.2023"));
 * console.assert(faultOfDateFormat("%d.%m.%y") !== null);
 * ```
 * @module
 */

/** The form of dates that needs no entry. */
export const DEFAULT_DATE_FORMAT = "%Y-%m-%d";

/** A part of a date. */
export type DatePart = "Y" | "m" | "d";

/** A form that was read. */
export interface DateFormat {
  /** A regular expression of what is written like it, as RE2 and JavaScript have them; a group for each part. */
  readonly pattern: string;
  /** The parts in the order of their groups. */
  readonly parts: readonly DatePart[];
}

const PATTERNS: Readonly<Record<string, string>> = {
  "%Y": "([0-9]{4})",
  "%m": "([0-9]{2})",
  "%d": "([0-9]{2})",
  "%-m": "([1-9][0-9]?)",
  "%-d": "([1-9][0-9]?)",
};
const NAMES: readonly (readonly [part: DatePart, directives: string])[] = [
  ["d", "%d or %-d"],
  ["m", "%m or %-m"],
  ["Y", "%Y"],
];

/** What is wrong with a form, in words; `null` if nothing is. */
export function faultOfDateFormat(given: string): string | null {
  const tokens = tokensOf(given);
  const unknown = tokens.find((token) => token.startsWith("%") && !(token in PATTERNS));
  if (unknown !== undefined) {
    const hint = unknown === "%y" ? ": two digits say no year" : "";
    return `does not know ${unknown}${hint}; a date has %d (or %-d), %m (or %-m) and %Y`;
  }
  const parts = tokens.filter((token) => token.startsWith("%")).map(partOf);
  for (const [part, directives] of NAMES) {
    const count = parts.filter((other) => other === part).length;
    if (count !== 1) return count === 0 ? `must have ${directives}` : `has ${directives} more than once`;
  }
  if (tokens.some((token, i) => token.startsWith("%-") && tokens[i + 1]?.startsWith("%"))) {
    return "needs a character after a part that may have one digit, unless it is the last";
  }
  const literals = tokens.filter((token) => !token.startsWith("%")).join("");
  if (/[0-9]/.test(literals)) return "may not have a digit between its parts";
  if (/\p{Cc}/u.test(literals)) return "may not have a control character";
  return given === given.trim()
    ? null
    : "may not begin or end with a blank: blanks around a date never count";
}

/** Reads a form that has no fault. */
export function parseDateFormat(given: string): DateFormat {
  const tokens = tokensOf(given);
  return {
    pattern: tokens.map((token) => PATTERNS[token] ?? escapePattern(token)).join(""),
    parts: tokens.filter((token) => token.startsWith("%")).map(partOf),
  };
}

/** Directives, and the characters between them one by one. */
function tokensOf(given: string): string[] {
  return given.match(/%-?[^]?|[^]/gu) ?? [];
}

function partOf(token: string): DatePart {
  return token.slice(-1) as DatePart;
}

/** A text as a regular expression of itself. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
