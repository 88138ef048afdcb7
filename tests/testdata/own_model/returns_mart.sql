-- Grain: one row per accepted return. Inputs: accepted_returns, customer, store, return_reason.
SELECT
  CAST(r.customer_id AS BIGINT) AS customer_id,
  CAST(r.store_id AS BIGINT) AS store_id,
  CAST(s.store_manager_name AS STRING) AS store_manager_name,
  CAST(w.label AS STRING) AS reason,
  CAST(r.return_date AS DATE) AS return_date,
  CAST(r.amount AS DECIMAL(12, 2)) AS amount,
  CAST(r.pieces AS BIGINT) AS pieces,
  substring(CAST(r.return_date AS STRING), 1, 7) AS return_month
FROM accepted_returns r
JOIN store s ON s.id = r.store_id
JOIN return_reason w ON w.code = r.reason_code
ORDER BY return_month, r.store_id
