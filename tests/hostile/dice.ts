/**
 * Choices that follow from a seed.
 *
 * @module
 */
import { randomOf } from "../support/random.ts";

/** A source of choices; the same for the same seed. */
export class Dice {
  readonly #random: () => number;

  /** @param seed A whole number. */
  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  /** True so often. */
  chance(share: number): boolean {
    return this.#random() < share;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.between(0, list.length - 1)] as T;
  }

  /** The list in another order. */
  shuffle<T>(list: readonly T[]): T[] {
    return list.map((value) => [this.#random(), value] as const).sort(([a], [b]) => a - b).map(([, value]) =>
      value
    );
  }
}
