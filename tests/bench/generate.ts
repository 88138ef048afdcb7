/**
 * Makes what the bench runs on: the dimension tables in a DuckDB file, and CSV files as stores deliver them.
 *
 * Every value is a hash of its row's number, so that one version of DuckDB always makes the same.
 *
 * @module
 */
import { join } from "node:path";
import { sqlText, withDuckdb } from "../support/duckdb.ts";

/** How large a chain is, and what its stores deliver. */
export interface Chain {
  readonly customers: number;
  readonly stores: number;
  /** Rows over all files. */
  readonly rowCount: number;
  /** Share of rows that the contract rejects, 0 to 1, spread evenly over all files. */
  readonly rejectShare: number;
}

/** The chain that delivers many rows; one that delivers few is smaller, down to a single store. */
const FULL_CHAIN = { customers: 1_000_000, stores: 500 };
const CUSTOMERS_PER_ROW = 20;
const ROWS_PER_STORE = 500;

/** A chain of the size that delivers so many rows. */
export function chainOf(rowCount: number, rejectShare: number): Chain {
  return {
    customers: Math.min(FULL_CHAIN.customers, rowCount * CUSTOMERS_PER_ROW),
    stores: Math.min(FULL_CHAIN.stores, Math.ceil(rowCount / ROWS_PER_STORE)),
    rowCount,
    rejectShare,
  };
}

/** The persons who sell in one store. */
export const PERSONS_PER_STORE = 10;

const PRODUCTS = 200;
const MANAGERS = 100;
const FIRST_DAY = "2023-01-01";
/** January to June. */
const DAYS = 181;
const FILES = 10;

/** `draw`: a number from 0 to n - 1 that follows from a row's number and the purpose it is drawn for. */
const MACROS = [
  "CREATE TEMP MACRO draw(i, purpose, n) AS (hash(i, purpose) % n)::BIGINT",
  `CREATE TEMP MACRO first_name_of(i) AS
     concat(['Ada', 'Belo', 'Casi', 'Dunja', 'Emre', 'Fenna', 'Goran', 'Hil'][1 + draw(i, 'first', 8)],
            ['', 'ri', 'la', 'mo', 'se'][1 + draw(i, 'first end', 5)])`,
  `CREATE TEMP MACRO last_name_of(i) AS
     concat(['Dell', 'Farr', 'Istr', 'Gorw', 'Hall', 'Corv'][1 + draw(i, 'last', 6)],
            ['ow', 'el', 'ad', 'in', 'am', 'ane'][1 + draw(i, 'last end', 6)])`,
  "CREATE TEMP MACRO pincode_of(i) AS (100000 + draw(i, 'pincode', 900000))::VARCHAR",
  "CREATE TEMP MACRO day_of(i) AS DATE '2018-01-01' + draw(i, 'day', 1500)::INTEGER",
];

const dimensionTables = ({ customers, stores }: Chain) => [
  `CREATE TABLE customer AS
   SELECT i AS customer_id, first_name_of(i) AS first_name,
          CASE WHEN i % 1000 <> 7 THEN last_name_of(i) END AS last_name,
          concat(i, ' Canal Street, Block ', chr(65 + draw(i, 'block', 26)::INTEGER)) AS address,
          pincode_of(i) AS pincode, concat('+91 ', 9800000000 + i) AS phone_number,
          day_of(i) AS customer_joining_date
   FROM range(1, ${customers + 1}) AS made(i)`,
  `CREATE TABLE store AS
   SELECT i AS id, concat(i, ' Market Road') AS address, pincode_of(-i) AS store_pincode,
          concat(first_name_of(-i), ' ', last_name_of(-i)) AS store_manager_name, day_of(-i) AS store_opening_date,
          'friendly' AS reviews
   FROM range(1, ${stores + 1}) AS made(i)`,
  `CREATE TABLE product AS
   SELECT i AS id, concat('product ', i) AS name, 100.00 AS current_price, 90.00 AS old_price,
          DATE '2020-01-01' AS created_date, DATE '2022-01-01' AS updated_date, DATE '2026-01-01' AS expiry_date
   FROM range(1, ${PRODUCTS + 1}) AS made(i)`,
  `CREATE TABLE sales_team AS
   SELECT i AS id, first_name_of(i) AS first_name, last_name_of(i) AS last_name, 1 + i % ${MANAGERS} AS manager_id,
          if(i <= ${MANAGERS}, 'Y', 'N') AS is_manager, concat(i, ' Mill Lane') AS address, pincode_of(i) AS pincode,
          day_of(i) AS joining_date
   FROM range(1, ${stores * PERSONS_PER_STORE + 1}) AS made(i)`,
];

