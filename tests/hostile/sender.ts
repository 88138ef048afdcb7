/**
 * Sources as random deliveries declare them, and files written in their form; the reference's idea of both is in
 * `reference_form.ts`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Dice } from "./dice.ts";
import { encodeText, ENCODING_NAMES, type EncodingName, lacksIn } from "./reference_form.ts";

/** An entry of `sources`. */
export interface SourceEntry {
  readonly match: string;
  readonly delimiter?: string;
  readonly quote?: string;
  readonly encoding?: EncodingName;
  readonly dateFormat?: string;
  readonly decimalComma?: boolean;
  readonly thousands?: string;
  readonly skipLines?: number;
  readonly header?: readonly string[];
  readonly rename?: Readonly<Record<string, string>>;
}

const DATE_FORMATS = [
  "%d/%m/%Y",
  "%d.%m.%Y",
  "%-m/%-d/%Y",
  "%Y%m%d",
  "%Y-%m-%d",
  "%d-%m-%Y",
  "%-d %m'%Y",
  "%m,%d;%Y",
];
const BLANK_MARKS = [" ", "'", "\u2019", "\u00a0", "\u202f"];
const TITLES = ["Sales", "", '"open', "a,b;c\td", '"two\nlines"', "€ für May", "x\r"];
/** How a column may be called by a sender. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  customer_id: ["Kunde", "client no.", "1"],
  price: ["Prix €", "Preis, netto", "price "],
  quantity: ["Menge", "total_cost 2"],
  sales_date: ["Tag", "Ärger"],
};

/** Sources for one run; a file of the folder `s0/` is of the first, and so on, or of one that comes before it. */
export function randomSources(
  dice: Dice,
  columns: Readonly<Record<string, string>>,
  dialects: readonly string[],
): SourceEntry[] {
  const patterns = ["s0/**", "S1/*", "s2/**/*.csv*", "x*"];
  return dice.shuffle(patterns).slice(0, dice.between(1, 4)).map((match) => {
    const [delimiter = ";", quote = '"'] = dice.pick(dialects);
    const decimalComma = dice.chance(0.5);
    const names = Object.keys(columns);
    const renamed = names.filter((name) => NAMES[name] !== undefined && dice.chance(0.4));
    const isBare = dice.chance(0.3);
    return {
      match,
      ...dice.chance(0.7) ? { delimiter, quote } : {},
      ...dice.chance(0.7) ? { encoding: dice.pick(ENCODING_NAMES) } : {},
      ...dice.chance(0.6) ? { dateFormat: dice.pick(DATE_FORMATS) } : {},
      ...decimalComma ? { decimalComma } : {},
      ...dice.chance(0.5) ? { thousands: dice.pick([decimalComma ? "." : ",", ...BLANK_MARKS]) } : {},
      ...dice.chance(0.4) ? { skipLines: dice.between(0, 3) } : {},
      ...isBare ? { header: dice.shuffle([...names, ...dice.chance(0.5) ? ["", "x"] : []]) } : {},
      ...!isBare && renamed.length > 0
        ? { rename: Object.fromEntries(renamed.map((name) => [dice.pick(NAMES[name] ?? [name]), name])) }
        : {},
    };
  });
}

/** Lines that stand above the header, by their number; one too few or too many now and then. */
export function titleLines(dice: Dice, { skipLines = 0 }: Partial<SourceEntry>): string {
  const count = Math.max(0, skipLines + (dice.chance(0.04) ? dice.pick([1, -1]) : 0));
  let text = "";
  while (text.split("\n").length - 1 < count) text += dice.pick(TITLES) + dice.pick(["\n", "\n", "\r\n"]);
  // A title of two lines may have been one too many.
  return text.split(/(?<=\n)/).slice(0, count).join("");
}

/** A value as the sender writes it, if it is a number or a date in the default form; now and then as it is. */
export function spellFor(
  dice: Dice,
  value: string,
  type: string | undefined,
  { dateFormat, decimalComma = false, thousands }: Partial<SourceEntry>,
): string {
  if (type === undefined || type === "text" || dice.chance(0.03)) return value;
  const [, before = "", year = "", month = "", day = "", after = ""] =
    /^([ \t]*)([0-9]{4})-([0-9]{2})-([0-9]{2})([ \t]*)$/.exec(value) ?? [];
  if (type === "date") {
    if (year === "" || dateFormat === undefined) return value;
    const parts: Readonly<Record<string, string>> = {
      "%Y": year,
      "%m": month,
      "%d": day,
      "%-m": month.replace(/^0/, ""),
      "%-d": day.replace(/^0/, ""),
    };
    return before + dateFormat.replace(/%-?[Ymd]/g, (part) => parts[part] ?? "") + after;
  }
  const [, start = "", whole = "", point = "", end = ""] =
    /^([ \t]*[+-]?)([0-9]*)([.]?)([0-9]*[ \t]*)$/.exec(value) ?? [];
  if (whole + end === "") return value;
  const size = dice.chance(0.05) ? 2 : 3;
  const grouped = thousands !== undefined && dice.chance(0.6)
    ? whole.replace(new RegExp(`\\B(?=([0-9]{${size}})+$)`, "g"), () => thousands)
    : whole;
  return start + grouped + (decimalComma && type.startsWith("decimal") ? point.replace(".", ",") : point) +
    end;
}

/** A text in the sender's encoding; what that lacks becomes a question mark. */
export function encodeFor(text: string, { encoding = "utf-8" }: Partial<SourceEntry>): Buffer {
  return encodeText(
    [...text].map((character) => lacksIn(character, encoding) ? "?" : character).join(""),
    encoding,
  );
}
