/**
 * Accepted rows as SQL: which of them have unknown keys, and what is counted over them.
 *
 * @module
 */
import { KEY_COLUMNS } from "./contract.ts";
import { passes, rulesOf } from "./rules.ts";
import type { Contract } from "./schema.ts";
import { identifier } from "../sql.ts";

/** How many keys of accepted_sales are unknown, over all rows and dimensions; one join after the other costs less. */
export function unknownKeysSql(): string {
  const counts = KEY_COLUMNS.map(({ column, dimension, key }) =>
    `(SELECT count(*) FROM accepted_sales ANTI JOIN (SELECT ${key} AS "@key" FROM ${dimension}) keys
        ON accepted_sales.${identifier(column)} = keys."@key")`
  );
  return `SELECT ${counts.join(" + ")} AS unknown_count`;
}

/** Rows of accepted_sales whose keys are all known. */
export function knownKeysSql(): string {
  return `SELECT accepted_sales.* FROM accepted_sales ${
    KEY_COLUMNS.map(({ column, dimension, key }) =>
      `SEMI JOIN (SELECT ${key} AS "@${dimension}" FROM ${dimension}) ${dimension}
        ON accepted_sales.${identifier(column)} = ${dimension}."@${dimension}"`
    ).join(" ")
  }`;
}

/** Counts per source_key over accepted rows: accepted, and a column per warning. */
export function acceptedCountsSql(contract: Contract): string {
  const warnings = rulesOf(contract, "warn").map(([name, check]) =>
    `count(*) FILTER (WHERE NOT ${passes(check)}) AS ${identifier(name)}`
  );
  return `
    SELECT source_key AS "@source_key", count(*) AS "@accepted", ${
    [...warnings, 'count(*) FILTER (WHERE product."@known" IS NULL) AS unknown_product'].join(", ")
  }
    FROM accepted_sales
    LEFT JOIN (SELECT DISTINCT name AS "@known" FROM product WHERE name IS NOT NULL) product
      ON product_name = product."@known"
    GROUP BY source_key`;
}

/** Names of the warnings that {@linkcode acceptedCountsSql} counts. */
export function warningNames(contract: Contract): string[] {
  return [...rulesOf(contract, "warn").map(([name]) => name), "unknown_product"];
}
