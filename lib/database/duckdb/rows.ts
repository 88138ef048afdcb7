/**
 * Parts of queries, and values of their rows, that several modules of the DuckDB database need.
 *
 * @module
 */
import type { Duckdb, Row, SqlValue } from "../../duckdb/duckdb.ts";
import { identifier } from "../../sql.ts";
import { isMissing } from "./errors.ts";

/** The database's clock, as a TIMESTAMP in UTC. */
export const NOW = "make_timestamp_ms(epoch_ms(now()))";

/** A relation of the JSON array of texts in `$1`, to stand behind IN. */
export const GIVEN = `(SELECT unnest(from_json($1::JSON, '["VARCHAR"]')))`;

/** A value as text; `null` for NULL. */
export function textOrNull(value: SqlValue | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

/** The columns of a table or view as DESCRIBE gives them; `null` if there is none of that name. */
export async function describeTable(db: Duckdb, name: string): Promise<Row[] | null> {
  try {
    // Five times as fast as a look at duckdb_columns(), which describes DuckDB's own views too.
    return await db.query(`DESCRIBE ${identifier(name)}`);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
