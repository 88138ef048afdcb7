/**
 * The keys of a dimension as bits, which a scan asks for each row.
 *
 * @module
 */

/** The keys of one dimension, all of them integers that a double has exactly. */
export interface KnownKeys {
  /** The number that the first bit stands for. */
  readonly least: number;
  /** A bit for each number from there on, the highest of a byte first. */
  readonly bits: Uint8Array;
}

/** Whether a number is a key. A number that a double does not have exactly is none. */
export function isKnown({ least, bits }: KnownKeys, number: number): boolean {
  const at = number - least;
  // Compared before it is shifted, which would cut it to 32 bits.
  return at >= 0 && at < 8 * bits.length && (bits[at >>> 3]! & (128 >>> (at & 7))) !== 0;
}
