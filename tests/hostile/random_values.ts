/**
 * Random values of each type in all their spellings, and what only looks like one.
 *
 * @module
 */
import type { Dice } from "./dice.ts";
import { DIMENSION_KEYS } from "./dimensions.ts";

/** Which value is wanted. */
export interface Wanted {
  /** Of the column. */
  readonly name: string;
  /** As in the contract; none for an extra column. */
  readonly type: string | undefined;
  /** How often a value passes, 0 to 1. */
  readonly goodShare: number;
}

const KEYS: Readonly<Record<string, readonly string[]>> = {
  customer_id: DIMENSION_KEYS.customer,
  store_id: DIMENSION_KEYS.store,
  sales_person_id: DIMENSION_KEYS.sales_team,
};
/** How often a key is one that its dimension has. */
const KNOWN_KEY_SHARE = 0.95;
const KNOWN_PRODUCT_SHARE = 0.7;
const PLAIN_NUMBER_SHARE = 0.7;
const PLAIN_DATE_SHARE = 0.85;
const BLANK_SHARE = 0.15;

/** A value for a column. */
export function randomValue(dice: Dice, { name, type, goodShare }: Wanted): string {
  if (type === undefined) return dice.chance(0.5) ? "" : dice.pick(TEXTS);
  if (!dice.chance(goodShare)) return dice.pick(dice.chance(BLANK_SHARE) ? BLANKS : badValues(type));
  const keys = KEYS[name];
  if (keys) return spell(dice, dice.chance(KNOWN_KEY_SHARE) ? dice.pick(keys) : otherKey(keys, dice));
  if (name === "product_name" && dice.chance(KNOWN_PRODUCT_SHARE)) return dice.pick(["apple", "pear"]);
  switch (type) {
    case "text":
      return dice.pick(TEXTS.filter((text) => text.trim() !== ""));
    case "integer":
      return spell(dice, String(dice.between(1, dice.pick([3, 9, 99, 1e9]))));
    case "date":
      return spellDate(dice);
    default:
      return spell(dice, decimal(dice, type));
  }
}

/** A key that no dimension has, or a number beside a known one, which may be another one. */
function otherKey(known: readonly string[], dice: Dice): string {
  if (dice.chance(0.5)) return String(dice.between(3, 6));
  return String(BigInt(dice.pick(known)) + dice.pick([1n, -1n]));
}

/** A decimal that is exact, also with zeros behind its last place or without a digit on one side of the point. */
function decimal(dice: Dice, type: string): string {
  const [precision = 0, scale = 0] = (type.match(/\d+/g) ?? []).map(Number);
  const digits = String(dice.between(0, dice.pick([9, 99_999, 1e12]))).slice(0, precision);
  const padded = digits.padStart(scale + (precision > scale ? 1 : 0), "0");
  const whole = padded.slice(0, padded.length - scale), fraction = padded.slice(padded.length - scale);
  if (precision === scale) return dice.pick([`.${fraction}`, `0.${fraction}`]);
  if (scale === 0) return dice.pick([whole, `${whole}.`, `${whole}.000`]);
  return dice.pick([`${whole}.${fraction}`, `${whole}.${fraction}000`, `${whole}.`, `.${fraction}`]);
}

/** A number in one of its spellings. */
function spell(dice: Dice, number: string): string {
  if (dice.chance(PLAIN_NUMBER_SHARE)) return number;
  const zeros = number.startsWith("-") ? number.replace("-", "-00") : `00${number}`;
  const plus = number.startsWith("-") ? number : `+${number}`;
  return dice.pick([` ${number}`, `${number}\t`, ` \t${plus} `, plus, zeros]);
}

/** A date, seldom one that does not exist. */
function spellDate(dice: Dice): string {
  const part = (value: number, width: number) => String(value).padStart(width, "0");
  const year = dice.pick([2023, 2023, 2024, 1, 9999, 1582, dice.between(1, 9999)]);
  const month = dice.between(1, 12), day = dice.between(1, dice.pick([28, 28, 28, 31]));
  const date = `${part(year, 4)}-${part(month, 2)}-${part(day, 2)}`;
  return dice.chance(PLAIN_DATE_SHARE) ? date : dice.pick([` ${date}`, `${date} \t`]);
}

const BLANKS = ["", "", " ", "\t", " \t "];

const TEXTS: readonly string[] = [
  "apple",
  "a,b",
  "a;b",
  "a\tb",
  'an "apple"',
  "an 'apple'",
  '"',
  "'",
  '""',
  "two\nlines",
  "two\r\n\nlines",
  "a lone\rCR",
  "\n",
  " pear",
  "pear ",
  "äpfel 😀",
  "e\u0301",
  "\u0301",
  "=1+1",
  "+1",
  "-1",
  "@x",
  "'=1",
  "\ufeffapple",
  "x\ufeff",
  "NULL",
  "\\N",
  "\\",
  'a\\"b',
  "\x01",
  "\x10n",
  "\x1f",
  "\x0b\x0c",
  "\u0085\u2028",
  "\u00a0",
  "\uffff",
  "#",
  "007",
  "x".repeat(40),
  "",
  " ",
];

/** Texts that no type but text takes. */
const NEVER = [
  "x",
  "NaN",
  "inf",
  "1e3",
  "0x10",
  "1,000",
  "1 000",
  "1_000",
  "--1",
  "+-1",
  "- 1",
  "１",
  "1\u00a0",
  "\ufeff1",
  "1\n",
  "true",
  "1.2.3",
  ".",
  "-",
  "+",
  "9".repeat(40),
  "'1",
  '"1"',
];

function badValues(type: string): readonly string[] {
  if (type === "text") return BLANKS;
  if (type === "date") {
    return [
      ...NEVER,
      "2023-02-29",
      "2023-04-31",
      "0000-01-01",
      "10000-01-01",
      "2023-3-1",
      "2023/03/01",
      "2023-03-01T00:00",
      "-2023-03-01",
      "20230301",
      "2023-03-01 (BC)",
      "infinity",
      "2023-00-10",
      "2023-13-01",
    ];
  }
  if (type === "integer") {
    return [...NEVER, "1.0", "1.", ".5", "9223372036854775808", "-9223372036854775809", "0", "-1"];
  }
  return [
    ...NEVER,
    "0.001",
    "2.999",
    "100000000",
    "-0.01",
    "1.0e0",
    "99999999999999999999",
    "1.0000000000000000000000000000000000000001",
  ];
}
