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
 * Shorter values are not looked for: they occur in ordinary words, and each place without one would tell where it was.
 * `deno task config check` warns of them.
 */
export const LEAST_SECRET_CHARACTERS = 6;

/** A secret as it stands in text. */
interface Spelling {
  readonly text: string;
  /** Characters before and behind it that tell a part of the secret, whatever stands beside it. */
  readonly before: number;
  readonly after: number;
}

/** Fields of results whose values are words of this program: a secret that is such a word takes nothing from them. */
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

/** Knows the secrets of one process. */
export class Redactor {
  readonly #secrets = new Set<string>();
  readonly #spellings = new Map<string, Spelling>();

  /** From now on the value is taken out, in all its {@linkcode spellingsOf usual spellings}. */
  add(value: string): void {
    if (this.#secrets.has(value)) return;
    this.#secrets.add(value);
    for (const spelling of spellingsOf(value)) this.#spellings.set(JSON.stringify(spelling), spelling);
  }

  /** The text without secrets. What several of them cover together is taken out as one. */
  redact(text: string): string {
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

  /** A copy of a JSON value without secrets in its strings; keys, and some values, are words of ours and stay. */
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

/** A secret as it may stand in text: as it is, line by line, and escaped for JSON, SQL, URLs, logs and HTTP headers. */
function spellingsOf(value: string): Spelling[] {
  const wellFormed = value.toWellFormed();
  const json = JSON.stringify(value).slice(1, -1);
  const component = encodeURIComponent(wellFormed);
  const encoded = [
    component,
    // RFC 3986 reserves these too.
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

/** As the URL standard writes it into an account, a path and a query, each of which escapes other characters. */
function urlPartsOf(value: string): string[] {
  const url = new URL("http://host/");
  url.password = value;
  url.pathname = value;
  url.search = value;
  return [url.password, url.pathname.slice(1), url.search.slice(1)];
}

/**
 * Within base64 of a longer text, as in `Basic …` of an account and its password: it has another look with each of the
 * three places in which its first byte may stand, and shares a character with the byte beside it.
 */
function base64Of(value: string): Spelling[] {
  const bytes = new TextEncoder().encode(value);
  return [0, 1, 2].flatMap((offset) => {
    const padded = new Uint8Array(offset + bytes.length);
    padded.set(bytes, offset);
    const first = Math.ceil(offset * 8 / 6);
    const last = Math.floor(padded.length * 8 / 6);
    const text = padded.toBase64().slice(first, last);
    const shared = { before: offset > 0 ? 1 : 0, after: padded.length % 3 > 0 ? 1 : 0 };
    return [text, text.replaceAll("+", "-").replaceAll("/", "_")].map((text) => ({ text, ...shared }));
  });
}
