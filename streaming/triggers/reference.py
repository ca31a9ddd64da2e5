"""The world's reference data, for consumers to join: JSON Lines or CSV, paged."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import azure.functions as func
import orjson

from streaming import wiring
from streaming.retail.reference import TABLES
from streaming.triggers.http import answers, query_of, refuse
from streaming.triggers.requests import ReferenceQuery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streaming.retail.reference import Row

blueprint = func.Blueprint()


@blueprint.function_name("reference")
@blueprint.route(route="api/reference/{table}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def reference(req: func.HttpRequest) -> func.HttpResponse:
    """A page of a table; the header ``x-continuation`` names the next one, and is missing from the last."""
    query = query_of(req, ReferenceQuery)
    table = TABLES.get(req.route_params["table"])
    if table is None:
        raise refuse(404, f"There is no such table. There are {', '.join(TABLES)}.")
    world = await wiring.application().world()
    stop = query.continuation + query.limit
    rows = table.rows(world, query.continuation, stop)
    as_csv = query.format == "csv"
    headers = {"x-total-count": str(table.count(world)), "Cache-Control": "no-store"}
    if stop < table.count(world):
        headers["x-continuation"] = str(stop)
    return func.HttpResponse(
        _csv(table.columns, rows) if as_csv else _json_lines(rows),
        mimetype="text/csv" if as_csv else "application/x-ndjson",
        charset="utf-8",
        headers=headers,
    )


def _json_lines(rows: Iterable[Row]) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _csv(columns: tuple[str, ...], rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
