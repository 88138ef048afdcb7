/**
 * A header's layout as a table of states, by which a scan proves of every row, at the speed of reading, that a typed
 * reader takes it exactly: it has as many fields as the header, and each value of the contract is spelled so that
 * nothing can be rounded, cut or overflow.
 *
 * DuckDB's typed reader departs from the contract there: it rounds decimals, takes `1.5` and `1e3` for integers, and
 * leaves out surplus empty fields. Where every row is proven it can be believed, and nothing has to be cast twice. The
 * proof is strict: valid spellings that are rare (`+5`, `.5`, blanks around a number) are left to the slower reading.
 *
 * @example
 * ```ts
 * const table = compileSpelling([{ kind: "integer" }, null], ",");
 * console.assert(isSpelled(table, new TextEncoder().encode("7,any\n")));
 * console.assert(!isSpelled(table, new TextEncoder().encode("1.5,any\n")));
 * ```
 * @module
 */
import { NEVER_TEXT } from "./marks.ts";
import type { ColumnType } from "../column_type.ts";

/** Next state by state and byte; a state is the index of its row of 256. */
export type SpellingTable = Int32Array<ArrayBuffer>;

/** The state in which nothing is proven any more; every byte leads back to it. */
export const UNPROVEN = 0;
/** The state before the first byte of a row, and at no other place. */
export const ROW_START = 256;

/** Digits that every integer of 64 bits may have; one of 19 could overflow. */
const INTEGER_DIGITS = 18;
const LF = "\n";
const CR = "\r";
const DIGITS = "0123456789";
const BLANKS = " \t";

/**
 * Compiles a layout.
 *
 * @param layout The type of each column, `null` for one that the contract does not have.
 * @param delimiter One ASCII character.
 * @param options.quote One ASCII character, which no proven row has.
 * @param options.byLine For {@linkcode markLines}: what is not proven is so up to the end of its line only, and a line
 * may also end in CRLF.
 */
export function compileSpelling(
  layout: readonly (ColumnType | null)[],
  delimiter: string,
  { quote = '"', byLine = false }: { readonly quote?: string; readonly byLine?: boolean } = {},
): SpellingTable {
  const states = new States([...NEVER_TEXT, LF, delimiter, quote]);
  let begin = states.add();
  const afterOdd = states.add();
  for (const [i, type] of layout.entries()) {
    const isLast = i === layout.length - 1;
    const next = isLast ? ROW_START : states.add();
    states.addField(type, begin, isLast ? LF : delimiter, next);
    begin = next;
  }
  if (byLine) states.goOnByLine(afterOdd);
  return states.table();
}

/** Builds the table state by state. */
class States {
  readonly #never: readonly string[];
  readonly #moves: Map<number, number>[] = [new Map()];

  constructor(never: readonly string[]) {
    this.#never = never;
  }

