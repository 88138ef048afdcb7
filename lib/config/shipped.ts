/**
 * The dataset, reporting tables and dimensions that the pipeline is shipped with.
 *
 * @module
 */
import type { Dimensions, ReportingTable } from "../database/records.ts";

/** The dataset of all source files. */
export const SHIPPED_DATASET = "sales";

/** Each customer's total of a month, and each sales person's of a store and month with the incentive. */
export const SHIPPED_TABLES = {
  customer: {
    name: "customers_data_mart",
    columns: {
      customer_id: "integer",
      full_name: "text",
      address: "text",
      phone_number: "text",
      sales_month: "char(7)",
      total_sales: "decimal(28,2)",
    },
    key: ["customer_id", "sales_month"],
    add: ["total_sales"],
    latest: ["full_name", "address", "phone_number"],
    incentive: null,
  },
  sales: {
    name: "sales_team_data_mart",
    columns: {
      store_id: "integer",
      sales_person_id: "integer",
      full_name: "text",
      sales_month: "char(7)",
      total_sales: "decimal(28,2)",
    },
    key: ["store_id", "sales_person_id", "sales_month"],
    add: ["total_sales"],
    latest: ["full_name"],
    incentive: { column: "incentive", of: "total_sales", within: ["store_id", "sales_month"] },
  },
} as const satisfies Readonly<Record<string, ReportingTable>>;

/** The dimension tables and what the marts use of them. */
export const SHIPPED_DIMENSIONS = {
  customer: {
    key: "customer_id",
    ids: ["customer_id"],
    text: ["first_name", "last_name", "address", "pincode", "phone_number"],
  },
  store: { key: "id", ids: ["id"], text: ["store_manager_name"] },
  product: { key: "id", ids: ["id"], text: ["name"] },
  sales_team: {
    key: "id",
    ids: ["id", "manager_id"],
    text: ["first_name", "last_name", "is_manager", "address", "pincode"],
  },
} as const satisfies Dimensions;
