"""The API's description, for programs and for people."""

from __future__ import annotations

import hashlib
from functools import cache

import azure.functions as func
import orjson

from streaming.triggers import docs_page, openapi
from streaming.triggers.http import answers, query_of
from streaming.triggers.requests import NoQuery

blueprint = func.Blueprint()

_MAX_AGE_SECONDS = 300


@blueprint.function_name("openapi")
@blueprint.route(route="openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answers
async def openapi_json(req: func.HttpRequest) -> func.HttpResponse:
    """The description; asked again with its ETag, only that it is the same."""
    query_of(req, NoQuery)
    content, etag = _description()
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={_MAX_AGE_SECONDS}"}
    if req.headers.get("if-none-match") == etag:
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(content, mimetype="application/json", headers=headers)


@blueprint.function_name("docs")
@blueprint.route(route="docs", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def docs(req: func.HttpRequest) -> func.HttpResponse:
    """The description as a page."""
    query_of(req, NoQuery)
    headers = {**docs_page.HEADERS, "Cache-Control": f"private, max-age={_MAX_AGE_SECONDS}"}
    return func.HttpResponse(docs_page.page().encode(), mimetype="text/html", charset="utf-8", headers=headers)


@cache
def _description() -> tuple[bytes, str]:
    content = orjson.dumps(openapi.document())
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
