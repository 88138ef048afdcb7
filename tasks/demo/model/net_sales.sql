-- What a run adds to the table net_sales: sold less returned.
-- Grain: one row per store and month of this run's sales and returns. Inputs: accepted_sales, accepted_returns.
WITH movements AS (
  SELECT store_id, sales_date AS booked, total_cost AS sold, CAST(0 AS DECIMAL(18, 2)) AS returned
  FROM accepted_sales
  UNION ALL
  SELECT store_id, return_date AS booked, CAST(0 AS DECIMAL(18, 2)) AS sold, amount AS returned
  FROM accepted_returns
), months AS (
  SELECT store_id, substring(CAST(booked AS STRING), 1, 7) AS sales_month, sold, returned FROM movements
)
SELECT
  CAST(store_id AS BIGINT) AS store_id,
  CAST(sales_month AS STRING) AS sales_month,
  CAST(sum(sold) AS DECIMAL(28, 2)) AS sold,
  CAST(sum(returned) AS DECIMAL(28, 2)) AS returned,
  CAST(sum(sold) - sum(returned) AS DECIMAL(28, 2)) AS net
FROM months
GROUP BY store_id, sales_month
