/**
 * Guesses how a sender writes, from the beginning of a file: what people see at a glance. Nothing is decided by it; the
 * contract check says what a guess is worth.
 *
 * @module
 */
import { DATE_GUESSES, guessDates, guessNumbers } from "./guess_values.ts";
import type { Column, Head } from "./head.ts";
import { findHead, readHeadText } from "./head.ts";
import { parseColumnType } from "../column_type.ts";
import type { Source } from "../contract/form.ts";
import type { CheckSettings } from "../contract/schema.ts";

/** A form that a file may have. */
export interface Guess {
  /** An entry of `sources` but for its pattern, with what differs from the default only. */
  readonly source: Partial<Omit<Source, "match">>;
  /** The columns of the contract, and what the file calls them. */
  readonly columns: readonly Column[];
  /** What people should look at, in words. */
  readonly notes: readonly string[];
}

/** Forms that a file may have, from its first bytes; the most likely one first. */
export function guessForms(bytes: Uint8Array, { contract, csv }: CheckSettings): Guess[] {
  const names = Object.keys(contract.columns);
  const { encoding, text, isCut } = readHeadText(bytes);
  const head = findHead(text, { names, csv, isCut });
  if (head === null) return [];
  const valuesOf = (kinds: readonly string[]) =>
    head.columns.flatMap(({ column, index }) => {
      const type = parseColumnType(contract.columns[column] ?? "");
      if (type === null || index === null || !kinds.includes(type.kind)) return [];
      return head.rows.map((row) => ({ type, text: (row[index] ?? "").trim() }));
    }).filter(({ text }) => text !== "");
  const numbers = guessNumbers(valuesOf(["integer", "decimal"]));
  const dates = guessDates(valuesOf(["date"]).map(({ text }) => text));
  const source = {
    ...head.delimiter === csv.delimiter ? {} : { delimiter: head.delimiter },
    ...head.quote === csv.quote ? {} : { quote: head.quote },
    ...encoding === "utf-8" ? {} : { encoding },
    ...numbers.decimalComma ? { decimalComma: true } : {},
    ...numbers.thousands === undefined ? {} : { thousands: numbers.thousands },
    ...head.skipLines > 0 ? { skipLines: head.skipLines } : {},
    ...head.header ? { header: [...head.header] } : {},
    ...Object.keys(head.rename).length > 0 ? { rename: head.rename } : {},
  };
  const notes = [...notesOf(head), ...dates.length > 1 ? [datesNote(dates)] : []];
  return (dates.length > 0 ? dates : [DATE_GUESSES[0] ?? ""]).map((dateFormat) => ({
    source: { ...source, ...dateFormat === DATE_GUESSES[0] ? {} : { dateFormat } },
    columns: head.columns,
    notes,
  }));
}

function datesNote(dates: readonly string[]): string {
  return `the first dates may be ${dates.join(" or ")}: ask the sender`;
}

function notesOf({ isByPosition, columns, left }: Head): string[] {
  const missing = columns.filter(({ index }) => index === null).map(({ column }) => column);
  return [
    ...isByPosition ? ["the columns were matched by their position: see that each is the right one"] : [],
    ...missing.length > 0 && left.length > 0
      ? [
        `which of ${left.map((name) => JSON.stringify(name)).join(", ")} is ${
          missing.join(", ")
        }? "rename" says so`,
      ]
      : [],
  ];
}