/** Writes the dimension tables into a new DuckDB file; some customers have no last name. */
export async function generateDimensions(path: string, chain: Chain): Promise<void> {
  await withDuckdb(path, async (connection) => {
    for (const sql of [...MACROS, ...dimensionTables(chain)]) await connection.run(sql);
  });
}

/** How a delivery differs from the usual one. */
export interface DeliveryOptions {
  /** Left out: ten, or one for each row where there are fewer. */
  readonly fileCount?: number;
  /** Whether every row ends in a quoted text of several lines, in a column that the contract does not have. */
  readonly remarks?: boolean;
}

/** Writes the CSV files of a delivery into a new folder, and gives their paths. */
export async function generateDelivery(
  folder: string,
  chain: Chain,
  { fileCount = Math.min(FILES, chain.rowCount), remarks = false }: DeliveryOptions = {},
): Promise<string[]> {
  await Deno.mkdir(folder, { recursive: true });
  const firstRow = (file: number) => Math.floor(chain.rowCount * file / fileCount);
  const files = Array.from({ length: fileCount }, (_, file) => join(folder, `sales_${file}.csv`));
  await withDuckdb(":memory:", async (connection) => {
    for (const sql of MACROS) await connection.run(sql);
    for (const [file, path] of files.entries()) {
      const rows = salesQuery(firstRow(file), firstRow(file + 1), chain, remarks ? REMARKS : "");
      await connection.run(`COPY (${rows}) TO ${sqlText(path)} (FORMAT csv, HEADER)`);
    }
  });
  return files;
}

/** A further column: about 50 bytes on three lines, one of which ends in CRLF, with quotes in the quoted text. */
const REMARKS = `,
           concat('call before ', draw(i, 'hour', 12), ' o''clock,', chr(10), 'else "leave it"', chr(13), chr(10),
                  'with no. ', draw(i, 'neighbour', 500)) AS remarks`;

/**
 * How many rows have each of the faults below, in the words of the contract; they come in turn, the unknown customer
 * last.
 */
export function faultCounts({ rowCount, rejectShare }: Chain): Record<string, number> {
  const faulty = Math.floor(rowCount * rejectShare);
  const reasons = ["missing_value", "invalid_value", "unknown_customer_id"];
  return Object.fromEntries(reasons.map((reason, i) => [reason, Math.floor((faulty + 2 - i) / 3)]));
}

/**
 * The sales from one row's number up to another's. A sales person sells in one store; customers, stores, their persons,
 * products and days are each equally frequent. The faults (an unknown customer, no sales person, a price that is no
 * number) are of the kind that a typed reader and a join leave out too, so that the bare script can be compared.
 */
function salesQuery(
  from: number,
  to: number,
  { customers, stores, rejectShare }: Chain,
  furtherColumns: string,
): string {
  return `
    WITH drawn AS (
      SELECT i, 1 + draw(i, 'customer', ${customers}) AS customer_id,
             1 + draw(i, 'store', ${stores}) AS store_id,
             store_id + ${stores} * draw(i, 'sales person', ${PERSONS_PER_STORE}) AS sales_person_id,
             1 + draw(i, 'product', ${PRODUCTS}) AS product_id,
             DATE '${FIRST_DAY}' + draw(i, 'sales date', ${DAYS})::INTEGER AS sales_date,
             ((1 + draw(i, 'price', 50000)) * 0.01::DECIMAL(3, 2))::DECIMAL(10, 2) AS price,
             1 + draw(i, 'quantity', 9) AS quantity,
             floor((i + 1) * ${rejectShare}::DOUBLE)::BIGINT AS faults,
             CASE WHEN faults > floor(i * ${rejectShare}::DOUBLE) THEN faults % 3 END AS fault
      FROM range(${from}, ${to}) AS made(i)
    )
    SELECT CASE WHEN fault = 0 THEN ${customers} + customer_id ELSE customer_id END AS customer_id,
           store_id,
           concat('product ', product_id) AS product_name,
           sales_date,
           CASE WHEN fault IS DISTINCT FROM 1 THEN sales_person_id END AS sales_person_id,
           CASE WHEN fault = 2 THEN concat(price, '?') ELSE price::VARCHAR END AS price,
           quantity,
           (price * quantity)::DECIMAL(18, 2) AS total_cost${furtherColumns}
    FROM drawn`;
}
