-- Violations: keys of a dimension that occur more than once, or are NULL (a join would multiply or lose rows).
-- Input: keys(dimension, dimension_key). At most 10 violations.
SELECT dimension, dimension_key, CAST(count(*) AS BIGINT) AS row_count
FROM keys
GROUP BY dimension, dimension_key
HAVING count(*) > 1 OR dimension_key IS NULL
ORDER BY dimension, dimension_key NULLS FIRST
LIMIT 10
