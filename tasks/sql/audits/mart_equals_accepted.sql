-- Violations: a mart that has not exactly one row per accepted sale (a join multiplied or lost rows), or whose money
-- is not that of the accepted sales. Inputs: accepted_sales, mart(total_cost).
WITH accepted AS (
  SELECT count(*) AS row_count, CAST(coalesce(sum(total_cost), 0) AS DECIMAL(28, 2)) AS total FROM accepted_sales
), built AS (
  SELECT count(*) AS row_count, CAST(coalesce(sum(total_cost), 0) AS DECIMAL(28, 2)) AS total FROM mart
)
SELECT
  accepted.row_count AS accepted_rows,
  built.row_count AS mart_rows,
  accepted.total AS accepted_total,
  built.total AS mart_total
FROM accepted CROSS JOIN built
WHERE accepted.row_count <> built.row_count OR accepted.total <> built.total
