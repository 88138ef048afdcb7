/**
 * Proves at the speed of reading that rows are exact, by the table that {@link ./spelling.ts} compiles of a layout.
 *
 * @example
 * ```ts
 * import { compileSpelling } from "./spelling.ts";
 *
 * const table = compileSpelling([{ kind: "integer" }, null], ",");
 * console.assert(areExact(table, new TextEncoder().encode("7,any\n")));
 * console.assert(!areExact(table, new TextEncoder().encode("1.5,any\n")));
 * ```
 * @module
 */
import { LF } from "./marks.ts";
import { DOUBTFUL, ROW_START, type SpellingTable } from "./spelling.ts";

/**
 * Lanes of bytes that are scanned at once: in each one every look into the table has to wait for the one before, while the
 * other lanes go on.
 */
const LANES = 4;

/**
 * Goes on from a state over bytes.
 *
 * @param table Not compiled `byLine`.
 * @returns The state after them; {@linkcode DOUBTFUL} if a row is doubtful.
 */
export function advance(table: SpellingTable, bytes: Uint8Array, state: number): number {
  const starts = laneStarts(bytes);
  if (starts === null) return advanceOne(table, bytes, state);
  const [b = 0, c = 0, d = 0] = starts;
  const common = Math.min(b, c - b, d - c, bytes.length - d);
  let [first, second, third, fourth] = [state, ROW_START, ROW_START, ROW_START];
  for (let i = 0; i < common; i++) {
    first = table[first + bytes[i]!]!;
    second = table[second + bytes[b + i]!]!;
    third = table[third + bytes[c + i]!]!;
    fourth = table[fourth + bytes[d + i]!]!;
  }
  first = advanceOne(table, bytes.subarray(common, b), first);
  second = advanceOne(table, bytes.subarray(b + common, c), second);
  third = advanceOne(table, bytes.subarray(c + common, d), third);
  fourth = advanceOne(table, bytes.subarray(d + common), fourth);
  // Each lane but the first has begun at a row, which counts only if the lane before has ended there.
  return first === ROW_START && second === ROW_START && third === ROW_START ? fourth : DOUBTFUL;
}

/** The starts of the second lane and those after it: at rows, about a quarter of the bytes apart; `null` if there are too few. */
function laneStarts(bytes: Uint8Array): number[] | null {
  const starts: number[] = [];
  for (let lane = 1; lane < LANES; lane++) {
    const start = bytes.indexOf(LF, Math.floor(lane * bytes.length / LANES)) + 1;
    if (start === 0 || start <= (starts.at(-1) ?? 0)) return null;
    starts.push(start);
  }
  return starts;
}

function advanceOne(table: SpellingTable, bytes: Uint8Array, from: number): number {
  let state = from;
  for (let i = 0; i < bytes.length; i++) state = table[state + bytes[i]!]!;
  return state;
}

/** What {@linkcode markLines} leaves at the end of an exact line. */
export const EXACT: number = ROW_START / 256;

/**
 * Tells of each line by itself whether it is exact: {@linkcode EXACT} stands at its LF then, and something else if it is
 * doubtful. All other marks mean nothing.
 *
 * @param table Compiled `byLine`.
 * @param bytes From the start of a line.
 * @param marks As long as the bytes.
 */
export function markLines(table: SpellingTable, bytes: Uint8Array, marks: Uint8Array): void {
  const [b, c, d] = laneStarts(bytes) ?? [];
  if (b === undefined || c === undefined || d === undefined) {
    return markLane(table, bytes, marks, 0, bytes.length);
  }
  const common = Math.min(b, c - b, d - c, bytes.length - d);
  let first = ROW_START, second = ROW_START, third = ROW_START, fourth = ROW_START;
  // A branch for each line would cost more than a mark for each byte.
  for (let i = 0; i < common; i++) {
    marks[i] = (first = table[first + bytes[i]!]!) >> 8;
    marks[b + i] = (second = table[second + bytes[b + i]!]!) >> 8;
    marks[c + i] = (third = table[third + bytes[c + i]!]!) >> 8;
    marks[d + i] = (fourth = table[fourth + bytes[d + i]!]!) >> 8;
  }
  markLane(table, bytes, marks, common, b, first);
  markLane(table, bytes, marks, b + common, c, second);
  markLane(table, bytes, marks, c + common, d, third);
  markLane(table, bytes, marks, d + common, bytes.length, fourth);
}

function markLane(
  table: SpellingTable,
  bytes: Uint8Array,
  marks: Uint8Array,
  from: number,
  to: number,
  state: number = ROW_START,
): void {
  for (let i = from; i < to; i++) marks[i] = (state = table[state + bytes[i]!]!) >> 8;
}

/** Whether rows are exact that have ended in this state, with or without a last line end. */
export function isExact(table: SpellingTable, state: number): boolean {
  return state === ROW_START || table[state + LF] === ROW_START;
}

/** Whether all of some whole rows are exact. */
export function areExact(table: SpellingTable, rows: Uint8Array): boolean {
  return isExact(table, advance(table, rows, ROW_START));
}
