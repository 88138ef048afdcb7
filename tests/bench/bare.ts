/**
 * The yardstick of the bench: the least DuckDB that does the pipeline's job, and does it fast. It reads CSV files,
 * joins them with the dimensions, writes the marts and totals, and trusts everything: no exact values, no rejects, no
 * duplicates, no second run.
 *
 * Nothing of the pipeline is used here. What it shares with it are the names and types of what comes out.
 *
 * @module
 */
import { DuckDBInstance } from "@duckdb/node-api";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    store: { type: "string", default: "" },
    database: { type: "string", default: "" },
    "memory-limit": { type: "string", default: "" },
    faulty: { type: "boolean", default: false },
  },
});

/** Where some rows are faulty, those that the reader cannot take or that have no dimension row are left out. */
const TOLERANT = given.faulty ? "ignore_errors = true," : "";
const KNOWN_KEYS = given.faulty
  ? `SEMI JOIN customer USING (customer_id) SEMI JOIN store ON store_id = store.id
     SEMI JOIN sales_team ON sales_person_id = sales_team.id`
  : "";

const ACCEPTED_SALES = `
  SELECT customer_id, store_id, product_name, sales_date, sales_person_id, price, quantity, total_cost,
         NULL::VARCHAR AS additional_column, 'sales_data/' || parse_filename(filename) AS source_key
  FROM read_csv(
    '${given.store}/sales_data/*.csv', auto_detect = false, header = true, filename = true, ${TOLERANT}
    columns = { customer_id: 'BIGINT', store_id: 'BIGINT', product_name: 'VARCHAR', sales_date: 'DATE',
                sales_person_id: 'BIGINT', price: 'DECIMAL(10,2)', quantity: 'BIGINT', total_cost: 'DECIMAL(18,2)' })
  ${KNOWN_KEYS}`;

const CUSTOMER_DATA_MART = `
  SELECT customer_id, first_name, last_name, address, pincode, phone_number, sales_date, total_cost
  FROM sales JOIN customer USING (customer_id)`;

const salesDataMart = (sales: string) => `
  SELECT store_id, sales_person_id, p.first_name AS sales_person_first_name, p.last_name AS sales_person_last_name,
         store_manager_name, manager_id, is_manager, p.address AS sales_person_address,
         p.pincode AS sales_person_pincode, sales_date, total_cost, strftime(sales_date, '%Y-%m') AS sales_month
  FROM ${sales} JOIN store ON store_id = store.id JOIN sales_team p ON sales_person_id = p.id`;

/** Sorted before the join: a sort of the few columns is cheap, and the join keeps the order well enough. */
const SALES_BY_PARTITION = `(
  SELECT store_id, sales_person_id, sales_date, total_cost FROM sales ORDER BY date_trunc('month', sales_date), store_id)`;

const fullName = (person: string) =>
  `nullif(concat_ws(' ', nullif(${person}.first_name, ''), nullif(${person}.last_name, '')), '')`;

/** Ordered before the join: rows of one customer side by side make their text cheap to compress. */
const CUSTOMERS_DATA_MART = `
  SELECT customer_id, ${fullName("customer")} AS full_name, address, phone_number, sales_month, total_sales
  FROM (
    SELECT customer_id, strftime(sales_date, '%Y-%m') AS sales_month, sum(total_cost)::DECIMAL(28, 2) AS total_sales
    FROM sales GROUP BY ALL ORDER BY customer_id
  ) JOIN customer USING (customer_id)`;

const SALES_TEAM_DATA_MART = `
  SELECT store_id, sales_person_id, ${fullName("p")} AS full_name, sales_month, total_sales,
         if(total_sales > 0 AND rank() OVER (PARTITION BY store_id, sales_month ORDER BY total_sales DESC) = 1,
            round(total_sales * 0.01, 2), 0)::DECIMAL(28, 2) AS incentive
  FROM (
    SELECT store_id, sales_person_id, strftime(sales_date, '%Y-%m') AS sales_month,
           sum(total_cost)::DECIMAL(28, 2) AS total_sales
    FROM sales GROUP BY ALL
  ) JOIN sales_team p ON sales_person_id = p.id`;

/** Each statement by the name of what it makes. The accepted rows are read again from Parquet, since DuckDB knows then how many there are. */
const PARTS: Readonly<Record<string, string>> = {
  accepted_sales: `
    COPY (${ACCEPTED_SALES}) TO '${given.store}/accepted_sales/part.parquet';
    CREATE TEMP VIEW sales AS FROM '${given.store}/accepted_sales/part.parquet'`,
  customer_data_mart: `COPY (${CUSTOMER_DATA_MART}) TO '${given.store}/customer_data_mart/part.parquet'`,
  sales_data_mart: `COPY (${salesDataMart("sales")}) TO '${given.store}/sales_data_mart/part.parquet'`,
  sales_partitioned_data_mart: `
    COPY (${salesDataMart(SALES_BY_PARTITION)}) TO '${given.store}/sales_partitioned_data_mart'
    (FORMAT parquet, PARTITION_BY (sales_month, store_id))`,
  customers_data_mart: `CREATE TABLE customers_data_mart AS ${CUSTOMERS_DATA_MART}`,
  sales_team_data_mart: `CREATE TABLE sales_team_data_mart AS ${SALES_TEAM_DATA_MART}`,
};

const stages: { name: string; durationMs: number }[] = [];
const instance = await DuckDBInstance.create(given.database, {
  memory_limit: given["memory-limit"],
  preserve_insertion_order: "false",
  // Rows that are held back for the partitions' files. Each partition takes 256 KiB and more, so that the default of
  // 524,288 rows of 3,000 small partitions does not fit into 1 GiB.
  partitioned_write_flush_threshold: "50000",
});
const connection = await instance.connect();
for (const dataset of ["accepted_sales", "customer_data_mart", "sales_data_mart"]) {
  await Deno.mkdir(`${given.store}/${dataset}`, { recursive: true });
}
for (const [name, sql] of Object.entries(PARTS)) {
  const startedMs = performance.now();
  await connection.run(sql);
  stages.push({ name, durationMs: performance.now() - startedMs });
}
connection.closeSync();
instance.closeSync();
await new Blob([JSON.stringify({ stages })]).stream().pipeTo(Deno.stdout.writable);
