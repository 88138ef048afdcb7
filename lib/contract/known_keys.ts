/**
 * Reads the keys of the dimensions as bits, by which a scan tells whether a row has known keys.
 *
 * Looking them up costs the engine a fifth of reading the rows, and a row that has none would have to be found again.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { KEY_COLUMNS } from "./contract.ts";
import type { KnownKeys } from "../csv/key_bits.ts";
import type { Engine } from "../engine/engine.ts";
import { literal } from "../sql.ts";

/** Numbers from the least key to the greatest that are kept, in 8 MiB. */
const MOST_NUMBERS = 2 ** 26;

/** Reads the keys, by the contract's columns; not of a dimension whose keys are too far apart or too large. */
export async function readKnownKeys(engine: Engine): Promise<Map<string, KnownKeys>> {
  const ranges = await engine.query(
    KEY_COLUMNS.map(({ column, dimension, key }) =>
      `SELECT ${literal(column)} AS name, min(${key}) AS least, max(${key}) AS greatest FROM ${dimension}`
    ).join(" UNION ALL "),
  );
  const selects = KEY_COLUMNS.flatMap(({ column, dimension, key }) => {
    const range = ranges.find(({ name }) => name === column);
    if (range?.least == null) return [];
    const least = Number(range.least);
    // Whole bytes: what does not fill them would stand in front.
    const last = least + 8 * Math.ceil((Number(range.greatest) - least + 1) / 8) - 1;
    if (!Number.isSafeInteger(least) || !Number.isSafeInteger(last) || last - least >= MOST_NUMBERS) {
      return [];
    }
    return `SELECT ${literal(column)} AS name, ${least} AS least,
      base64(CAST(bitstring_agg(${key}, ${least}, ${last}) AS BLOB)) AS bits FROM ${dimension}`;
  });
  if (selects.length === 0) return new Map();
  const found = await engine.query(selects.join(" UNION ALL "));
  return new Map(found.map(({ name, least, bits }) => [
    String(name),
    { least: Number(least), bits: Buffer.from(String(bits), "base64") },
  ]));
}
