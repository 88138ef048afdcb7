/**
 * What the Parquet datasets are in the programs that read them: types and values, whatever the dates are.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { select, sqlText, withDuckdb } from "../support/duckdb.ts";
import { createEmbedded } from "../support/deployment.ts";
import { runPipeline } from "../support/task.ts";
import { goldenPath } from "../support/workspace.ts";
import { type ParquetReader, readFolders, requireJava } from "./python.ts";

const READERS: readonly ParquetReader[] = ["duckdb", "pyarrow", "pandas", "polars", "spark", "spark3"];
const DATASETS = ["accepted_sales", "customer_data_mart", "sales_data_mart", "sales_partitioned_data_mart"];

/** Of a typing error, in the days that no calendar of the time had, the first and the last that there are, of a night. */
const DATES = ["0023-03-05", "1582-10-10", "0001-01-01", "9999-12-31", "2023-03-05"];
const HEADER = "customer_id,store_id,product_name,sales_date,sales_person_id,price,quantity,total_cost,note";
const ROWS = DATES.map((date, i) =>
  `${i + 1},121,"oats \u{1f963}",${date},1,0.01,3,9999999999999.99,"a ""b"""`
);

Deno.test("every reader has the same types and values, when dates are older than its calendars", async (test) => {
  await requireJava();
  await using deployment = await createEmbedded();
  await deployment.loadDimensions(goldenPath("dimensions"));
  await Deno.mkdir(join(deployment.store, "sales_data"), { recursive: true });
  await Deno.writeTextFile(
    join(deployment.store, "sales_data", "a.csv"),
    [HEADER, ...ROWS, ""].join("\n"),
  );
  const { rows } = await runPipeline(deployment.config);
  assert.deepEqual(rows, { read: DATES.length, accepted: DATES.length, rejected: 0 });

  const folders = DATASETS.map((name) => join(deployment.store, name));
  const expected = await Promise.all(folders.map(readAsText));
  for (const { rows } of expected) assert.equal(rows.length, DATES.length);
  for (const date of DATES) {
    assert.ok(expected.some(({ rows }) => rows.some((row) => row.includes(date))), date);
  }
  for (const reader of READERS) {
    await test.step(reader, async () => {
      const found = await readFolders(reader, folders);
      for (const [i, name] of DATASETS.entries()) assert.deepEqual(found[i], expected[i], name);
    });
  }
});

/** What the program's own DuckDB reads, every value as its text. */
async function readAsText(folder: string) {
  return await withDuckdb(":memory:", async (connection) => {
    const from = `read_parquet(${sqlText(`${folder}/**/*.parquet`)}, hive_partitioning = false)`;
    const described = await select(
      connection,
      `SELECT column_name, column_type FROM (DESCRIBE FROM ${from})`,
    );
    const columns = described.rows.map(([name, type]) => [String(name), String(type)]);
    const texts = columns.map(([name]) => `CAST("${name}" AS VARCHAR)`).join(", ");
    const { rows } = await select(connection, `SELECT ${texts} FROM ${from}`);
    const order = (row: readonly unknown[]) => JSON.stringify(row);
    return { columns, rows: rows.toSorted((a, b) => order(a) < order(b) ? -1 : 1) };
  });
}
