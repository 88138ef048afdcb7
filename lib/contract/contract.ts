/**
 * The contract that a source file must hold: its columns with their types, and the reasons for which a row does not pass.
 *
 * @module
 */

/** Columns that the marts are built from; a contract may add to them but not drop or retype them. */
export const CORE_COLUMNS = {
  customer_id: "integer",
  store_id: "integer",
  product_name: "text",
  sales_date: "date",
  sales_person_id: "integer",
  price: "decimal(10,2)",
  quantity: "integer",
  total_cost: "decimal(18,2)",
} as const;

/** Names that the accepted_sales dataset adds to the contract's columns. */
export const ADDED_COLUMNS = ["additional_column", "source_key"] as const;

/** Contract columns whose values must exist in a dimension, with the reason for a row whose value does not. */
export const KEY_COLUMNS = [
  { column: "customer_id", dimension: "customer", key: "customer_id", reason: "unknown_customer_id" },
  { column: "store_id", dimension: "store", key: "id", reason: "unknown_store_id" },
  { column: "sales_person_id", dimension: "sales_team", key: "id", reason: "unknown_sales_person_id" },
] as const;

/** Why a row is rejected, in the order in which they are looked for. */
export const ROW_REASONS: readonly string[] = [
  "field_count",
  "missing_value",
  "invalid_value",
  "rule",
  ...KEY_COLUMNS.map(({ reason }) => reason),
];
