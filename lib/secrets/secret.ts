/**
 * A value that is used but never shown: whatever prints, logs, serialises or inspects it gets `[redacted]`.
 *
 * @example
 * ```ts
 * const password = new Secret("correct horse");
 * console.assert(`${password}` === "[redacted]" && JSON.stringify({ password }) === '{"password":"[redacted]"}');
 * console.assert(password.reveal() === "correct horse");
 * ```
 * @module
 */

/** The text that takes a secret's place wherever somebody could read it. */
export const REDACTED = "[redacted]";

/** A value that shows itself to nobody: a private field holds it, which neither a copy nor a debugger's preview has. */
export class Secret {
  readonly #value: string;

  /** `value` is what {@linkcode Secret.reveal} gives back. */
  constructor(value: string) {
    this.#value = value;
  }

  /** The value, for the driver that needs it and for nothing else. */
  reveal(): string {
    return this.#value;
  }

  /** What templates and concatenation get. */
  toString(): string {
    return REDACTED;
  }

  /** What `JSON.stringify` gets. */
  toJSON(): string {
    return REDACTED;
  }

  /** What `Deno.inspect` and `console` get. */
  [Symbol.for("Deno.customInspect")](): string {
    return REDACTED;
  }

  /** What `node:util` gets, by which packages inspect. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}
