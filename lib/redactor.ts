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
import { visible } from "./visible.ts";

/**
 * Shorter values are not looked for: they occur in ordinary words, and each place without one would tell where it was.
 * `deno task config check` warns of them.
 */
export const LEAST_SECRET_CHARACTERS = 6;

/** Knows the secrets of one process. */
export class Redactor {
  readonly #secrets = new Set<string>();
  /** Every spelling of every secret, the longest first, so that none is cut by a shorter one. */
  #spellings: readonly string[] = [];

  /** From now on the value is taken out, in all its {@linkcode spellingsOf usual spellings}. */
  add(value: string): void {
    if (this.#secrets.has(value)) return;
    this.#secrets.add(value);
    const found = new Set([...this.#spellings, ...spellingsOf(value)]);
    this.#spellings = [...found].sort((a, b) => b.length - a.length);
  }

  /** The text without secrets. */
  redact(text: string): string {
    return this.#spellings.reduce((rest, spelling) => rest.replaceAll(spelling, REDACTED), text);
  }

  /** A copy of a JSON value without secrets in its strings; keys are names of ours and stay. */
  redactValue<T>(value: T): T {
    if (typeof value === "string") return this.redact(value) as T;
    if (Array.isArray(value)) return value.map((item) => this.redactValue(item)) as T;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, this.redactValue(held)])) as T;
  }
}

/** A secret as it may stand in text: as it is, line by line, and escaped for JSON, SQL, URLs, logs and HTTP headers. */
function spellingsOf(value: string): string[] {
  const base64 = new TextEncoder().encode(value).toBase64().replace(/=+$/, "");
  const spellings = [
    value,
    ...value.split(/[\r\n]+/),
    JSON.stringify(value).slice(1, -1),
    visible(value),
    value.replaceAll("'", "''"),
    value.replaceAll(/['"\\]/g, "\\$&"),
    encodeURIComponent(value.toWellFormed()),
    encodeURI(value.toWellFormed()),
    new URLSearchParams([["", value]]).toString().slice(1),
    base64,
    base64.replaceAll("+", "-").replaceAll("/", "_"),
  ];
  return spellings.filter((spelling) => spelling.length >= LEAST_SECRET_CHARACTERS);
}
