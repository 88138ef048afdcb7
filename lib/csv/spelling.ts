/**
 * Compiles a header's layout to a table of states, by which a scan ({@link ./scan.ts}) proves that rows are exact: a row
 * has as many fields as the header, and each value of the contract is spelled so that nothing can be rounded, cut or
 * overflow when a typed reader takes it.
 *
 * DuckDB's typed reader departs from the contract there: it rounds decimals, takes `1.5` and `1e3` for integers, and
 * leaves out surplus empty fields. A row that is proven can be given to it, and nothing has to be cast twice. The proof is
 * strict: spellings that are valid and rare (`+5`, `.5`, blanks around a number) make a row doubtful, which costs time but
 * changes nothing.
 *
 * @module
 */
import { CR, LF, NEVER_TEXT } from "./marks.ts";
import type { ColumnType } from "../column_type.ts";

/** Next state by state and byte; a state is the index of its row of 256. */
export type SpellingTable = Int32Array<ArrayBuffer>;

/** The state in which nothing can be proven any more; every byte leads back to it. */
export const DOUBTFUL = 0;
/** The state before the first byte of a row, and at no other place. */
export const ROW_START = 256;

/** Digits that every integer of 64 bits may have; one of 19 could overflow. */
const INTEGER_DIGITS = 18;
const LINE_END = "\n";
const DIGITS = "0123456789";
const BLANKS = " \t";

/**
 * Compiles a layout.
 *
 * @param layout The type of each column, `null` for one that the contract does not have.
 * @param delimiter One ASCII character.
 * @param options.quote One ASCII character, which no exact row has.
 * @param options.byLine For `markLines`: a doubt ends with its line, and a line may also end in CRLF. Otherwise one
 * doubtful row makes all rows after it doubtful.
 */
export function compileSpelling(
  layout: readonly (ColumnType | null)[],
  delimiter: string,
  { quote = '"', byLine = false }: { readonly quote?: string; readonly byLine?: boolean } = {},
): SpellingTable {
  const states = new States([...NEVER_TEXT, LINE_END, delimiter, quote]);
  let begin = states.add();
  const afterDoubt = states.add();
  for (const [i, type] of layout.entries()) {
    const isLast = i === layout.length - 1;
    const next = isLast ? ROW_START : states.add();
    states.addField(type, begin, isLast ? LINE_END : delimiter, next);
    begin = next;
  }
  if (byLine) states.goOnByLine(afterDoubt);
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

  /** Goes on after a doubtful line, in a state like {@linkcode ROW_START}, and allows CRLF. */
  goOnByLine(afterDoubt: number): void {
    const beforeLf = this.add();
    for (const moves of this.#moves) if (moves.get(LF) === ROW_START) moves.set(CR, beforeLf);
    this.#on(beforeLf, LINE_END, ROW_START);
    // The same moves as from the start of a row, but another state: it tells that the line before was doubtful.
    this.#moves[afterDoubt / 256] = this.#moves[ROW_START / 256] ?? new Map();
    for (const moves of this.#moves) if (moves.get(LF) !== ROW_START) moves.set(LF, afterDoubt);
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

  /** The states of one digit up to `most` of them; gives those after each. */
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
        if (dayCount === undefined) return DOUBTFUL;
        // Months of equal length share their days.
        const day = days.get(dayCount) ??
          this.#dash(this.#number(2, 100, (day) => day >= 1 && day <= dayCount ? ended : DOUBTFUL));
        days.set(dayCount, day);
        return day;
      }));
    const common = monthOf(false), leap = monthOf(true);
    const year = this.#number(4, 400, (year) => year === 0 ? DOUBTFUL : isLeapYear(year) ? leap : common);
    // A field has to begin in the state that it was given.
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
   * @param nextOf Gives the state after a number.
   */
  #number(digitCount: number, period: number, nextOf: (number: number) => number): number {
    const known = new Map<string, number>();
    const build = (prefix: number, digitsLeft: number): number => {
      if (digitsLeft === 0) return nextOf(prefix);
      // Two prefixes that differ by the period lead to the same, and share a state.
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

/** Days of each month in years that are no leap years; there is no month 0. */
const DAY_COUNTS = [undefined, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}
