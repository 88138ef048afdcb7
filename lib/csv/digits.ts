/**
 * A line's number as it is written in front of each row: counted up in its decimal digits, which costs a tenth of writing
 * each number anew.
 *
 * @module
 */

/** Digits of a number at most: as many as the largest integer has that a double has exactly. */
export const MOST_DIGITS = 16;
const ZERO = 0x30;
const NINE = 0x39;

/** A number of at most {@linkcode MOST_DIGITS} digits; 0 at first. */
export class Digits {
  #number = 0;
  readonly #digits = new Uint8Array(MOST_DIGITS).fill(ZERO);
  /** Index of the first digit that is no leading zero. */
  #first = MOST_DIGITS - 1;

  /** Sets the number. */
  goTo(number: number): void {
    if (number === this.#number + 1) return this.increment();
    const digits = this.#digits;
    const text = String(this.#number = number);
    this.#first = digits.length - text.length;
    for (let i = 0; i < digits.length; i++) {
      digits[i] = i < this.#first ? ZERO : text.charCodeAt(i - this.#first);
    }
  }

  /** Adds one. */
  increment(): void {
    const digits = this.#digits;
    this.#number++;
    let i = digits.length - 1;
    while (digits[i] === NINE) digits[i--] = ZERO;
    digits[i]!++;
    if (i < this.#first) this.#first = i;
  }

  /** Copies the digits; gives where they end. */
  copyTo(target: Uint8Array, at: number): number {
    const digits = this.#digits;
    for (let i = this.#first; i < digits.length; i++) target[at++] = digits[i]!;
    return at;
  }
}
