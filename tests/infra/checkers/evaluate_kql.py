"""Runs KQL queries over rows with DuckDB, in the environment that requirements/tools.txt describes.

Reads from standard input {"tables": {name: {column: Kusto type}}, "runs": {name: {"query": …, "rows": {table: [row]}}}}
and prints {name: [row]}, each row as an object.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Final

duckdb_kql: Any = import_module("duckdb_kql")  # Installed in this program's own environment only.

_DUCKDB_TYPES: Final = {
    "bool": "BOOLEAN",
    "datetime": "TIMESTAMP",
    "dynamic": "JSON",
    "int": "INTEGER",
    "long": "BIGINT",
    "real": "DOUBLE",
    "string": "VARCHAR",
}


class Evaluator:
    """One database, emptied before each query."""

    def __init__(self, tables: dict[str, dict[str, str]]) -> None:
        self._connection = duckdb_kql.connect()
        self._tables = {
            table: {column: _DUCKDB_TYPES[kind] for column, kind in columns.items()}
            for table, columns in tables.items()
        }
        for table, columns in self._tables.items():
            described = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            self._connection.execute(f'CREATE TABLE "{table}" ({described})')

    def evaluate(self, query: str, rows: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        for table in self._tables:
            self._connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own names
            self._fill(table, rows.get(table, []))
        relation = duckdb_kql.query(self._connection, query)
        return [dict(zip(relation.columns, found, strict=True)) for found in relation.fetchall()]

    def _fill(self, table: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            columns = self._tables[table]
            json.dump([{column: row.get(column) for column in columns} for row in rows], file)
            file.flush()
            described = ", ".join(f"\"{column}\": '{kind}'" for column, kind in columns.items())
            self._connection.execute(
                f"INSERT INTO \"{table}\" SELECT * FROM read_json('{Path(file.name)}', columns = {{{described}}})"  # noqa: S608 - our own names
            )


def main() -> None:
    asked = json.load(sys.stdin)
    evaluator = Evaluator(asked["tables"])
    answer = {name: evaluator.evaluate(run["query"], run["rows"]) for name, run in asked["runs"].items()}
    json.dump(answer, sys.stdout, default=str)


main()
