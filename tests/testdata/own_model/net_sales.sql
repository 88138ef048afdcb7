-- Grain: one row per store. Inputs: accepted_sales, accepted_returns.
WITH movements AS (
  SELECT store_id, total_cost AS amount FROM accepted_sales
  UNION ALL
  SELECT store_id, CAST(-amount AS DECIMAL(18, 2)) AS amount FROM accepted_returns
)
SELECT CAST(store_id AS BIGINT) AS store_id, CAST(sum(amount) AS DECIMAL(28, 2)) AS net
FROM movements
GROUP BY store_id
