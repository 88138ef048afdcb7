/**
 * Makes the month totals of two nights as Parquet files, and says what the reporting tables must hold after them.
 *
 * @module
 */
import { join } from "node:path";
import type { ReportingTable, TableTotals } from "../../../lib/database/records.ts";
import { CUSTOMER_TABLE, SALES_TABLE } from "../../database/fixtures.ts";
import { REPORTING_TABLES } from "../../support/datasets.ts";
import { select, sqlText, withDuckdb } from "../../support/duckdb.ts";
import type { Row } from "../../support/rows.ts";
import type { Comparison } from "../compare.ts";
import { generateDimensions } from "../generate.ts";

/** The totals that one run publishes. */
export interface Night {
  readonly customers: TableTotals;
  readonly sales: TableTotals;
}

/** The share of the sale that the best of a store and month gets, as decimal text. */
export const INCENTIVE_PERCENT = "1";

/** Of each customer and sales person: January to June. */
export const MONTHS = 6;
/** With ten persons in each and six months these are 15,000 totals. */
const STORES = 250;
/** The most sold to one customer in one month, in cents; a person sells the sum of many. */
const MOST = { customer: 5_000_000, person: 900_000_000 };

type Mart = keyof typeof REPORTING_TABLES;

/**
 * Writes two nights' totals of the same keys, in the order of their keys, as the pipeline writes them. In the second
 * night all amounts are others and one customer in a hundred has moved.
 *
 * @param folder Must not exist.
 * @param rowCount Of each night's customer-months; six months of each customer.
 */
export async function makeNights(folder: string, rowCount: number): Promise<[Night, Night]> {
  await Deno.mkdir(folder);
  const dimensions = join(folder, "dimensions.duckdb");
  const customers = Math.ceil(rowCount / MONTHS);
  await generateDimensions(dimensions, { customers, stores: STORES, rowCount: 0, rejectShare: 0 });
  return await withDuckdb(dimensions, async (connection) => {
    const write = async (name: string, table: ReportingTable, query: string): Promise<TableTotals> => {
      const file = join(folder, `${name}.parquet`);
      await connection.run(`COPY (${query}) TO ${sqlText(file)} (FORMAT parquet)`);
      const { rows } = await select(connection, `SELECT count(*), sum(total_sales) FROM ${sqlText(file)}`);
      const [rowCount, total_sales] = rows[0] ?? [];
      return { table, files: [file], rowCount: Number(rowCount), sums: { total_sales: String(total_sales) } };
    };
    const make = async (night: number): Promise<Night> => ({
      customers: await write(`customers_${night}`, CUSTOMER_TABLE, customerTotals(rowCount, night)),
      sales: await write(`sales_${night}`, SALES_TABLE, salesTotals(night)),
    });
    return [await make(1), await make(2)];
  });
}

const FULL_NAME = "concat_ws(' ', first_name, last_name) AS full_name";
const SALES_MONTH = "concat('2023-0', month) AS sales_month";

function customerTotals(rowCount: number, night: number): string {
  return `
    SELECT customer_id, ${FULL_NAME},
           if(customer_id % 100 = ${night}, concat('Formerly of ', address), address) AS address,
           if(customer_id % 1000 = 9, NULL, phone_number) AS phone_number, ${SALES_MONTH},
           ${amount(`customer_id, month, ${night}`, MOST.customer)} AS total_sales
    FROM customer CROSS JOIN range(1, ${MONTHS + 1}) AS months(month)
    WHERE ${MONTHS} * (customer_id - 1) + month <= ${rowCount} ORDER BY customer_id, month`;
}

function salesTotals(night: number): string {
  return `
    SELECT 1 + (id - 1) % ${STORES} AS store_id, id AS sales_person_id, ${FULL_NAME}, ${SALES_MONTH},
           ${amount(`id, month, ${night}`, MOST.person)} AS total_sales
    FROM sales_team CROSS JOIN range(1, ${MONTHS + 1}) AS months(month)
    ORDER BY store_id, sales_person_id, month`;
}

