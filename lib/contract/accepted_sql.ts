/**
 * Accepted rows as SQL: which of them have unknown keys, and what is counted over them.
 *
 * @module
 */
import { passes, rulesOf } from "./rules.ts";
import type { Contract } from "./schema.ts";
import { identifier } from "../sql.ts";

/** The view of the rows that are accepted so far. */
export const ACCEPTED_ROWS = "@accepted";
const ACCEPTED = identifier(ACCEPTED_ROWS);

/** How many keys of {@linkcode ACCEPTED_ROWS} are unknown, over all rows and columns; one join after the other costs less. */
export function unknownKeysSql({ keys }: Contract): string {
  const counts = keys.map(({ column, dimension, key }) =>
    `(SELECT count(*) FROM ${ACCEPTED}
      ANTI JOIN (SELECT ${identifier(key)} AS "@key" FROM ${identifier(dimension)}) "@keys"
        ON ${ACCEPTED}.${identifier(column)} = "@keys"."@key")`
  );
  return `SELECT ${["0", ...counts].join(" + ")} AS unknown_count`;
}

/** Rows of {@linkcode ACCEPTED_ROWS} whose keys are all known. */
export function knownKeysSql({ keys }: Contract): string {
  return `SELECT ${ACCEPTED}.* FROM ${ACCEPTED} ${
    keys.map(({ column, dimension, key }, i) =>
      `SEMI JOIN (SELECT ${identifier(key)} AS "@key" FROM ${identifier(dimension)}) "@keys${i}"
        ON ${ACCEPTED}.${identifier(column)} = "@keys${i}"."@key"`
    ).join(" ")
  }`;
}

/** Counts per source_key over {@linkcode ACCEPTED_ROWS}: all of them, and a column per warning. */
export function acceptedCountsSql(contract: Contract): string {
  const ofRules = rulesOf(contract, "warn").map(([name, check]) =>
    `count(*) FILTER (WHERE NOT ${passes(check)}) AS ${identifier(name)}`
  );
  const ofLookups = contract.lookups.map(({ warning }, i) =>
    `count(*) FILTER (WHERE "@lookup${i}"."@known" IS NULL) AS ${identifier(warning)}`
  );
  const joins = contract.lookups.map(({ column, dimension, among }, i) =>
    `LEFT JOIN (SELECT DISTINCT ${identifier(among)} AS "@known" FROM ${identifier(dimension)}
       WHERE ${identifier(among)} IS NOT NULL) "@lookup${i}"
      ON ${ACCEPTED}.${identifier(column)} = "@lookup${i}"."@known"`
  );
  return `
    SELECT source_key AS "@source_key", ${['count(*) AS "@row_count"', ...ofRules, ...ofLookups].join(", ")}
    FROM ${ACCEPTED} ${joins.join(" ")}
    GROUP BY ${ACCEPTED}.source_key`;
}

/** Names of the warnings that {@linkcode acceptedCountsSql} counts. */
export function warningNames(contract: Contract): string[] {
  const ofRules = rulesOf(contract, "warn").map(([name]) => name);
  return [...ofRules, ...contract.lookups.map(({ warning }) => warning)];
}
