/**
 * Reads the keys of the dimensions as bits, by which a scan tells whether a row has known keys.
 *
 * Looking them up costs the engine a fifth of reading the rows, and a row that has none would have to be found again.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { KeyColumn } from "./schema.ts";
import type { KnownKeys } from "../csv/key_bits.ts";
import type { Engine } from "../engine/engine.ts";
import { identifier } from "../sql.ts";

/** Numbers from the least key to the greatest that are kept, in 8 MiB. */
const MOST_NUMBERS = 2 ** 26;

/** Reads the keys that are integers, by column; a dimension whose keys are too far apart or too large is left out. */
export async function readKnownKeys(
  engine: Engine,
  columns: readonly KeyColumn[],
): Promise<Map<string, KnownKeys>> {
  const numbers = columns.filter(({ isText }) => !isText);
  // Several columns may point to one dimension, whose keys are read and kept once.
  const sources = Map.groupBy(numbers, sourceOf);
  const known = new Map<string, KnownKeys>();
  for (const [source, keys] of await readBits(engine, [...sources.keys()])) {
    for (const { column } of sources.get(source) ?? []) known.set(column, keys);
  }
  return known;
}

/** The keys of a column's dimension, as SQL: a SELECT of `key`. */
function sourceOf({ dimension, key }: KeyColumn): string {
  return `SELECT ${identifier(key)} AS key FROM ${identifier(dimension)}`;
}

/** The bits of the keys that each SELECT gives, as far as they are near to each other. */
async function readBits(engine: Engine, sources: readonly string[]): Promise<Map<string, KnownKeys>> {
  if (sources.length === 0) return new Map();
  const ranges = await engine.query(
    sources.map((source, i) =>
      `SELECT ${i} AS number, min(key) AS least, max(key) AS greatest FROM (${source})`
    )
      .join(" UNION ALL "),
  );
  const selects = ranges.flatMap(({ number, least: first, greatest }) => {
    if (first == null) return [];
    const least = Number(first);
    // Whole bytes: what does not fill them would stand in front.
    const last = least + 8 * Math.ceil((Number(greatest) - least + 1) / 8) - 1;
    if (!Number.isSafeInteger(least) || !Number.isSafeInteger(last) || last - least >= MOST_NUMBERS) {
      return [];
    }
    return `SELECT ${number} AS number, ${least} AS least,
      base64(CAST(bitstring_agg(key, ${least}, ${last}) AS BLOB)) AS bits FROM (${sources[Number(number)]})`;
  });
  if (selects.length === 0) return new Map();
  const found = await engine.query(selects.join(" UNION ALL "));
  return new Map(found.map(({ number, least, bits }) => [
    sources[Number(number)] ?? "",
    { least: Number(least), bits: Buffer.from(String(bits), "base64") },
  ]));
}
