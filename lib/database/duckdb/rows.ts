/**
 * Parts of queries, and values of their rows, that several modules of the DuckDB database need.
 *
 * @module
 */
import type { SqlValue } from "../../duckdb/duckdb.ts";

/** The database's clock, as a TIMESTAMP in UTC. */
export const NOW = "make_timestamp_ms(epoch_ms(now()))";

/** A relation of the JSON array of texts in `$1`, to stand behind IN. */
export const GIVEN = `(SELECT unnest(from_json($1::JSON, '["VARCHAR"]')))`;

/** A value as text; `null` for NULL. */
export function textOrNull(value: SqlValue | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
