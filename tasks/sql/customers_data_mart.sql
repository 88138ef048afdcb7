-- What a run adds to the table customers_data_mart.
-- Grain: one row per customer and month of this run's accepted sales. Inputs: accepted_sales, customer.
-- In the customers' order, which comes before the join, while the rows are narrow: a customer's months side by side
-- make their text cheap to compress, and to add to the table.
WITH month_totals AS (
  SELECT
    customer_id,
    year(sales_date) AS sales_year,
    month(sales_date) AS month_of_year,
    CAST(sum(total_cost) AS DECIMAL(28, 2)) AS total_sales
  FROM accepted_sales
  GROUP BY customer_id, year(sales_date), month(sales_date)
  ORDER BY customer_id
)
SELECT
  CAST(m.customer_id AS BIGINT) AS customer_id,
  nullif(concat_ws(' ', nullif(c.first_name, ''), nullif(c.last_name, '')), '') AS full_name,
  CAST(c.address AS STRING) AS address,
  CAST(c.phone_number AS STRING) AS phone_number,
  lpad(CAST(m.sales_year AS STRING), 4, '0') || '-' || lpad(CAST(m.month_of_year AS STRING), 2, '0') AS sales_month,
  CAST(m.total_sales AS DECIMAL(28, 2)) AS total_sales
FROM month_totals m
JOIN customer c ON m.customer_id = c.customer_id
