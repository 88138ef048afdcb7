/**
 * Guesses the forms of numbers and dates from some of them.
 *
 * @module
 */
import type { ColumnType } from "../column_type.ts";
import { parseDateFormat } from "../contract/date_format.ts";
import { DEFAULT_FORM, type FileForm, THOUSANDS } from "../contract/form.ts";
import { numberPattern } from "../contract/spelled.ts";

/** A value as it stands in the file, without blanks around it. */
export interface TypedText {
  /** The type that the contract wants. */
  readonly type: ColumnType;
  /** The value. */
  readonly text: string;
}

/** How numbers are written. */
export type NumberForm = Pick<FileForm, "decimalComma" | "thousands">;

const DAY_ORDERS = ["%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d"];
const SHORT_ORDERS = ["%-d/%-m/%Y", "%-m/%-d/%Y"];

/** Forms of dates that are tried, the default one first. */
export const DATE_GUESSES: readonly string[] = [
  "%Y-%m-%d",
  "%Y%m%d",
  ...["/", ".", "-"].flatMap((mark) => DAY_ORDERS.map((order) => order.replaceAll("/", mark))),
  ...["/", ".", "-"].flatMap((mark) => SHORT_ORDERS.map((order) => order.replaceAll("/", mark))),
].filter((form, i, all) => all.indexOf(form) === i);

/** The forms that most of the dates have; none if no date has any of them. */
export function guessDates(dates: readonly string[]): string[] {
  const counts = DATE_GUESSES.map((form) => ({
    form,
    count: dates.filter((date) => isDate(date, form)).length,
  }));
  const most = Math.max(...counts.map(({ count }) => count));
  return most === 0 ? [] : counts.filter(({ count }) => count === most).map(({ form }) => form);
}

function isDate(text: string, form: string): boolean {
  const { pattern, parts } = parseDateFormat(form);
  const found = new RegExp(`^${pattern}$`).exec(text);
  if (!found) return false;
  const part = (name: (typeof parts)[number]) => Number(found[1 + parts.indexOf(name)]);
  const date = new Date(0);
  date.setUTCFullYear(part("Y"), part("m") - 1, part("d"));
  return date.getUTCFullYear() === part("Y") && date.getUTCMonth() === part("m") - 1 &&
    date.getUTCDate() === part("d");
}

/** The simplest form that most of the numbers have. */
export function guessNumbers(numbers: readonly TypedText[]): NumberForm {
  const forms: NumberForm[] = [false, true].flatMap((decimalComma) => [
    { decimalComma },
    ...THOUSANDS.filter((mark) => mark !== (decimalComma ? "," : ".")).map((thousands) => ({
      decimalComma,
      thousands,
    })),
  ]);
  const counts = forms.map((form) => numbers.filter((number) => isNumber(number, form)).length);
  return forms[counts.indexOf(Math.max(...counts))] ?? { decimalComma: false };
}

function isNumber({ type, text }: TypedText, form: NumberForm): boolean {
  if (!new RegExp(`^${numberPattern(type, { ...DEFAULT_FORM, ...form })}$`).test(text)) return false;
  if (type.kind !== "decimal") return true;
  const fraction = text.split(form.decimalComma ? "," : ".")[1] ?? "";
  return fraction.replace(/0+$/, "").length <= type.scale;
}
