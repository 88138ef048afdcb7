-- Grain: one row per customer and month. Inputs: accepted_returns, customer.
WITH month_totals AS (
  SELECT customer_id, substring(CAST(return_date AS STRING), 1, 7) AS return_month, sum(amount) AS amount
  FROM accepted_returns
  GROUP BY customer_id, substring(CAST(return_date AS STRING), 1, 7)
)
SELECT
  CAST(m.customer_id AS BIGINT) AS customer_id,
  m.return_month,
  nullif(concat_ws(' ', nullif(c.first_name, ''), nullif(c.last_name, '')), '') AS full_name,
  CAST(m.amount AS DECIMAL(28, 2)) AS amount
FROM month_totals m
JOIN customer c ON c.customer_id = m.customer_id;
