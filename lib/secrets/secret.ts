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

/** What stands in place of a secret wherever it could be read. */
export const REDACTED = "[redacted]";

/** See the module's head. The value is in a private field, which neither copies nor a debugger's preview take along. */
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

  /** For templates and concatenation. */
  toString(): string {
    return REDACTED;
  }

  /** For `JSON.stringify`. */
  toJSON(): string {
    return REDACTED;
  }

  /** For `Deno.inspect` and `console`. */
  [Symbol.for("Deno.customInspect")](): string {
    return REDACTED;
  }

  /** For `node:util`, by which packages inspect. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}
