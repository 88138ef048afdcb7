/**
 * A run's totals for a reporting table, in Parquet files: asserted before they are added to it.
 *
 * @module
 */
import type { Duckdb } from "../duckdb/duckdb.ts";
import { identifier, literal } from "../sql.ts";
import { totalsChanged, totalsWithoutKey } from "./errors.ts";
import type { ReportingTable, TableTotals } from "./records.ts";
import { parseTableType } from "./tables.ts";

/** The totals' files as a relation of DuckDB. */
export function totalsRelation({ files }: TableTotals): string {
  return `read_parquet([${files.map(literal).join(", ")}], hive_partitioning = false)`;
}

/** The sums of a table's `add` columns as columns of a DuckDB query, `sum_0` and so on, each with its column's scale. */
export function sumsOf({ columns, add }: ReportingTable): string {
  return add.map((column, index) => {
    const type = parseTableType(columns[column] ?? "");
    // The largest precision: what a column takes holds for a row, not for the sum of all.
    return `CAST(coalesce(sum(${identifier(column)}), 0) AS DECIMAL(38,${
      type.kind === "decimal" ? type.scale : 0
    })) AS sum_${index}`;
  }).join(", ");
}

/**
 * Asserts that the files hold the rows and the sums that were announced, each row with its key and its values.
 *
 * @throws {DataError} `totals_changed` or `totals_without_key`.
 */
export async function requireTotals(duckdb: Duckdb, totals: TableTotals): Promise<void> {
  const { key, add } = totals.table;
  const keyless = [...key, ...add].map((column) => `${identifier(column)} IS NULL`).join(" OR ");
  const [found] = await duckdb.query(
    `SELECT count(*) AS row_count, count(*) FILTER (${keyless}) AS keyless, ${sumsOf(totals.table)}
     FROM ${totalsRelation(totals)}`,
  );
  requireSame(totals, String(found?.row_count), add.map((_, index) => String(found?.[`sum_${index}`])));
  if (Number(found?.keyless) > 0) throw totalsWithoutKey(totals);
}

/**
 * Asserts that rows and sums are what was announced.
 *
 * @param found The sums as decimal text, in the order of `table.add`.
 * @throws {DataError} `totals_changed`
 */
export function requireSame(totals: TableTotals, rowCount: string, found: readonly string[]): void {
  const { table: { add }, sums } = totals;
  if (rowCount === String(totals.rowCount) && add.every((column, i) => found[i] === sums[column])) return;
  throw totalsChanged(totals, {
    rowCount,
    sums: Object.fromEntries(add.map((column, i) => [column, found[i] ?? ""])),
  });
}
