-- Violations: month totals whose money is not that of the accepted sales. Inputs: accepted_sales, totals(total_sales).
WITH accepted AS (
  SELECT CAST(coalesce(sum(total_cost), 0) AS DECIMAL(28, 2)) AS total FROM accepted_sales
), built AS (
  SELECT CAST(coalesce(sum(total_sales), 0) AS DECIMAL(28, 2)) AS total FROM totals
)
SELECT accepted.total AS accepted_total, built.total AS built_total
FROM accepted CROSS JOIN built
WHERE accepted.total <> built.total