  /** A new state, from which nothing is allowed yet. */
  add(): number {
    return 256 * (this.#moves.push(new Map()) - 1);
  }

  /** The states of one field: from `begin`, over the value, by the character `end` to `next`. */
  addField(type: ColumnType | null, begin: number, end: string, next: number): void {
    switch (type?.kind) {
      case undefined: {
        const seen = this.#text([begin]);
        for (const state of [begin, seen]) this.#on(state, end, next);
        return;
      }
      case "text": {
        // A value of nothing but blanks is missing.
        const blanks = this.add();
        const seen = this.#text([begin, blanks]);
        for (const state of [begin, blanks]) this.#on(state, BLANKS, blanks);
        return this.#on(seen, end, next);
      }
      case "integer": {
        const signed = this.#sign(begin);
        for (const state of this.#digits([begin, signed], INTEGER_DIGITS)) this.#on(state, end, next);
        return;
      }
      case "decimal": {
        const { precision, scale } = type;
        const whole = this.#digits([begin, this.#sign(begin)], precision - scale);
        for (const state of whole) this.#on(state, end, next);
        if (scale === 0) return;
        const point = this.add();
        for (const state of whole) this.#on(state, ".", point);
        for (const state of this.#digits([point], scale)) this.#on(state, end, next);
        return;
      }
      case "date":
        return this.#date(begin, end, next);
    }
  }

  /** Goes on after a line that is not proven, in a state like that of {@linkcode ROW_START}; allows CRLF. */
  goOnByLine(afterOdd: number): void {
    const [lf, cr] = [LF, CR].map((character) => character.charCodeAt(0)) as [number, number];
    const beforeLf = this.add();
    for (const moves of this.#moves) if (moves.get(lf) === ROW_START) moves.set(cr, beforeLf);
    this.#on(beforeLf, LF, ROW_START);
    this.#moves[afterOdd / 256] = this.#moves[ROW_START / 256] ?? new Map();
    for (const moves of this.#moves) if (moves.get(lf) !== ROW_START) moves.set(lf, afterOdd);
  }

  /** The finished table. */
  table(): SpellingTable {
    const table = new Int32Array(256 * this.#moves.length);
    for (const [state, moves] of this.#moves.entries()) {
      for (const [byte, next] of moves) table[256 * state + byte] = next;
    }
    return table;
  }

  #on(state: number, characters: string, next: number): void {
    for (const character of characters) this.#moves[state / 256]?.set(character.charCodeAt(0), next);
  }

  /** Every byte that stands for itself, parts of characters beyond ASCII among them; gives the state after the first. */
  #text(from: readonly number[]): number {
    const seen = this.add();
    for (const state of [...from, seen]) {
      for (let byte = 0; byte < 256; byte++) {
        if (!this.#never.includes(String.fromCharCode(byte))) this.#moves[state / 256]?.set(byte, seen);
      }
    }
    return seen;
  }

  #sign(begin: number): number {
    const signed = this.add();
    this.#on(begin, "-", signed);
    return signed;
  }

  /** One digit up to `most` of them; gives the states after each. */
  #digits(from: readonly number[], most: number): number[] {
    const states: number[] = [];
    for (let i = 0; i < most; i++) {
      const state = this.add();
      for (const before of i === 0 ? from : states.slice(-1)) this.#on(before, DIGITS, state);
      states.push(state);
    }
    return states;
  }

  /** A day that exists: four, two and two digits, from the year 1 on. */
  #date(begin: number, end: string, next: number): void {
    const ended = this.add();
    this.#on(ended, end, next);
    const days = new Map<number, number>();
    const monthOf = (isLeap: boolean) =>
      this.#dash(this.#number(2, 100, (month) => {
        const dayCount = month === 2 && isLeap ? 29 : DAY_COUNTS[month];
        if (dayCount === undefined) return UNPROVEN;
        const day = days.get(dayCount) ??
          this.#dash(this.#number(2, 100, (day) => day >= 1 && day <= dayCount ? ended : UNPROVEN));
        days.set(dayCount, day);
        return day;
      }));
    const common = monthOf(false), leap = monthOf(true);
    const year = this.#number(4, 400, (year) => year === 0 ? UNPROVEN : isLeapYear(year) ? leap : common);
    this.#moves[begin / 256] = this.#moves[year / 256] ?? new Map();
  }

  /** The state before a dash. */
  #dash(next: number): number {
    const state = this.add();
    this.#on(state, "-", next);
    return state;
  }

  /**
   * The state before a number of so many digits.
   *
   * @param period Numbers that differ by it lead to the same, but for 0.
   * @param nextOf Where a number leads.
   */
  #number(digitCount: number, period: number, nextOf: (number: number) => number): number {
    const known = new Map<string, number>();
    const build = (prefix: number, digitsLeft: number): number => {
      if (digitsLeft === 0) return nextOf(prefix);
      const key = `${digitsLeft} ${prefix * 10 ** digitsLeft % period} ${prefix === 0}`;
      let state = known.get(key);
      if (state === undefined) {
        known.set(key, state = this.add());
        for (const digit of DIGITS) {
          this.#on(state, digit, build(10 * prefix + Number(digit), digitsLeft - 1));
        }
      }
      return state;
    };
    return build(0, digitCount);
  }
}

/** By month, in years that are no leap years; there is no month 0. */
const DAY_COUNTS = [undefined, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Ways that {@linkcode advance} goes at once: each waits for its last table row, and the others need not. */
const LANES = 4;

/**
 * Goes on from a state over bytes.
 *
 * @returns The state after them; {@linkcode UNPROVEN} where one of them is not as it must be.
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
  return first === ROW_START && second === ROW_START && third === ROW_START ? fourth : UNPROVEN;
}

/** Where the second lane and those after it begin: at rows, about a quarter of the bytes apart. */
function laneStarts(bytes: Uint8Array): number[] | null {
  const starts: number[] = [];
  for (let lane = 1; lane < LANES; lane++) {
    const start = bytes.indexOf(LF.charCodeAt(0), Math.floor(lane * bytes.length / LANES)) + 1;
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

/** What {@linkcode markLines} leaves at the end of a proven line. */
export const PROVEN = ROW_START / 256;

/**
 * Tells of each line by itself whether it is proven: {@linkcode PROVEN} stands at its LF then, and something else where
 * it is not. All other marks mean nothing.
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

/** Whether rows that ended in this state, with or without a last line end, are proven. */
export function isProven(table: SpellingTable, state: number): boolean {
  return state === ROW_START || table[state + LF.charCodeAt(0)] === ROW_START;
}

/** Whether whole rows are proven, as far as the table goes. */
export function isSpelled(table: SpellingTable, rows: Uint8Array): boolean {
  return isProven(table, advance(table, rows, ROW_START));
}
