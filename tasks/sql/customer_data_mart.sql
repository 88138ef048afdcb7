-- customer_data_mart: what each customer bought, with the customer as the newest snapshot has them.
-- Grain: one row per accepted sale. Inputs: accepted_sales, customer.
SELECT
  CAST(s.customer_id AS BIGINT) AS customer_id,
  CAST(c.first_name AS STRING) AS first_name,
  CAST(c.last_name AS STRING) AS last_name,
  CAST(c.address AS STRING) AS address,
  CAST(c.pincode AS STRING) AS pincode,
  CAST(c.phone_number AS STRING) AS phone_number,
  CAST(s.sales_date AS DATE) AS sales_date,
  CAST(s.total_cost AS DECIMAL(18, 2)) AS total_cost
FROM accepted_sales s
JOIN customer c ON s.customer_id = c.customer_id
