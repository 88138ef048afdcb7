-- Violations: keys of totals that have more than one row, of which the table would take either.
-- Input: mart_keys, the columns of the key. At most 10 violations.
SELECT *, CAST(count(*) AS BIGINT) AS row_count
FROM mart_keys
GROUP BY ALL
HAVING count(*) > 1
LIMIT 10
