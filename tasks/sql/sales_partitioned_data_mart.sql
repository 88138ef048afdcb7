-- sales_partitioned_data_mart: the sales mart by month and store, which go into the path of its files.
-- Grain: one row per accepted sale. Input: sales_data_mart.
-- Ordered by the partition keys: unordered it takes 8 times as long and gives 18 times as many files.
SELECT * FROM sales_data_mart ORDER BY sales_month, store_id
