/**
 * Compares what the pipeline and the bare script made of the same files.
 *
 * @module
 */
import { join } from "node:path";
import { PARQUET_DATASETS, PARTITION_COLUMNS, REPORTING_TABLES } from "../support/datasets.ts";
import { select, sqlText, withDuckdb } from "../support/duckdb.ts";

/** Where one of the two put what it made. */
export interface Output {
  /** The database file with the reporting tables. */
  readonly database: string;
  /** Holds a folder for each Parquet dataset. */
  readonly store: string;
}

/** A dataset or table that both have. */
export interface Comparison {
  readonly name: string;
  /** Of the pipeline's output. */
  readonly rowCount: number;
  /** What is different, in words; `null` where nothing is. */
  readonly difference: string | null;
}

/**
 * Compares both reporting tables row by row, and of each Parquet dataset the number of rows, the sum of `total_cost` and
 * the sum of all rows' hashes.
 *
 * @param spillFolder Where larger-than-memory work goes.
 */
export function compareOutputs(pipeline: Output, bare: Output, spillFolder: string): Promise<Comparison[]> {
  return withDuckdb(":memory:", async (connection) => {
    await connection.run(
      `SET temp_directory = ${sqlText(spillFolder)}; SET preserve_insertion_order = false`,
    );
    await connection.run(`ATTACH ${sqlText(pipeline.database)} AS pipeline (READ_ONLY)`);
    await connection.run(`ATTACH ${sqlText(bare.database)} AS bare (READ_ONLY)`);
    const firstRow = async (sql: string) => (await select(connection, sql)).rows[0] ?? [];
    const comparisons: Comparison[] = [];
    for (const [table, columns] of Object.entries(REPORTING_TABLES)) {
      const [rowCount, surplus, missing] = await firstRow(tableQuery(table, names(columns)));
      const same = surplus === "0" && missing === "0";
      const difference = same
        ? null
        : `${surplus} rows that the bare script does not have, ${missing} rows missing`;
      comparisons.push({ name: table, rowCount: Number(rowCount), difference });
    }
    for (const [dataset, columns] of Object.entries(DATASETS)) {
      const [sums = [], expected = []] = [
        await firstRow(datasetQuery(pipeline.store, dataset, names(columns))),
        await firstRow(datasetQuery(bare.store, dataset, names(columns))),
      ];
      const differing = SUMS.flatMap((sum, i) =>
        sums[i] === expected[i] ? [] : [`${sum} ${sums[i]} instead of ${expected[i]}`]
      );
      comparisons.push({
        name: dataset,
        rowCount: Number(sums[0]),
        difference: differing.join(", ") || null,
      });
    }
    return comparisons;
  });
}

/** The columns are of the types that are promised, so that equal rows have equal hashes. */
const DATASETS = { ...PARQUET_DATASETS, sales_partitioned_data_mart: PARQUET_DATASETS.sales_data_mart };
const SUMS = ["rows", "total_cost", "sum of hashes"];

/** Rows of the pipeline, and how many there are too many and too few of: EXCEPT ALL both ways, by one aggregation. */
function tableQuery(table: string, columns: string): string {
  return `
    WITH differing AS (
      SELECT sum(side) AS surplus
      FROM (SELECT ${columns}, 1 AS side FROM pipeline.${table}
            UNION ALL SELECT ${columns}, -1 FROM bare.${table})
      GROUP BY ${columns} HAVING sum(side) <> 0
    )
    SELECT (SELECT count(*) FROM pipeline.${table}), coalesce(sum(greatest(surplus, 0)), 0),
           coalesce(sum(greatest(-surplus, 0)), 0)
    FROM differing`;
}

function datasetQuery(store: string, dataset: string, columns: string): string {
  const partitioned = dataset === "sales_partitioned_data_mart";
  const types = PARTITION_COLUMNS.map((column) => column.replace(" ", ": ")).join(", ");
  const hive = partitioned
    ? `hive_partitioning = true, hive_types = {${types}}`
    : "hive_partitioning = false";
  const files = sqlText(join(store, dataset, "**", "*.parquet"));
  return `SELECT count(*), sum(total_cost), sum(hash(${columns})) FROM read_parquet(${files}, ${hive})`;
}

function names(columns: readonly string[]): string {
  return columns.map((column) => column.split(" ")[0]).join(", ");
}
