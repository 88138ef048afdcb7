"""Reads the Parquet datasets of a store as one program does, and prints their columns, types and rows.

Reads from standard input a JSON object: "reader" ("duckdb", "spark", "pandas", "pyarrow" or "polars") and "folders", a
list of paths. Prints a JSON list of objects with "columns", pairs of name and type in DuckDB's words, and "rows", sorted;
every value is text, null where there is none. What the paths say of partitions is left out.
"""

import glob
import json
import re
import sys

# Types of Arrow, Polars and Spark in DuckDB's words.
WORDS = {
    "BIGINT": ["int64", "Int64", "bigint"],
    "VARCHAR": ["string", "large_string", "String", "str"],
    "DATE": ["date32[day]", "Date", "date"],
}


def word_of(type_):
    text = str(type_).removesuffix("[pyarrow]")
    decimal = re.fullmatch(r"[Dd]ecimal(?:128)?\((?:precision=)?(\d+), ?(?:scale=)?(\d+)\)", text)
    if decimal:
        return "DECIMAL({},{})".format(*decimal.groups())
    return next((word for word, names in WORDS.items() if text in names), text)


def shown(columns, rows):
    text = [[None if value is None else str(value) for value in row] for row in rows]
    return {"columns": [[name, word_of(type_)] for name, type_ in columns], "rows": sorted(text, key=json.dumps)}


def files_of(folder):
    return glob.glob(f"{folder}/**/*.parquet", recursive=True)


def read_duckdb(folder):
    import duckdb

    relation = duckdb.read_parquet(files_of(folder), hive_partitioning=False)
    return shown(zip(relation.columns, relation.types), relation.fetchall())


def read_arrow(table):
    return shown(zip(table.schema.names, table.schema.types), zip(*[column.to_pylist() for column in table.columns]))


def read_pyarrow(folder):
    import pyarrow.dataset

    return read_arrow(pyarrow.dataset.dataset(files_of(folder), format="parquet").to_table())


def read_pandas(folder):
    import pandas
    import pyarrow

    frame = pandas.read_parquet(folder, dtype_backend="pyarrow", partitioning=None)
    columns = list(zip(frame.columns, frame.dtypes))
    return {**read_arrow(pyarrow.Table.from_pandas(frame, preserve_index=False)), "columns": shown(columns, [])["columns"]}


def read_polars(folder):
    import polars

    frame = polars.read_parquet(files_of(folder), hive_partitioning=False)
    return shown(frame.schema.items(), frame.rows())


def read_spark(folder):
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    frame = spark.read.option("recursiveFileLookup", "true").parquet(folder)
    columns = [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]
    return shown(columns, frame.collect())


request = json.load(sys.stdin)
read = globals()[f"read_{request['reader']}"]
json.dump([read(folder) for folder in request["folders"]], sys.stdout)
