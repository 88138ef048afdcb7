-- What a run adds to the table sales_team_data_mart; the incentive follows in the commit, over everything published.
-- Grain: one row per store, sales person and month of this run's accepted sales. Inputs: accepted_sales, sales_team.
WITH month_totals AS (
  SELECT
    store_id,
    sales_person_id,
    year(sales_date) AS sales_year,
    month(sales_date) AS month_of_year,
    CAST(sum(total_cost) AS DECIMAL(28, 2)) AS total_sales
  FROM accepted_sales
  GROUP BY store_id, sales_person_id, year(sales_date), month(sales_date)
)
SELECT
  CAST(m.store_id AS BIGINT) AS store_id,
  CAST(m.sales_person_id AS BIGINT) AS sales_person_id,
  nullif(concat_ws(' ', nullif(p.first_name, ''), nullif(p.last_name, '')), '') AS full_name,
  lpad(CAST(m.sales_year AS STRING), 4, '0') || '-' || lpad(CAST(m.month_of_year AS STRING), 2, '0') AS sales_month,
  CAST(m.total_sales AS DECIMAL(28, 2)) AS total_sales
FROM month_totals m
JOIN sales_team p ON m.sales_person_id = p.id
