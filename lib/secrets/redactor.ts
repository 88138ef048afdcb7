/**
 * Takes known secrets out of everything that leaves the process: the last step before standard output and error, and
 * before text from outside is kept in a file.
 *
 * A {@linkcode Secret} does not print itself, but a driver's message, a URL or a stack trace may repeat its value.
 *
 * @example
 * ```ts
 * const redactor = new Redactor();
 * redactor.add("p@ss word");
 * console.assert(redactor.redact("mysql://etl:p%40ss%20word@db") === "mysql://etl:[redacted]@db");
 * ```
 * @module
 */
import { REDACTED } from "./secret.ts";
import { visible } from "../text.ts";

/**
 * The fewest characters of a value that is looked for. A shorter one occurs in ordinary words, so that the places where
 * it is taken out would tell it. `deno task config check` warns of such a value.
 */
export const LEAST_SECRET_CHARACTERS = 6;

/** One way in which a secret may stand in text. */
interface Spelling {
  readonly text: string;
  /** How many characters before `text` tell a part of the secret too. */
  readonly before: number;
  /** How many characters behind `text` do. */
  readonly after: number;
}

/** Fields of results that hold words of this program. They stay, even if such a word is a secret as well. */
const OWN_WORDS = new Set([
  "state",
  "status",
  "reason",
  "name",
  "code",
  "field",
  "runId",
  "stage",
  "level",
  "time",
]);

/** Knows the secrets of one process, and takes them out of text. */
export class Redactor {
  readonly #secrets = new Set<string>();
  readonly #spellings = new Map<string, Spelling>();

  /** Makes a value a secret: from now on it is taken out, in all its usual spellings. */
  add(value: string): void {
    if (this.#secrets.has(value)) return;
    this.#secrets.add(value);
    for (const spelling of spellingsOf(value)) this.#spellings.set(JSON.stringify(spelling), spelling);
  }

  /** The text without secrets. If several of them overlap, one `[redacted]` takes their place. */
  redact(text: string): string {
    // All places first: to replace one secret after the other would leave the rest of one that overlaps another.
    const ranges: [start: number, end: number][] = [];
    for (const { text: spelling, before, after } of this.#spellings.values()) {
      for (let at = text.indexOf(spelling); at >= 0; at = text.indexOf(spelling, at + 1)) {
        ranges.push([Math.max(0, at - before), at + spelling.length + after]);
      }
    }
    let redacted = "";
    let end = 0;
    for (const [from, to] of ranges.sort(([a], [b]) => a - b)) {
      if (from >= end) redacted += text.slice(end, from) + REDACTED;
      end = Math.max(end, to);
    }
    return redacted + text.slice(end);
  }

  /** A copy of a JSON value without secrets in its strings. Keys stay, and so do the fields that hold words of ours. */
  redactValue<T>(value: T): T {
    if (typeof value === "string") return this.redact(value) as T;
    if (Array.isArray(value)) return value.map((item) => this.redactValue(item)) as T;
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).map(([key, held]) =>
      OWN_WORDS.has(key) && typeof held === "string" ? [key, held] : [key, this.redactValue(held)]
    );
    return Object.fromEntries(entries) as T;
  }
}

/** A secret as it may stand in text: as it is, line by line, or escaped for JSON, SQL, URLs, logs or HTTP headers. */
function spellingsOf(value: string): Spelling[] {
  const wellFormed = value.toWellFormed();
  const json = JSON.stringify(value).slice(1, -1);
  const component = encodeURIComponent(wellFormed);
  const encoded = [
    component,
    // RFC 3986 reserves five marks more than JavaScript escapes.
    component.replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`),
    encodeURI(wellFormed),
    new URLSearchParams([["", value]]).toString().slice(1),
    ...urlPartsOf(wellFormed),
  ];
  const spellings = [
    value,
    ...value.split(/[\r\n]+/),
    json,
    visible(value),
    visible(json),
    value.replaceAll("'", "''"),
    value.replaceAll(/['"\\]/g, "\\$&"),
    ...encoded,
    ...encoded.map((text) => text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())),
  ].map((text) => ({ text, before: 0, after: 0 }));
  return [...spellings, ...base64Of(value)].filter(({ text }) => text.length >= LEAST_SECRET_CHARACTERS);
}

/** The value as the URL standard writes it into an account, a path and a query: each escapes other characters. */
function urlPartsOf(value: string): string[] {
  const url = new URL("http://host/");
  url.password = value;
  url.pathname = value;
  url.search = value;
  return [url.password, url.pathname.slice(1), url.search.slice(1)];
}

/**
 * The value within base64 of a longer text, such as `Basic …` of an account and its password. Base64 writes three bytes
 * as four characters, so that the value looks different for each of the three places in which its first byte may stand,
 * and shares a character with the byte beside it.
 */
function base64Of(value: string): Spelling[] {
  const bytes = new TextEncoder().encode(value);
  return [0, 1, 2].flatMap((offset) => {
    const padded = new Uint8Array(offset + bytes.length);
    padded.set(bytes, offset);
    // Only characters that stand for the value's bits alone: those that it shares depend on what stands beside it.
    const first = Math.ceil(offset * 8 / 6);
    const last = Math.floor(padded.length * 8 / 6);
    const text = padded.toBase64().slice(first, last);
    const shared = { before: offset > 0 ? 1 : 0, after: padded.length % 3 > 0 ? 1 : 0 };
    return [text, text.replaceAll("+", "-").replaceAll("/", "_")].map((text) => ({ text, ...shared }));
  });
}
