-- Grain: one row per reason and day. Inputs: accepted_returns, return_reason.
SELECT
  r.reason_code,
  CAST(r.return_date AS DATE) AS return_date,
  any_value(w.label) AS label,
  CAST(sum(r.amount) AS DECIMAL(28, 2)) AS total_amount,
  CAST(sum(r.fee) AS DECIMAL(28, 2)) AS total_fee,
  CAST(count(*) AS BIGINT) AS return_count,
  CAST(sum(r.pieces) AS BIGINT) AS pieces
FROM accepted_returns r
JOIN return_reason w ON w.code = r.reason_code
GROUP BY r.reason_code, r.return_date
