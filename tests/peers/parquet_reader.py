"""Reads a Parquet file of readings with DuckDB and prints what it finds as one JSON document.

Usage: parquet_reader.py summary FILE FROM_MS    columns, totals, and how many rows are not before FROM_MS
       parquet_reader.py rows FILE               every row: time in milliseconds, point, value, text, quality, reason, late
"""

import json
import sys

import duckdb

connection = duckdb.connect()
what, path = sys.argv[1:3]
if what == "summary":
    columns = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
    totals = connection.execute(
        """
        SELECT count(*), sum(value), count(value), count(text), sum(length(text)), count(DISTINCT point),
               sum(epoch_ms(time)), count(*) FILTER (WHERE late), count(DISTINCT quality), max(reason)
        FROM read_parquet(?)
        """,
        [path],
    ).fetchone()
    after = connection.execute(
        "SELECT count(*), sum(value) FROM read_parquet(?) WHERE time >= make_timestamptz(CAST(? AS BIGINT) * 1000)",
        [path, int(sys.argv[3])],
    ).fetchone()
    groups = connection.execute("SELECT count(DISTINCT row_group_id) FROM parquet_metadata(?)", [path]).fetchone()
    found = {
        "columns": {name: [kind, null] for name, kind, null, *_ in columns},
        "totals": [total if total is None or isinstance(total, str) else float(total) for total in totals],
        "after": [None if total is None else float(total) for total in after],
        "row_groups": groups[0],
    }
else:
    found = connection.execute(
        "SELECT epoch_ms(time), point, value, text, quality, reason, late FROM read_parquet(?)", [path]
    ).fetchall()
json.dump(found, sys.stdout)
