-- Violations: keys of a dimension that occur more than once, or are NULL (a join would multiply or lose rows).
-- Input: keys(dimension_key). At most 10 violations.
SELECT dimension_key, CAST(count(*) AS BIGINT) AS row_count
FROM keys
GROUP BY dimension_key
HAVING count(*) > 1 OR dimension_key IS NULL
ORDER BY dimension_key NULLS FIRST
LIMIT 10