function amount(drawnFrom: string, most: number): string {
  return `((1 + (hash(${drawnFrom}) % ${most})::BIGINT) * 0.01::DECIMAL(3, 2))::DECIMAL(28, 2)`;
}

/** Writes a night's customer totals for a plain LOAD DATA. */
export async function writeTsv({ customers }: Night, file: string): Promise<void> {
  await withDuckdb(":memory:", async (connection) => {
    await connection.run(
      `COPY (FROM read_parquet([${customers.files.map(sqlText).join(", ")}])) TO ${sqlText(file)}
       (FORMAT csv, DELIMITER '\t', HEADER false, NULLSTR '\\N')`,
    );
  });
}

/** Compares a reporting table, or another with its columns, with what these nights' totals add up to. */
export async function compareMart(
  sql: (statement: string) => Promise<Row[]>,
  mart: Mart,
  nights: readonly Night[],
  table: string = mart,
): Promise<Comparison> {
  const [actual = []] = await sql(`SELECT ${sums(mart, SERVER_HASH)} FROM ${table}`);
  const [expected = []] = await withDuckdb(":memory:", async (connection) => {
    return (await select(
      connection,
      `SELECT ${sums(mart, DUCKDB_HASH)} FROM (${expectedRows(mart, nights)})`,
    ))
      .rows;
  });
  const differing = ["rows", "total_sales", "sum of the rows' hashes"].flatMap((name, i) =>
    actual[i] === expected[i] ? [] : [`${name} ${actual[i]} instead of ${expected[i]}`]
  );
  const difference = differing.length === 0 ? null : differing.join(", ");
  return { name: table, rowCount: Number(actual[0]), difference };
}

const LAST: Readonly<Record<Mart, (night: Night) => TableTotals>> = {
  customers_data_mart: ({ customers }) => customers,
  sales_team_data_mart: ({ sales }) => sales,
};
const KEYS: Readonly<Record<Mart, string>> = {
  customers_data_mart: "customer_id, sales_month",
  sales_team_data_mart: "store_id, sales_person_id, sales_month",
};

/** Amounts of all nights, texts of the last. */
function expectedRows(mart: Mart, nights: readonly Night[]): string {
  const files = nights.map((night) => LAST[mart](night).files);
  const [all, last] = [files.flat(), files.at(-1) ?? []].map((paths) =>
    `read_parquet([${paths.map(sqlText).join(", ")}])`
  );
  const totals = `
    SELECT last.* EXCLUDE (total_sales), added.total_sales
    FROM ${last} AS last JOIN (
      SELECT ${KEYS[mart]}, sum(total_sales)::DECIMAL(28, 2) AS total_sales FROM ${all} GROUP BY ALL
    ) AS added USING (${KEYS[mart]})`;
  if (mart === "customers_data_mart") return totals;
  return `
    SELECT *, if(total_sales = max(total_sales) OVER (PARTITION BY store_id, sales_month),
                 round(total_sales * ${INCENTIVE_PERCENT} * 0.01, 2), 0)::DECIMAL(28, 2) AS incentive
    FROM (${totals})`;
}

/** The first 32 bits of a text's MD5 as a number, which both can make. */
const SERVER_HASH = (text: string) => `CAST(CONV(LEFT(MD5(${text}), 8), 16, 10) AS UNSIGNED)`;
const DUCKDB_HASH = (text: string) => `('0x' || left(md5(${text}), 8))::BIGINT`;

/** Number of rows, exact sum of the amounts, and a sum that any other value in any column changes. */
function sums(mart: Mart, hash: (text: string) => string): string {
  const values = REPORTING_TABLES[mart].map((column) =>
    `COALESCE(CAST(${column.split(" ")[0]} AS CHAR), '-')`
  );
  return `COUNT(*), SUM(total_sales), SUM(${hash(`CONCAT_WS('|', ${values.join(", ")})`)})`;
}
