/**
 * The marts page: what it says of columns and types, and its DuckDB queries, run as they stand on what the demo has
 * made. The same in Spark and pandas is in `tests/readers/`.
 *
 * @module
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import assert from "node:assert/strict";
import { join } from "node:path";
import { PARQUET_DATASETS, PARTITION_COLUMNS, REPORTING_TABLES } from "../support/datasets.ts";
import { INCENTIVES, runDemo, runGoldenNights } from "../support/demo.ts";
import { select, sqlText, withDuckdb } from "../support/duckdb.ts";
import { parsePage } from "../support/pages.ts";
import { queriesOf } from "../support/queries.ts";
import { REPOSITORY } from "../support/task.ts";

const PATH = "docs/marts.md";
const SOURCE = await Deno.readTextFile(join(REPOSITORY, PATH));
const DUCKDB = "sql duckdb";

/** Opens the database of `data/demo` in a folder, with paths as if the queries ran in that folder. */
function withDemo<T>(folder: string, use: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  return withDuckdb(join(folder, "data", "demo", "warehouse.duckdb"), async (connection) => {
    await connection.run(`SET file_search_path = ${sqlText(folder)}`);
    return await use(connection);
  });
}

Deno.test("the marts page gives the results that it shows, when its DuckDB queries run after the demo", async (test) => {
  await using demo = await runDemo();
  await withDemo(demo.folder, async (connection) => {
    const queries = queriesOf(parsePage(PATH, SOURCE));
    assert.ok(queries.length >= 8);
    for (const { line, texts, result } of queries) {
      await test.step(`line ${line}`, async () => {
        const { columns, rows } = await select(connection, texts.get(DUCKDB) ?? "");
        assert.deepEqual(columns.map((column) => column.split(" ")[0]), result.columns);
        assert.deepEqual(rows.map((row) => row.map((value) => value ?? "NULL")), result.rows);
      });
    }
  });
});

Deno.test("the marts page works out the incentives of the table, when there are ties, refunds and later nights", async () => {
  await using nights = await runGoldenNights();
  await withDemo(nights.folder, async (connection) => {
    const query = queriesOf(parsePage(PATH, SOURCE)).at(-1);
    const { rows } = await select(connection, query?.texts.get(DUCKDB) ?? "");
    assert.ok(rows.length > 40);
    assert.deepEqual(rows, (await select(connection, INCENTIVES)).rows);
  });
});

Deno.test("the marts page asks every question in all three languages, but for what only DuckDB needs", () => {
  const [first, ...others] = queriesOf(parsePage(PATH, SOURCE));
  assert.deepEqual([...first?.texts.keys() ?? []], [DUCKDB]);
  for (const { line, texts } of others) {
    assert.deepEqual([...texts.keys()], [DUCKDB, "sql spark", "python"], `line ${line}`);
  }
});

/** The columns of a section's table, as `name TYPE`. */
function columnsOf(section: string): string[] {
  const start = SOURCE.indexOf(`\n## ${section}\n`);
  assert.ok(start >= 0, `there is no section ${section}`);
  const [, body = ""] = SOURCE.slice(start).split(/^## .*$/m);
  return [...body.matchAll(/^\| `(\w+)` +\| `([^`]+)` +\|/gm)].map(([, name, type]) => `${name} ${type}`);
}

Deno.test("the marts page names every column with its type, of every mart and table", () => {
  const inPath = ["run_id VARCHAR"];
  for (const [mart, columns] of Object.entries(PARQUET_DATASETS)) {
    assert.deepEqual(columnsOf(mart), [...columns, ...inPath], mart);
  }
  for (const [table, columns] of Object.entries(REPORTING_TABLES)) {
    const types = (column: string) =>
      column.replace(/^(sales_month) VARCHAR$/, "$1 CHAR(7)").replace(/ VARCHAR$/, " TEXT");
    assert.deepEqual(columnsOf(table), columns.map(types), table);
  }
  for (const column of PARTITION_COLUMNS) {
    assert.ok(PARQUET_DATASETS.sales_data_mart.some((other) => other === column), column);
  }
});
