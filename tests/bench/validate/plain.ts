/**
 * The yardstick for validating: a plain DuckDB script that reads CSV files with types and writes Parquet, with nothing
 * but a memory limit set. It rounds what does not fit, knows no keys, and tells nobody what it leaves out.
 *
 * @module
 */
import { DuckDBInstance } from "@duckdb/node-api";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    source: { type: "string", default: "" },
    target: { type: "string", default: "" },
    "memory-limit": { type: "string", default: "" },
    faulty: { type: "boolean", default: false },
  },
});

const instance = await DuckDBInstance.create(":memory:", { memory_limit: given["memory-limit"] });
const connection = await instance.connect();
await connection.run(`
  COPY (SELECT * FROM read_csv(
    '${given.source}/*.csv', header = true, ${given.faulty ? "ignore_errors = true," : ""}
    columns = { customer_id: 'BIGINT', store_id: 'BIGINT', product_name: 'VARCHAR', sales_date: 'DATE',
                sales_person_id: 'BIGINT', price: 'DECIMAL(10,2)', quantity: 'BIGINT', total_cost: 'DECIMAL(18,2)' }))
  TO '${given.target}' (FORMAT parquet)`);
connection.closeSync();
instance.closeSync();
