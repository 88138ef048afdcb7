/**
 * What a mart's query may be: cases by hand, among them what somebody would try who wants to read more than the inputs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openDuckdbEngine } from "../../lib/engine/duckdb.ts";
import type { Engine, Inputs } from "../../lib/engine/engine.ts";
import { select, withDuckdb } from "../support/duckdb.ts";
import { REPOSITORY } from "../support/task.ts";

/** An engine whose folder has a file that no query may read, and which has named a view of its own. */
async function openTemporary() {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "engine-query-" }));
  await Deno.writeTextFile(join(folder, "secret.csv"), "a\n1\n");
  const resources = { memoryLimit: "256MiB", threads: 1 } as const;
  const engine: Engine = await openDuckdbEngine({ folder, resources });
  await engine.nameValues("secret_table", { a: "BIGINT" }, [{ a: "1" }]);
  await engine.nameQuery("customer", "SELECT 'somebody' AS of_the_stage");
  return {
    folder,
    engine,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const INPUTS: Inputs = {
  accepted_sales: {
    customer_id: "BIGINT",
    store_id: "BIGINT",
    product_name: "VARCHAR",
    sales_date: "DATE",
    total_cost: "DECIMAL(18,2)",
  },
  customer: { customer_id: "BIGINT", first_name: "VARCHAR", last_name: "VARCHAR", user: "VARCHAR" },
  Order: { id: "BIGINT", 'a "b"': "DATE" },
};

/** Queries that may be marts, with the columns that they give. */
const GOOD: Readonly<Record<string, readonly string[]>> = {
  // What is read.
  "SELECT store_id FROM accepted_sales": ["store_id BIGINT"],
  "FROM accepted_sales SELECT total_cost": ["total_cost DECIMAL(18,2)"],
  'SELECT * FROM "Order"': ["id BIGINT", 'a "b" DATE'],
  'select ID as n from "ORDER" order by n': ["n BIGINT"],
  "TABLE customer": ["customer_id BIGINT", "first_name VARCHAR", "last_name VARCHAR", "user VARCHAR"],
  "VALUES (1, 'a')": ["col0 INTEGER", "col1 VARCHAR"],
  "SELECT 1 AS one": ["one INTEGER"],
  "(SELECT 1 AS one)": ["one INTEGER"],
  "SELECT 1 AS one -- at the end": ["one INTEGER"],
  "-- grain\n/* inputs */ SELECT 1 AS one": ["one INTEGER"],
  "SELECT * FROM (VALUES (1, DATE '2023-01-01')) v(id, day)": ["id INTEGER", "day DATE"],
  "SELECT s.store_id, c.first_name FROM accepted_sales s JOIN customer c USING (customer_id)": [
    "store_id BIGINT",
    "first_name VARCHAR",
  ],
  "SELECT a.store_id FROM accepted_sales a, accepted_sales b POSITIONAL JOIN customer": ["store_id BIGINT"],
  "SELECT c.last_name FROM accepted_sales s NATURAL LEFT JOIN customer c": ["last_name VARCHAR"],
  'SELECT x.id FROM accepted_sales s ASOF JOIN "Order" x ON s.store_id >= x.id': ["id BIGINT"],
  "SELECT l.n FROM accepted_sales s, LATERAL (SELECT s.store_id + 1 AS n) l": ["n BIGINT"],
  'SELECT store_id FROM accepted_sales UNION ALL BY NAME SELECT id AS store_id FROM "Order"': [
    "store_id BIGINT",
  ],
  "SELECT customer_id FROM accepted_sales EXCEPT SELECT customer_id FROM customer": ["customer_id BIGINT"],
  'SELECT (SELECT max(id) FROM "Order") AS newest, EXISTS (FROM customer) AS some': [
    "newest BIGINT",
    "some BOOLEAN",
  ],
  "SELECT store_id FROM accepted_sales s WHERE customer_id IN (SELECT customer_id FROM customer) AND EXISTS (SELECT 1 FROM customer c WHERE c.customer_id = s.customer_id)":
    ["store_id BIGINT"],
  "FROM accepted_sales SELECT store_id LIMIT (SELECT count(*) FROM customer)": ["store_id BIGINT"],
  'SELECT ARRAY(SELECT id FROM "Order") AS ids': ["ids BIGINT[]"],
  "PIVOT accepted_sales ON store_id IN (1, 2) USING sum(total_cost) GROUP BY customer_id": [
    "customer_id BIGINT",
    "1 DECIMAL(38,2)",
    "2 DECIMAL(38,2)",
  ],
  "FROM customer UNPIVOT (value FOR name IN (first_name, last_name)) SELECT name, value": [
    "name VARCHAR",
    "value VARCHAR",
  ],
  // CTEs.
  "WITH a AS (SELECT store_id FROM accepted_sales), b AS (FROM a) SELECT * FROM b": ["store_id BIGINT"],
  "WITH customer AS (SELECT 1 AS hidden) FROM customer": ["hidden INTEGER"],
  "WITH customer AS (SELECT customer_id + 1 AS n FROM customer) FROM customer": ["n BIGINT"],
  "WITH Customer AS (SELECT 1 AS hidden) FROM CUSTOMER": ["hidden INTEGER"],
  "WITH RECURSIVE a AS (SELECT 1 AS one) FROM a": ["one INTEGER"],
  "WITH a(n) AS MATERIALIZED (SELECT 1) SELECT n, (WITH b AS (SELECT n FROM a) SELECT max(n) FROM b) AS m FROM a":
    ["n INTEGER", "m INTEGER"],
  'WITH "read_csv" AS (SELECT 1 AS one) FROM read_csv': ["one INTEGER"],
  'WITH "a.b" AS (SELECT 1 AS one) FROM "a.b"': ["one INTEGER"],
  // What is called.
  "SELECT store_id, CAST(sum(total_cost) AS DECIMAL(28, 2)) AS total, count(*) AS n FROM accepted_sales GROUP BY ALL":
    ["store_id BIGINT", "total DECIMAL(28,2)", "n BIGINT"],
  'SELECT row_number() OVER (ORDER BY id) AS n, lag(id) OVER w AS l FROM "Order" WINDOW w AS (ORDER BY id)': [
    "n BIGINT",
    "l BIGINT",
  ],
  "SELECT string_agg(DISTINCT last_name, ',' ORDER BY last_name) FILTER (WHERE customer_id > 1) AS names FROM customer":
    ["names VARCHAR"],
  "SELECT nullif(concat_ws(' ', nullif(first_name, ''), last_name), '') AS full_name FROM customer": [
    "full_name VARCHAR",
  ],
  "SELECT split_part(last_name, '-', 1) AS a, days_in_month(DATE '2023-02-01') AS b, list_sum([1, 2]) AS c FROM customer":
    ["a VARCHAR", "b BIGINT", "c HUGEINT"],
  "SELECT strftime(sales_date, '%Y-%m') AS m, sales_date + INTERVAL 1 DAY AS d, extract(year FROM sales_date) AS y FROM accepted_sales":
    ["m VARCHAR", "d TIMESTAMP", "y BIGINT"],
  "SELECT age(sales_date, DATE '2000-01-01') AS age FROM accepted_sales": ["age INTERVAL"],
  "SELECT list_transform([1, 2], lambda x: x + 1) AS a, [y * 2 FOR y IN [1] IF y > 0] AS b": [
    "a INTEGER[]",
    "b INTEGER[]",
  ],
  "SELECT unnest([1, 2]) AS n": ["n INTEGER"],
  "SELECT u.n FROM accepted_sales s, unnest([s.store_id]) u(n)": ["n BIGINT"],
  "SELECT CASE WHEN last_name ILIKE 'a%' THEN 1 ELSE 2 END AS k, last_name COLLATE nocase AS l FROM customer":
    [
      "k INTEGER",
      "l VARCHAR",
    ],
  "SELECT CAST(store_id AS STRING) AS a, TRY_CAST(product_name AS INT) AS b, product_name || 'x' AS c FROM accepted_sales":
    ["a VARCHAR", "b INTEGER", "c VARCHAR"],
  // Columns.
  "SELECT * EXCLUDE (user) REPLACE (upper(last_name) AS last_name) FROM customer": [
    "customer_id BIGINT",
    "first_name VARCHAR",
    "last_name VARCHAR",
  ],
  "SELECT COLUMNS('_name$') FROM customer": ["first_name VARCHAR", "last_name VARCHAR"],
  "SELECT COLUMNS(lambda c: c LIKE 'f%') FROM customer": ["first_name VARCHAR"],
  "SELECT coalesce(*COLUMNS('_name$')) AS any_name FROM customer": ["any_name VARCHAR"],
  "SELECT c.user FROM customer c": ["user VARCHAR"],
  "SELECT c FROM (SELECT 1 AS a) c": ["c STRUCT(a INTEGER)"],
  "SELECT #1 + 1 AS n FROM (SELECT 1 AS a)": ["n INTEGER"],
  "SELECT DISTINCT ON (store_id) store_id, sales_date FROM accepted_sales ORDER BY ALL LIMIT 10": [
    "store_id BIGINT",
    "sales_date DATE",
  ],
  "SELECT 'random()' AS a, $$FROM 'file.csv'; SELECT 2$$ AS b, 'it''s' AS \"current_date\"": [
    "a VARCHAR",
    "b VARCHAR",
    "current_date VARCHAR",
  ],
};

/** Queries that may not, with what is said about them. */
const BAD: Readonly<Record<string, RegExp>> = {
  // More than one SELECT, less than one, or something else.
  "": /^it must be one SELECT/,
  " \n-- nothing\n": /^it must be one SELECT/,
  ";": /^it must be one SELECT/,
  "SELECT 1 AS a; SELECT 2 AS a": /^it must be one SELECT/,
  "SELECT 1 AS a; DROP TABLE customer": /^it must be one SELECT/,
  "SELECT 1 AS a;": /semicolon/,
  "SELECT 1 AS a; -- the end": /semicolon/,
  "SELECT 1 AS a\0 FROM secret_table": /brackets/,
  "SELECT 1 AS a) TO '/tmp/x' (FORMAT csv); COPY (SELECT 1": /^line 1: syntax error/,
  "SELECT 1 AS a) AS q, secret_table, (SELECT 1": /^line 1: syntax error/,
  "SELECT 1 AS a /* open": /unterminated/,
  "SELECT 'open": /unterminated/,
  "SELEC 1": /^line 1: syntax error at or near "SELEC"/,
  "SELECT\n  store_id,\n  FORM accepted_sales WHERE": /^line 3: syntax error/,
  "SELECT 1e400 AS a": /number that is too large/,
  "COPY (SELECT 1) TO '/tmp/x.csv'": /^it must be one SELECT/,
  "COPY accepted_sales FROM 'secret.csv'": /^it must be one SELECT/,
  "ATTACH '/tmp/x.duckdb' AS x": /^it must be one SELECT/,
  "CREATE TABLE x AS SELECT 1": /^it must be one SELECT/,
  "INSERT INTO customer VALUES (1)": /^it must be one SELECT/,
  "SET memory_limit = '1GB'": /^it must be one SELECT/,
  "SET VARIABLE x = 1": /^it must be one SELECT/,
  "PRAGMA database_list": /^it must be one SELECT/,
  "CALL pragma_version()": /^it must be one SELECT/,
  "EXPLAIN SELECT 1": /^it must be one SELECT/,
  "EXECUTE x": /^it must be one SELECT/,
  "LOAD httpfs": /^it must be one SELECT/,
  "PIVOT accepted_sales ON store_id USING sum(total_cost)": /a PIVOT lists its values/,
  "SELECT * FROM (PIVOT accepted_sales ON store_id USING sum(total_cost))": /a PIVOT lists its values/,
  "DESCRIBE customer": /describe/,
  "DESCRIBE secret_table": /describe/,
  "SUMMARIZE customer": /describe/,
  "SHOW TABLES": /describe/,
  "SHOW ALL TABLES": /describe/,
  "SELECT * FROM (DESCRIBE customer)": /describe/,
  "SELECT * FROM (SHOW TABLES)": /describe/,
  "WITH a AS (FROM (SUMMARIZE customer)) FROM a": /describe/,
  "WITH a AS (INSERT INTO customer VALUES (1) RETURNING *) FROM a": /A CTE needs a SELECT/,
  "SELECT 1 INTO x": /SELECT INTO/,
  // Tables that are no inputs.
  "FROM secret_table":
    /^line 1: it may not read secret_table: it has the inputs accepted_sales, customer, Order$/,
  "SELECT 1 AS a\nFROM customer\nJOIN secret_table USING (a)": /^line 3: it may not read secret_table/,
  "FROM duckdb_settings": /may not read duckdb_settings/,
  "FROM duckdb_tables": /may not read duckdb_tables/,
  "FROM pg_tables": /may not read pg_tables/,
  "FROM sqlite_master": /may not read sqlite_master/,
  "FROM information_schema.tables": /may not read information_schema\.tables/,
  "FROM pg_catalog.pg_class": /may not read pg_catalog\.pg_class/,
  "FROM main.customer": /may not read main\.customer/,
  "FROM temp.customer": /may not read temp\.customer/,
  "FROM memory.main.customer": /may not read memory\.main\.customer/,
  'FROM "temp"."main"."accepted_sales"': /may not read temp\.main\.accepted_sales/,
  "FROM system.information_schema.columns": /may not read system\.information_schema\.columns/,
  "FROM customer_2": /may not read customer_2/,
  'FROM " customer"': /may not read {2}customer/,
  "SELECT 1 AS a FROM customer, secret_table": /secret_table/,
  "SELECT 1 AS a FROM customer POSITIONAL JOIN secret_table": /secret_table/,
  "SELECT 1 AS a FROM customer LEFT JOIN (accepted_sales s JOIN secret_table t ON true) ON true":
    /secret_table/,
  "SELECT 1 AS a FROM customer JOIN accepted_sales ON EXISTS (FROM secret_table)": /secret_table/,
  "FROM (FROM (FROM secret_table))": /secret_table/,
  "TABLE secret_table": /secret_table/,
  "SELECT (SELECT a FROM secret_table) AS a": /secret_table/,
  "SELECT 1 AS a FROM customer WHERE customer_id IN (SELECT a FROM secret_table)": /secret_table/,
  "SELECT 1 AS a FROM customer WHERE customer_id > ALL (SELECT a FROM secret_table)": /secret_table/,
  "SELECT 1 AS a FROM customer WHERE EXISTS (SELECT 1 FROM secret_table)": /secret_table/,
  "SELECT 1 AS a FROM customer GROUP BY (SELECT a FROM secret_table)": /secret_table/,
  "SELECT 1 AS a FROM customer GROUP BY GROUPING SETS ((customer_id, (SELECT a FROM secret_table)))":
    /secret_table/,
  "SELECT count(*) AS a FROM customer HAVING (SELECT a FROM secret_table) > 0": /secret_table/,
  "SELECT 1 AS a FROM customer QUALIFY row_number() OVER (ORDER BY (SELECT a FROM secret_table)) = 1":
    /secret_table/,
  "SELECT 1 AS a FROM customer ORDER BY (SELECT a FROM secret_table)": /secret_table/,
  "SELECT 1 AS a FROM customer LIMIT (SELECT a FROM secret_table)": /secret_table/,
  "SELECT 1 AS a FROM customer OFFSET (SELECT a FROM secret_table)": /secret_table/,
  "SELECT DISTINCT ON ((SELECT a FROM secret_table)) 1 AS a FROM customer": /secret_table/,
  "SELECT sum(customer_id) FILTER (WHERE EXISTS (FROM secret_table)) AS a FROM customer": /secret_table/,
  "SELECT string_agg(last_name ORDER BY (SELECT a FROM secret_table)) AS a FROM customer": /secret_table/,
  "SELECT sum(customer_id) OVER (PARTITION BY (SELECT a FROM secret_table)) AS a FROM customer":
    /secret_table/,
  "SELECT sum(customer_id) OVER (ROWS BETWEEN (SELECT a FROM secret_table) PRECEDING AND CURRENT ROW) AS a FROM customer":
    /secret_table/,
  "SELECT sum(customer_id) OVER w AS a FROM customer WINDOW w AS (ORDER BY (SELECT a FROM secret_table))":
    /secret_table/,
  "SELECT CASE WHEN TRUE THEN (SELECT a FROM secret_table) END AS a": /secret_table/,
  "SELECT CAST((SELECT a FROM secret_table) AS VARCHAR) AS a": /secret_table/,
  "SELECT [x + (SELECT max(a) FROM secret_table) FOR x IN [1]] AS a": /secret_table/,
  "SELECT list_transform([1], lambda x: (SELECT a FROM secret_table)) AS a": /secret_table/,
  "SELECT unnest(ARRAY(SELECT a FROM secret_table)) AS a": /secret_table/,
  "FROM unnest((SELECT list(a) FROM secret_table))": /secret_table/,
  "FROM unnest(ARRAY(FROM secret_table))": /secret_table/,
  "SELECT l.a FROM customer c, LATERAL (SELECT a FROM secret_table WHERE a = c.customer_id) l":
    /secret_table/,
  "SELECT * REPLACE ((SELECT a FROM secret_table) AS user) FROM customer": /secret_table/,
  "SELECT {'a': (SELECT a FROM secret_table)} AS a": /secret_table/,
  "SELECT MAP {'a': (SELECT a FROM secret_table)} AS a": /secret_table/,
  "SELECT TRY((SELECT a FROM secret_table)) AS a": /secret_table/,
  "SELECT (SELECT a FROM secret_table) COLLATE nocase AS a": /secret_table/,
  "SELECT [1, 2][(SELECT a FROM secret_table)] AS a": /secret_table/,
  "SELECT 1 BETWEEN 0 AND (SELECT a FROM secret_table) AS a": /secret_table/,
  "VALUES ((SELECT a FROM secret_table))": /secret_table/,
  "SELECT 1 AS a UNION SELECT a FROM secret_table": /secret_table/,
  "(SELECT 1 AS a INTERSECT SELECT a FROM secret_table) EXCEPT SELECT 2": /secret_table/,
  "PIVOT secret_table ON a IN (1) USING count(*)": /secret_table/,
  "PIVOT customer ON user IN (1) USING sum((SELECT a FROM secret_table))": /secret_table/,
  "FROM secret_table UNPIVOT (v FOR n IN (a))": /secret_table/,
  // CTEs that seem to hide what is read.
  "WITH a AS (FROM secret_table) FROM customer": /secret_table/,
  "WITH a AS (WITH b AS (FROM secret_table) FROM b) FROM a": /secret_table/,
  "WITH secret_table AS (FROM secret_table) FROM secret_table": /secret_table/,
  "WITH duckdb_tables AS (FROM duckdb_tables) FROM duckdb_tables": /duckdb_tables/,
  "WITH RECURSIVE duckdb_tables AS (FROM duckdb_tables) FROM duckdb_tables": /duckdb_tables/,
  "WITH a AS (FROM secret_table), secret_table AS (SELECT 1 AS a) FROM a": /secret_table/,
  "SELECT 1 AS a FROM (WITH secret_table AS (SELECT 1 AS a) FROM secret_table), secret_table": /secret_table/,
  "(WITH secret_table AS (SELECT 1 AS a) FROM secret_table) UNION FROM secret_table": /secret_table/,
  "SELECT (WITH secret_table AS (SELECT 1 AS a) SELECT a FROM secret_table) AS a, (SELECT a FROM secret_table) AS b":
    /secret_table/,
  'WITH "main.duckdb_tables" AS (SELECT 1 AS a) FROM main.duckdb_tables': /main\.duckdb_tables/,
  'WITH "duckdb_settings()" AS (SELECT 1 AS a) FROM duckdb_settings()': /duckdb_settings\(\)/,
  'WITH "pg_proc\u212a" AS (SELECT 1 AS a) FROM pg_prock': /pg_prock/,
  'WITH "duc\u212adb_tables" AS (SELECT 1 AS a) FROM duckdb_tables': /duckdb_tables/,
  "FROM c\u0443stomer": /may not read/,
  "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 9) FROM a": /recursive/,
  "WITH RECURSIVE a USING KEY (n) AS (SELECT 1 AS n UNION SELECT n + 1 FROM a WHERE n < 9) FROM a":
    /recursive/,
  "WITH RECURSIVE a AS (SELECT 1 AS n UNION SELECT 2) FROM a": /recursive/,
  // Files.
  "FROM 'secret.csv'": /may not read secret\.csv/,
  "FROM '/etc/passwd'": /may not read \/etc\/passwd/,
  'FROM "secret.csv"': /may not read secret\.csv/,
  "FROM 'https://example.invalid/x.parquet'": /may not read https/,
  "FROM 'a\nb.csv'": /may not read a\\u000ab\.csv/,
  "FROM read_csv('secret.csv')": /may not read read_csv\(\)/,
  "FROM READ_CSV_AUTO('secret.csv')": /may not read read_csv_auto\(\)/,
  "FROM read_text('/etc/passwd')": /may not read read_text\(\)/,
  "FROM read_blob('/etc/passwd')": /may not read read_blob\(\)/,
  "FROM read_json('x.json')": /may not read read_json\(\)/,
  "FROM read_parquet(['x.parquet'])": /may not read read_parquet\(\)/,
  "FROM parquet_scan('x.parquet')": /may not read parquet_scan\(\)/,
  "FROM parquet_metadata('x.parquet')": /may not read parquet_metadata\(\)/,
  "FROM read_duckdb('x.duckdb')": /may not read read_duckdb\(\)/,
  "FROM sniff_csv('secret.csv')": /may not read sniff_csv\(\)/,
  "FROM glob('/*')": /may not read glob\(\)/,
  "FROM \"read_csv\"('secret.csv')": /may not read read_csv\(\)/,
  "FROM main.read_csv('secret.csv')": /may not read read_csv\(\)/,
  "FROM system.main.read_csv('secret.csv')": /may not read read_csv\(\)/,
  "SELECT 1 AS a FROM customer, LATERAL (FROM read_text(last_name))": /may not read read_text\(\)/,
  "SELECT 1 AS a FROM customer, read_text(last_name)": /may not read read_text\(\)/,
  "SELECT (FROM read_text('/etc/passwd') SELECT content) AS a": /may not read read_text\(\)/,
  "SELECT read_csv('secret.csv') AS a": /may not call read_csv/,
  "SELECT last_name.read_text() AS a FROM customer": /may not call read_text/,
  "SELECT upper(last_name).read_text() AS a FROM customer": /may not call read_text/,
  // Other functions that read.
  "FROM query('FROM secret_table')": /may not read query\(\)/,
  "FROM query_table('secret_table')": /may not read query_table\(\)/,
  "FROM query_table(['customer', 'secret_table'])": /may not read query_table\(\)/,
  "SELECT query('FROM secret_table') AS a": /may not call query/,
  "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))": /json_execute_serialized_sql\(\)/,
  "SELECT json_serialize_plan('FROM duckdb_settings()') AS a": /may not call json_serialize_plan/,
  "FROM duckdb_settings()": /may not read duckdb_settings\(\)/,
  "FROM duckdb_variables()": /may not read duckdb_variables\(\)/,
  "FROM duckdb_secrets()": /may not read duckdb_secrets\(\)/,
  "FROM duckdb_views()": /may not read duckdb_views\(\)/,
  "FROM duckdb_logs_parsed('x')": /may not read duckdb_logs_parsed\(\)/,
  "FROM pragma_database_list()": /may not read pragma_database_list\(\)/,
  "FROM pragma_table_info('secret_table')": /may not read pragma_table_info\(\)/,
  "FROM pragma_version()": /may not read pragma_version\(\)/,
  "FROM histogram(secret_table, a)": /may not read histogram\(\)/,
  "FROM histogram_values(secret_table, a)": /may not read histogram_values\(\)/,
  "FROM sql_auto_complete('SEL')": /may not read sql_auto_complete\(\)/,
  "FROM checkpoint()": /may not read checkpoint\(\)/,
  "FROM enable_logging()": /may not read enable_logging\(\)/,
  "FROM range(3)": /may not read range\(\)/,
  "FROM generate_series(1, 3)": /may not read generate_series\(\)/,
  "FROM repeat('x', 3)": /may not read repeat\(\)/,
  "FROM test_all_types()": /may not read test_all_types\(\)/,
  "FROM range(3) WITH ORDINALITY": /may not read range\(\)/,
  "FROM getenv('HOME')": /may not read getenv\(\)/,
  "FROM no_such_function()": /may not read no_such_function\(\)/,
  "SELECT pg_get_viewdef(1) AS a": /may not call pg_get_viewdef/,
  "SELECT get_block_size('memory') AS a": /may not call get_block_size/,
  "SELECT getenv('HOME') AS a": /may not call getenv/,
  "SELECT current_setting('memory_limit') AS a": /may not call current_setting/,
  "SELECT getvariable('x') AS a": /may not call getvariable/,
  "SELECT write_log('x') AS a": /may not call write_log/,
  "SELECT in_search_path('main', 'main') AS a": /may not call in_search_path/,
  "SELECT currval('s') AS a": /may not call currval/,
  "SELECT nextval('s') AS a": /may not call nextval/,
  "SELECT __internal_decompress_string(1) AS a": /internal use only/,
  // Not the same every time.
  "SELECT random() AS a": /may not call random/,
  "SELECT RANDOM() AS a": /may not call random/,
  'SELECT "Random"() AS a': /may not call random/,
  "SELECT main.random() AS a": /may not call random/,
  "SELECT system.main.random() AS a": /may not call random/,
  "SELECT\n  store_id,\n  total_cost * random() AS a\nFROM accepted_sales": /^line 3: it may not call random/,
  "FROM customer SELECT last_name ORDER BY random()": /may not call random/,
  "SELECT list_transform([1], lambda x: random()) AS a": /may not call random/,
  "SELECT sum(random()) OVER () AS a": /may not call random/,
  "SELECT COLUMNS(lambda c: random() > 0.5) FROM customer": /may not call random/,
  "SELECT INTERVAL (random()) DAY AS a": /may not call random/,
  "PIVOT customer ON (customer_id + random()) IN (1) USING count(*)": /may not call random/,
  "UNPIVOT customer ON CAST(customer_id + random() AS VARCHAR) AS v": /may not call random/,
  "VALUES (random())": /may not call random/,
  "FROM unnest([random()])": /may not call random/,
  "SELECT uuid() AS a": /may not call uuid/,
  "SELECT gen_random_uuid() AS a": /may not call gen_random_uuid/,
  "SELECT uuidv7() AS a": /may not call uuidv7/,
  "SELECT setseed(0.5) AS a": /may not call setseed/,
  "SELECT now() AS a": /may not call now/,
  "SELECT today() AS a": /may not call today/,
  "SELECT current_date AS a": /may not use current_date/,
  'SELECT "current_date" AS a': /may not use current_date/,
  "SELECT Current_Date AS a": /may not use Current_Date/,
  "SELECT current_date() AS a": /may not call current_date/,
  "SELECT current_timestamp AS a": /may not use current_timestamp/,
  "SELECT current_time AS a": /may not use current_time/,
  "SELECT localtime AS a": /may not use localtime/,
  "SELECT localtimestamp AS a": /may not use localtimestamp/,
  "SELECT current_localtimestamp() AS a": /may not call current_localtimestamp/,
  "SELECT get_current_timestamp() AS a": /may not call get_current_timestamp/,
  "SELECT transaction_timestamp() AS a": /may not call transaction_timestamp/,
  "SELECT ago(INTERVAL 1 DAY) AS a": /may not call ago/,
  "SELECT age(sales_date) AS a FROM accepted_sales": /may not call age/,
  "SELECT pg_conf_load_time() AS a": /may not call pg_conf_load_time/,
  "SELECT user AS a FROM customer": /may not use user; a column of that name needs its table's: t\.user/,
  "SELECT current_user AS a": /may not use current_user/,
  "SELECT session_user AS a": /may not use session_user/,
  "SELECT current_schema AS a": /may not use current_schema/,
  "SELECT current_catalog AS a": /may not use current_catalog/,
  "SELECT current_database() AS a": /may not call current_database/,
  "SELECT txid_current() AS a": /may not call txid_current/,
  "SELECT current_query() AS a": /may not call current_query/,
  "SELECT reservoir_quantile(customer_id, 0.5) AS a FROM customer": /may not call reservoir_quantile/,
  "SELECT vector_type(customer_id) AS a FROM customer": /may not call vector_type/,
  "SELECT stats(customer_id) AS a FROM customer": /may not call stats/,
  "SELECT sleep_ms(100000) AS a": /may not call sleep_ms/,
  "SELECT pg_sleep(100) AS a": /may not call pg_sleep/,
  "SELECT error('stop') AS a": /may not call error/,
  "SELECT json_group_object(last_name, 1) AS a FROM customer": /may not call json_group_object/,
  "SELECT no_such_function(1) AS a": /may not call no_such_function/,
  "FROM customer TABLESAMPLE 10%": /sample/,
  "FROM customer TABLESAMPLE reservoir(10 ROWS) REPEATABLE (1)": /sample/,
  "FROM (FROM customer) USING SAMPLE 3": /sample/,
  "FROM (VALUES (1)) t TABLESAMPLE 1": /sample/,
  // Parameters.
  "SELECT ? AS a": /parameters/,
  "SELECT $1 AS a": /parameters/,
  "SELECT $name AS a": /parameters/,
  "FROM customer LIMIT ?": /parameters/,
  // Columns.
  "SELECT 1 AS a, 2 AS A": /^it gives two columns named A$/,
  "SELECT * FROM customer c JOIN accepted_sales s ON c.customer_id = s.customer_id":
    /two columns named customer_id/,
  "SELECT s.*, s.store_id FROM accepted_sales s": /two columns named store_id/,
  // What does not bind, in DuckDB's words.
  "SELECT nme FROM customer": /^line 1: Binder Error: Referenced column "nme" not found in FROM clause!$/,
  "-- é\nSELECT\n  customer_id,\n  nme\nFROM customer": /^line 4: Binder Error: Referenced column "nme"/,
  "SELECT rowid FROM customer": /Binder Error/,
  "SELECT customer_id FROM customer JOIN accepted_sales ON true": /Ambiguous reference to column name/,
  "SELECT last_name + 1 AS a FROM customer": /Binder Error/,
  "SELECT sum(last_name) AS a FROM customer": /Binder Error/,
  "SELECT customer_id, count(*) AS n FROM customer": /Binder Error/,
  "SELECT CAST(1 AS no_such_type) AS a": /Catalog Error/,
  "SELECT last_name COLLATE no_such_collation AS a FROM customer": /Error/,
  "SELECT DEFAULT AS a": /may not have a default/,
  "FROM customer AT (VERSION => 1)": /Error/,
  "SELECT upper() AS a": /Binder Error/,
  "SELECT of_the_stage FROM customer": /Binder Error/,
};

Deno.test("checkQuery() gives names and types in order, when a query reads its inputs alone", async (test) => {
  await using under = await openTemporary();
  for (const [sql, columns] of Object.entries(GOOD)) {
    await test.step(JSON.stringify(sql), async () => {
      const checked = await under.engine.checkQuery(sql, INPUTS);
      assert.ok("columns" in checked, JSON.stringify(checked));
      assert.deepEqual([...checked.columns].map(([name, type]) => `${name} ${type}`), columns);
    });
  }
});

Deno.test("checkQuery() says what is wrong, when a query is anything else", async (test) => {
  await using under = await openTemporary();
  for (const [sql, says] of Object.entries(BAD)) {
    await test.step(JSON.stringify(sql), async () => {
      const checked = await under.engine.checkQuery(sql, INPUTS);
      assert.ok("fault" in checked, "it is allowed");
      assert.match(checked.fault, says);
    });
  }
});

Deno.test("checkQuery() refuses everything of DuckDB's own catalog that reads, or changes by itself", async () => {
  await using under = await openTemporary();
  const { rows: tables } = await withDuckdb(
    ":memory:",
    (connection) => select(connection, "SELECT schema_name, view_name FROM duckdb_views() WHERE internal"),
  );
  const { rows: functions } = await withDuckdb(":memory:", (connection) =>
    select(
      connection,
      `SELECT DISTINCT function_name, function_type IN ('table', 'table_macro', 'pragma') FROM duckdb_functions()
       WHERE function_name <> 'unnest' AND (function_type NOT IN ('scalar', 'aggregate', 'macro') OR stability <> 'CONSISTENT')`,
    ));
  assert.ok(tables.length > 40 && functions.length > 100, "the catalog is empty");
  const queries = [
    ...tables.flatMap(([schema, view]) => [`FROM ${view}`, `FROM ${schema}.${view}`]),
    ...functions.map(([name, reads]) => reads === "true" ? `FROM "${name}"()` : `SELECT "${name}"() AS a`),
  ];
  for (const sql of queries) {
    const checked = await under.engine.checkQuery(sql, INPUTS);
    assert.match("fault" in checked ? checked.fault : "", /^line 1: it may not (read|call)/, sql);
  }
});

Deno.test("checkQuery() allows only what an engine can write", async (test) => {
  await using under = await openTemporary();
  for (const [name, columns] of Object.entries(INPUTS)) {
    const row = Object.entries(columns).map(([column, type]) =>
      `NULL::${type} AS "${column.replaceAll('"', '""')}"`
    );
    await under.engine.nameQuery(name, `SELECT ${row.join(", ")} WHERE FALSE`);
  }
  for (const sql of Object.keys(GOOD)) {
    await test.step(JSON.stringify(sql), async () => {
      const target = { folder: join(under.folder, "out"), format: "parquet", fileName: "part-{i}" } as const;
      await under.engine.write(sql, target);
      await under.engine.nameQuery("mart", sql);
    });
  }
});

Deno.test("checkQuery() runs nothing, and leaves the views of the stage as they are", async () => {
  await using under = await openTemporary();
  const views = () =>
    under.engine.query("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL");
  const before = await views();
  const tables = await under.engine.query("SELECT table_name FROM duckdb_tables() ORDER BY ALL");
  for (const sql of ["FROM customer", "FROM secret_table", "SELECT nme FROM customer", "SELECT 1 AS a;"]) {
    await under.engine.checkQuery(sql, INPUTS);
  }
  assert.deepEqual(await views(), before);
  assert.deepEqual(await under.engine.query("SELECT table_name FROM duckdb_tables() ORDER BY ALL"), tables);
  assert.deepEqual(await under.engine.query("FROM customer"), [{ of_the_stage: "somebody" }]);
  // Checks at the same time do not see each other's inputs.
  const checks = ["a", "b", "c"].map((name) => under.engine.checkQuery("FROM x", { x: { [name]: "DATE" } }));
  assert.deepEqual(
    await Promise.all(checks),
    ["a", "b", "c"].map((name) => ({ columns: new Map([[name, "DATE"]]) })),
  );
});

Deno.test("checkQuery() takes long and deep queries, or says what is too much", async () => {
  await using under = await openTemporary();
  const long = {
    unions: "SELECT 1 AS a" + " UNION ALL SELECT 1".repeat(900),
    sum: "SELECT 1" + " + 1".repeat(100) + " AS a",
    conditions: "SELECT 1 AS a WHERE TRUE" + " AND TRUE".repeat(2000),
    values: "SELECT * FROM (VALUES (1)" + ", (1)".repeat(20_000) + ") v(a)",
    ctes: "WITH c0 AS (SELECT 1 AS a)" +
      Array.from({ length: 300 }, (_, i) => `, c${i + 1} AS (FROM c${i})`).join("") + " FROM c300",
  };
  for (const [name, sql] of Object.entries(long)) {
    assert.deepEqual(
      await under.engine.checkQuery(sql, INPUTS),
      { columns: new Map([["a", "INTEGER"]]) },
      name,
    );
  }
  const deep = await under.engine.checkQuery("SELECT 1" + " + 1".repeat(2000) + " AS a", INPUTS);
  assert.match("fault" in deep ? deep.fault : "", /depth/);
});

Deno.test("checkQuery() allows the marts that are shipped", async (test) => {
  await using under = await openTemporary();
  const text = (...names: string[]) => Object.fromEntries(names.map((name) => [name, "VARCHAR"]));
  const inputs = {
    accepted_sales: { ...INPUTS.accepted_sales, sales_person_id: "BIGINT", price: "DECIMAL(10,2)" },
    customer: {
      customer_id: "BIGINT",
      ...text("first_name", "last_name", "address", "pincode", "phone_number"),
    },
    store: { id: "BIGINT", ...text("store_manager_name") },
    sales_team: {
      id: "BIGINT",
      manager_id: "BIGINT",
      ...text("first_name", "last_name", "is_manager", "address", "pincode"),
    },
  };
  const folder = join(REPOSITORY, "tasks/sql");
  let count = 0;
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith("_mart.sql")) continue;
    count++;
    await test.step(name, async () => {
      const checked = await under.engine.checkQuery(await Deno.readTextFile(join(folder, name)), inputs);
      assert.ok("columns" in checked, JSON.stringify(checked));
      assert.ok([...checked.columns.values()].some((type) => /^DECIMAL\((18|28),2\)$/.test(type)));
    });
  }
  assert.equal(count, 5);
});
