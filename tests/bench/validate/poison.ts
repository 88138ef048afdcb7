/**
 * Many small files from one, some of them such that nothing in them can be taken.
 *
 * @module
 */
import { join } from "node:path";

/** Every so many files one is poisoned. */
const POISONED_EVERY = 100;

/** What is done to a file's text, by the reason for which it has to be rejected then. */
const POISONS: Readonly<Record<string, (text: string) => string>> = {
  not_utf8: (text) => text.replace(/product(?=[^\n]*\n$)/, "produ\xe7t"),
  missing_columns: (text) => text.replace(",price,", ",prize,"),
  malformed_csv: (text) => text.replace(/product(?=[^\n]*\n$)/, '"product'),
};

/** How many files each poison spoils. */
export function poisonCounts(fileCount: number): Record<string, number> {
  const poisoned = Math.floor(fileCount / POISONED_EVERY);
  const reasons = Object.keys(POISONS);
  return Object.fromEntries(
    reasons.map((reason, i) => [reason, Math.floor((poisoned + reasons.length - 1 - i) / reasons.length)]),
  );
}

/** Splits a CSV file into files of so many rows, each with the header, in a new folder, and poisons some of them. */
export async function splitAndPoison(source: string, folder: string, rowsPerFile: number): Promise<string[]> {
  await Deno.mkdir(folder, { recursive: true });
  const [header = "", ...rows] = (await Deno.readTextFile(source)).trimEnd().split("\n");
  const poisons = Object.values(POISONS);
  const files: string[] = [];
  for (let start = 0; start < rows.length; start += rowsPerFile) {
    const number = files.length + 1;
    const text = [header, ...rows.slice(start, start + rowsPerFile), ""].join("\n");
    const poison = number % POISONED_EVERY === 0
      ? poisons[(number / POISONED_EVERY - 1) % poisons.length]
      : undefined;
    const path = join(folder, `store_${String(number).padStart(6, "0")}.csv`);
    await Deno.writeFile(path, latin1(poison ? poison(text) : text));
    files.push(path);
  }
  return files;
}

/** A byte for each character: a text that is ASCII stays what it is, and one that is not is no UTF-8. */
function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
