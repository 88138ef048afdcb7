"""Runs queries of the docs as an analyst would, in the current folder, and prints their results.

Reads from standard input a JSON object: "engine" ("duckdb", "spark" or "pandas") and "queries", a list of texts.
Prints a JSON list of objects with "columns" and "rows"; every value is text, NULL where there is none.
"""

import ast
import decimal
import json
import sys
import tempfile

import duckdb

WAREHOUSE = "data/demo/warehouse.duckdb"
TABLES = ["customers_data_mart", "sales_team_data_mart"]


def text_of(value):
    if value is None or value != value:
        return "NULL"
    return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)


def shown(columns, rows):
    return {"columns": list(columns), "rows": [[text_of(value) for value in row] for row in rows]}


def run_duckdb(queries):
    with duckdb.connect(WAREHOUSE, read_only=True) as connection:
        results = []
        for query in queries:
            cursor = connection.execute(query)
            results.append(shown([column[0] for column in cursor.description], cursor.fetchall()))
        return results


def run_spark(queries):
    from pyspark.sql import SparkSession

    with tempfile.TemporaryDirectory() as folder:
        spark = (
            SparkSession.builder.master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.warehouse.dir", folder)
            .getOrCreate()
        )
        # In place of JDBC: the tables as views, with the types that they have in the database.
        with duckdb.connect(WAREHOUSE, read_only=True) as connection:
            for table in TABLES:
                connection.execute(f"COPY {table} TO '{folder}/{table}.parquet'")
                spark.read.parquet(f"{folder}/{table}.parquet").createOrReplaceTempView(table)
        results = []
        for query in queries:
            frame = spark.sql(query)
            results.append(shown(frame.columns, frame.collect()))
        spark.stop()
        return results


def run_pandas(queries):
    import pandas as pd

    results = []
    for query in queries:
        module = ast.parse(query)
        last = module.body.pop()
        names = {"pd": pd}
        exec(compile(module, "docs", "exec"), names)
        frame = eval(compile(ast.Expression(last.value), "docs", "eval"), names)
        results.append(shown(frame.columns, frame.itertuples(index=False, name=None)))
    return results


request = json.load(sys.stdin)
run = {"duckdb": run_duckdb, "spark": run_spark, "pandas": run_pandas}[request["engine"]]
json.dump(run(request["queries"]), sys.stdout)
