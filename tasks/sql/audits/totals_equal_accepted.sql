-- Violations: totals whose money is not that of the accepted rows. Inputs: accepted_money(money), mart_money(money).
WITH accepted AS (
  SELECT CAST(coalesce(sum(money), 0) AS DECIMAL(28, 2)) AS total FROM accepted_money
), built AS (
  SELECT CAST(coalesce(sum(money), 0) AS DECIMAL(28, 2)) AS total FROM mart_money
)
SELECT accepted.total AS accepted_total, built.total AS built_total
FROM accepted CROSS JOIN built
WHERE accepted.total <> built.total
