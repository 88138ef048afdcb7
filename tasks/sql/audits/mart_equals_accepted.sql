-- Violations: a mart that has not exactly one row per accepted row (a join multiplied or lost rows), or whose money is
-- not that of the accepted rows. Inputs: accepted_money(money), mart_money(money).
WITH accepted AS (
  SELECT count(*) AS row_count, CAST(coalesce(sum(money), 0) AS DECIMAL(28, 2)) AS total FROM accepted_money
), built AS (
  SELECT count(*) AS row_count, CAST(coalesce(sum(money), 0) AS DECIMAL(28, 2)) AS total FROM mart_money
)
SELECT
  accepted.row_count AS accepted_rows,
  built.row_count AS mart_rows,
  accepted.total AS accepted_total,
  built.total AS mart_total
FROM accepted CROSS JOIN built
WHERE accepted.row_count <> built.row_count OR accepted.total <> built.total
