/**
 * The columns that readers of the tables and marts rely on, as `name TYPE` in order, under the default contract.
 *
 * @module
 */

/** The dimension tables as a retail chain would have them. */
export const DIMENSION_TABLES = {
  customer: [
    "customer_id BIGINT",
    "first_name VARCHAR",
    "last_name VARCHAR",
    "address VARCHAR",
    "pincode VARCHAR",
    "phone_number VARCHAR",
    "customer_joining_date DATE",
  ],
  store: [
    "id BIGINT",
    "address VARCHAR",
    "store_pincode VARCHAR",
    "store_manager_name VARCHAR",
    "store_opening_date DATE",
    "reviews VARCHAR",
  ],
  product: [
    "id BIGINT",
    "name VARCHAR",
    "current_price DECIMAL(10,2)",
    "old_price DECIMAL(10,2)",
    "created_date DATE",
    "updated_date DATE",
    "expiry_date DATE",
  ],
  sales_team: [
    "id BIGINT",
    "first_name VARCHAR",
    "last_name VARCHAR",
    "manager_id BIGINT",
    "is_manager VARCHAR",
    "address VARCHAR",
    "pincode VARCHAR",
    "joining_date DATE",
  ],
} as const;

/** The reporting tables; CHAR(7) is VARCHAR in DuckDB. */
export const REPORTING_TABLES = {
  customers_data_mart: [
    "customer_id BIGINT",
    "full_name VARCHAR",
    "address VARCHAR",
    "phone_number VARCHAR",
    "sales_month VARCHAR",
    "total_sales DECIMAL(28,2)",
  ],
  sales_team_data_mart: [
    "store_id BIGINT",
    "sales_person_id BIGINT",
    "full_name VARCHAR",
    "sales_month VARCHAR",
    "total_sales DECIMAL(28,2)",
    "incentive DECIMAL(28,2)",
  ],
} as const;

/** The Parquet datasets that have a folder `run_id=RUN` for each run. */
export const PARQUET_DATASETS = {
  customer_data_mart: [
    "customer_id BIGINT",
    "first_name VARCHAR",
    "last_name VARCHAR",
    "address VARCHAR",
    "pincode VARCHAR",
    "phone_number VARCHAR",
    "sales_date DATE",
    "total_cost DECIMAL(18,2)",
  ],
  sales_data_mart: [
    "store_id BIGINT",
    "sales_person_id BIGINT",
    "sales_person_first_name VARCHAR",
    "sales_person_last_name VARCHAR",
    "store_manager_name VARCHAR",
    "manager_id BIGINT",
    "is_manager VARCHAR",
    "sales_person_address VARCHAR",
    "sales_person_pincode VARCHAR",
    "sales_date DATE",
    "total_cost DECIMAL(18,2)",
    "sales_month VARCHAR",
  ],
  accepted_sales: [
    "customer_id BIGINT",
    "store_id BIGINT",
    "product_name VARCHAR",
    "sales_date DATE",
    "sales_person_id BIGINT",
    "price DECIMAL(10,2)",
    "quantity BIGINT",
    "total_cost DECIMAL(18,2)",
    "additional_column VARCHAR",
    "source_key VARCHAR",
  ],
} as const;

/** What `sales_partitioned_data_mart` has in its paths instead of its files, in the order of the path. */
export const PARTITION_COLUMNS = ["sales_month VARCHAR", "store_id BIGINT"] as const;
