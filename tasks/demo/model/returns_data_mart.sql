-- returns_data_mart: what came back, with the store's manager and the sales person as the newest snapshot has them.
-- Grain: one row per accepted return. Inputs: accepted_returns, sales_team, store.
SELECT
  CAST(r.customer_id AS BIGINT) AS customer_id,
  CAST(r.store_id AS BIGINT) AS store_id,
  CAST(t.store_manager_name AS STRING) AS store_manager_name,
  CAST(p.first_name AS STRING) AS sales_person_first_name,
  CAST(r.return_date AS DATE) AS return_date,
  CAST(r.amount AS DECIMAL(18, 2)) AS amount,
  CAST(r.reason AS STRING) AS reason,
  substring(CAST(r.return_date AS STRING), 1, 7) AS return_month
FROM accepted_returns r
JOIN sales_team p ON r.sales_person_id = p.id
JOIN store t ON r.store_id = t.id
