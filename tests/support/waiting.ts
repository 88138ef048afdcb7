/**
 * Waiting for a state, however slow the machine is, and a clock that tells time as a test wants.
 *
 * @module
 */
import assert from "node:assert/strict";

/** Only what hangs takes longer. */
const CEILING_MS = 300_000;
const POLL_MS = 5;

/**
 * Waits until something is so.
 *
 * @param work Must not be over before.
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  work: Promise<unknown> = new Promise(() => {}),
): Promise<void> {
  let isOver = false;
  const over = () => isOver = true;
  work.then(over, over);
  for (const startMs = performance.now(); !await isSo();) {
    assert.ok(!isOver, `it is over, and never was it so that ${what}`);
    assert.ok(performance.now() - startMs < CEILING_MS, `it has not come to it that ${what}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

/** What the work gives; fails if it hangs. */
export async function finished<T>(what: string, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = () => isOver = true;
  work.then(over, over);
  await until(`${what} is over`, () => isOver);
  return await work;
}

/**
 * A clock that stands still until it is moved, in milliseconds, and counts how often it is looked at. By a clock that is
 * disposed of every wait is over.
 */
export class StoppedClock implements Disposable {
  #nowMs = 1_000_000;
  /** How often it was looked at. */
  looks = 0;

  /** The clock, to be given to what is tested. */
  readonly now = (): number => {
    this.looks++;
    return this.#nowMs;
  };

  /** Moves it forward. */
  advance(ms: number): void {
    this.#nowMs += ms;
  }

  /** Waits until work that waits by this clock has looked at it so many times more; it must not be over before. */
  async lookedAt(times: number, work: Promise<unknown>): Promise<void> {
    const before = this.looks;
    await until(`the clock is looked at ${times} times more`, () => this.looks >= before + times, work);
  }

  [Symbol.dispose](): void {
    this.#nowMs = Infinity;
  }
}
