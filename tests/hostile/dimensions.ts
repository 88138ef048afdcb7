/**
 * The dimensions of hostile deliveries: small, with ids at the ends of 64 bits.
 *
 * @module
 */
import { DIMENSION_TABLES } from "../support/datasets.ts";
import { sqlText, withDuckdb } from "../support/duckdb.ts";

/** The keys of each dimension; a product without a name is none that a row could have. */
export const DIMENSION_KEYS = {
  customer: ["1", "2", "0", "-1", "9223372036854775807", "-9223372036854775808"],
  store: ["121", "122"],
  sales_team: ["1", "7"],
  product: ["apple", "pear", 'an "apple"', "a,b", "äpfel 😀", "two\nlines", null],
} as const;

/** Makes the four tables in a database file. */
export async function createDimensions(database: string): Promise<void> {
  await withDuckdb(database, async (connection) => {
    for (const [table, keys] of Object.entries(DIMENSION_KEYS)) {
      const columns = DIMENSION_TABLES[table as keyof typeof DIMENSION_KEYS];
      await connection.run(`CREATE TABLE ${table} (${columns.join(", ")})`);
      const rows = keys.map((key, i) => {
        const text = key === null ? "NULL" : sqlText(key);
        return table === "product" ? `(${i}, ${text})` : `(${text}, NULL)`;
      });
      const [id, name] = columns.map((column) => column.split(" ")[0]);
      await connection.run(`INSERT INTO ${table} (${id}, ${name}) VALUES ${rows.join(", ")}`);
    }
  });
}
