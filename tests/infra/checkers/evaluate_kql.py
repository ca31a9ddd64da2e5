"""Runs KQL queries over rows with DuckDB, in the environment that requirements/tools.txt describes.

Reads from standard input {"tables": {name: {column: Kusto type}}, "runs": {name: {"query": …, "rows": {table: [row]}}}}
and prints {name: [row]}, each row as an object.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import duckdb_kql  # type: ignore[import-not-found]  # installed in this program's own environment

_DUCKDB_TYPES: Final = {
    "bool": "BOOLEAN",
    "datetime": "TIMESTAMP",
    "dynamic": "JSON",
    "int": "INTEGER",
    "long": "BIGINT",
    "real": "DOUBLE",
    "string": "VARCHAR",
}


def evaluate(tables: dict[str, dict[str, str]], query: str, rows: dict[str, list[dict[str, Any]]]) -> list[Any]:
    connection = duckdb_kql.connect()
    try:
        for table, columns in tables.items():
            described = ", ".join(f'"{column}" {_DUCKDB_TYPES[kind]}' for column, kind in columns.items())
            connection.sql(f'CREATE TABLE "{table}" ({described})')
            for row in rows.get(table, []):
                marks = ", ".join("?" * len(columns))
                values = [row.get(column) for column in columns]
                connection.execute(f'INSERT INTO "{table}" VALUES ({marks})', values)  # noqa: S608 - our own names
        relation = duckdb_kql.query(connection, query)
        return [dict(zip(relation.columns, found, strict=True)) for found in relation.fetchall()]
    finally:
        connection.close()


def main() -> None:
    asked = json.load(sys.stdin)
    answer = {name: evaluate(asked["tables"], run["query"], run["rows"]) for name, run in asked["runs"].items()}
    json.dump(answer, sys.stdout, default=str)


main()
