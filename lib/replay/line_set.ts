/**
 * A set of line numbers that takes a bit for each line of a file, however many are in it.
 *
 * @module
 */

/** Lines that a block has bits for. */
const BLOCK_LINES = 1 << 16;

/** See the module's head. */
export class LineSet {
  readonly #blocks = new Map<number, Uint8Array>();

  /** Adds a line; whether it was not there yet. */
  add(line: number): boolean {
    const number = Math.floor(line / BLOCK_LINES), at = line % BLOCK_LINES;
    let block = this.#blocks.get(number);
    if (!block) this.#blocks.set(number, block = new Uint8Array(BLOCK_LINES / 8));
    const before = block[at >> 3] ?? 0, after = before | (1 << (at & 7));
    block[at >> 3] = after;
    return after !== before;
  }
}
