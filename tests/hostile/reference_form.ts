/**
 * The forms of senders once more, in the plainest way: encodings by their tables, patterns, dates and numbers character by
 * character.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Encodings by their names in `sources`. */
export const ENCODING_NAMES = [
  "utf-8",
  "utf-16le",
  "utf-16be",
  "windows-1252",
  "iso-8859-1",
  "iso-8859-15",
] as const;

export type EncodingName = typeof ENCODING_NAMES[number];

/** Characters of windows-1252 from 80 to 9f; a blank for a byte without one (Microsoft, "Code page 1252"). */
const WINDOWS_1252 = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";
/** What ISO 8859-15 has otherwise than ISO 8859-1. */
const ISO_8859_15: Readonly<Record<number, string>> = {
  0xa4: "€",
  0xa6: "Š",
  0xa8: "š",
  0xb4: "Ž",
  0xb8: "ž",
  0xbc: "Œ",
  0xbd: "œ",
  0xbe: "Ÿ",
};

/** The character of a byte; `null` if there is none. */
function characterOf(byte: number, encoding: EncodingName): string | null {
  if (byte >= 0x80 && byte <= 0x9f) {
    const found = encoding === "windows-1252" ? WINDOWS_1252[byte - 0x80] ?? " " : " ";
    return found === " " ? null : found;
  }
  return (encoding === "iso-8859-15" ? ISO_8859_15[byte] : undefined) ?? String.fromCharCode(byte);
}

/** The text of a file; `null` if it is none of the encoding. */
export function decodeText(bytes: Uint8Array, encoding: EncodingName): string | null {
  if (encoding === "utf-8") {
    const text = Buffer.from(bytes).toString("utf8");
    return Buffer.from(text).equals(Buffer.from(bytes)) ? text : null;
  }
  if (!encoding.startsWith("utf-16")) {
    const characters = [...bytes].map((byte) => characterOf(byte, encoding));
    return characters.includes(null) ? null : characters.join("");
  }
  if (bytes.length % 2 !== 0) return null;
  let text = "";
  for (let i = 0; i < bytes.length; i += 2) {
    const [first = 0, second = 0] = [bytes[i], bytes[i + 1]];
    text += String.fromCharCode(encoding === "utf-16be" ? 256 * first + second : 256 * second + first);
  }
  return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text) ? null : text;
}

/** Whether an encoding has no such character. */
export function lacksIn(character: string, encoding: EncodingName): boolean {
  return !encoding.startsWith("utf-") && byteOf(character, encoding) < 0;
}

function byteOf(character: string, encoding: EncodingName): number {
  for (let byte = 0; byte < 256; byte++) if (characterOf(byte, encoding) === character) return byte;
  return -1;
}

/** The bytes of a text whose characters the encoding has. */
export function encodeText(text: string, encoding: EncodingName): Buffer {
  if (encoding === "utf-8") return Buffer.from(text);
  if (!encoding.startsWith("utf-16")) {
    return Buffer.from([...text].map((character) => byteOf(character, encoding)));
  }
  const units = text.split("").map((unit) => unit.charCodeAt(0));
  return Buffer.from(
    units.flatMap((unit) => encoding === "utf-16be" ? [unit >> 8, unit & 255] : [unit & 255, unit >> 8]),
  );
}

/** Whether a name fits a pattern, of those that random sources have. */
export function fits(name: string, pattern: string): boolean {
  const lower = name.toLowerCase(), wanted = pattern.toLowerCase();
  if (!wanted.includes("/")) return matchesFrom(lower.split("/").at(-1) ?? "", wanted);
  return matchesFrom(lower, wanted);
}

function matchesFrom(name: string, pattern: string): boolean {
  if (pattern === "") return name === "";
  if (pattern.startsWith("**/")) {
    const rest = pattern.slice(3);
    return matchesFrom(name, rest) ||
      (name.includes("/") && matchesFrom(name.slice(name.indexOf("/") + 1), pattern));
  }
  if (pattern.startsWith("**")) return true;
  if (pattern.startsWith("*")) {
    const rest = pattern.slice(1);
    return matchesFrom(name, rest) || (name !== "" && name[0] !== "/" && matchesFrom(name.slice(1), pattern));
  }
  return name !== "" && name[0] === pattern[0] && matchesFrom(name.slice(1), pattern.slice(1));
}

/** A date as YYYY-MM-DD that is written in a form; `null` if it is not. Whether there is such a day is not looked at. */
export function readDate(text: string, format: string): string | null {
  let at = 0;
  const found: Record<string, string> = {};
  for (let i = 0; i < format.length; i++) {
    if (format[i] !== "%") {
      if (text[at++] !== format[i]) return null;
      continue;
    }
    const isShort = format[++i] === "-";
    if (isShort) i++;
    const part = format[i] ?? "", most = part === "Y" ? 4 : 2;
    let digits = "";
    while (digits.length < most && /[0-9]/.test(text[at] ?? "")) digits += text[at++];
    if (isShort ? digits === "" || digits[0] === "0" : digits.length !== most) return null;
    found[part] = digits.padStart(most, "0");
  }
  return at === text.length ? `${found.Y}-${found.m}-${found.d}` : null;
}

/** A number with a point and nothing between its digits; `null` if it is not written in the form. */
export function readNumber(
  text: string,
  { mark, thousands }: { readonly mark: string | null; readonly thousands: string | undefined },
): string | null {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  const [whole = "", ...fractions] = mark === null
    ? [text.slice(sign.length)]
    : text.slice(sign.length).split(mark);
  const groups = thousands === undefined ? [whole] : whole.split(thousands);
  const [first = "", ...others] = groups;
  const isGrouped = others.length === 0 ||
    (first.length >= 1 && first.length <= 3 && first[0] !== "0" &&
      others.every((group) => group.length === 3));
  const [fraction = ""] = fractions;
  const digits = groups.join("") + fraction;
  if (fractions.length > 1 || !isGrouped || !/^[0-9]+$/.test(digits)) return null;
  return sign + groups.join("") + (fractions.length > 0 ? `.${fraction}` : "");
}
