"""The API's description: valid, of every route and nothing else, and of the very models that handlers use."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import azure.functions as func
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.paths import ROOT
from streaming.triggers import docs_page, documentation
from streaming.triggers.openapi import document
from streaming.triggers.operations import OPERATIONS
from tests.edge.test_functions import ANONYMOUS, HTTP

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = {"dashboard", "dashboard_files"}
"""The dashboard's files are no part of the API."""


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(document()).validate()


def test_every_route_is_described_as_it_is_registered() -> None:
    described = {
        name: (operation.path.lstrip("/"), [operation.method.upper()], operation.anonymous)
        for name, operation in OPERATIONS.items()
    }
    registered = {
        name: (route, methods, level == ANONYMOUS)
        for name, (route, methods, level) in HTTP.items()
        if name not in PAGES
    }
    assert described == registered


def handlers() -> Iterator[tuple[str, set[str], set[str]]]:
    """Every HTTP function's name, and the models that it reads its body and its query with."""
    for path in sorted((ROOT / "streaming" / "triggers").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.AsyncFunctionDef):
                continue
            names = [
                ast.literal_eval(call.args[0])
                for call in node.decorator_list
                if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("function_name")
            ]
            used: dict[str, set[str]] = {"body_of": set(), "query_of": set()}
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in used:
                    used[call.func.id].add(ast.unparse(call.args[1]))
            if names and names[0] in OPERATIONS:
                yield names[0], used["body_of"], used["query_of"]


@pytest.mark.parametrize(("name", "bodies", "queries"), [*handlers()], ids=lambda value: str(value or "none"))
def test_the_models_described_are_those_that_validate(name: str, bodies: set[str], queries: set[str]) -> None:
    operation = OPERATIONS[name]
    assert bodies == ({operation.body.__name__} if operation.body else set())
    assert queries <= {operation.query.__name__}


def test_every_handler_was_found() -> None:
    assert {name for name, _, _ in handlers()} == set(OPERATIONS)


def test_bounds_and_defaults_are_described() -> None:
    paths = document()["paths"]
    (limit,) = paths["/api/stream/events/recent"]["get"]["parameters"]
    assert limit["schema"] == {"default": 100, "maximum": 100, "minimum": 1, "title": "Limit", "type": "integer"}
    start = document()["components"]["schemas"]["StartBody"]
    assert start["additionalProperties"] is False
    assert start["properties"]["burst"]["anyOf"][0] == {"maximum": 100_000, "minimum": 1, "type": "integer"}


def request(**headers: str) -> func.HttpRequest:
    return func.HttpRequest(method="GET", url="http://localhost/openapi.json", headers=headers, body=b"")


async def test_who_has_it_already_is_told_so() -> None:
    first = await documentation.openapi_json(request())
    again = await documentation.openapi_json(request(**{"if-none-match": first.headers["ETag"]}))
    assert (first.status_code, again.status_code, again.get_body()) == (200, 304, b"")


def test_the_page_needs_nothing_from_elsewhere_and_shows_every_route() -> None:
    page = docs_page.page()
    assert not re.search(r"<script|https?://|@import|url\(", page)
    for operation in OPERATIONS.values():
        assert f"<code>{operation.path}</code>" in page
    for target in re.findall(r"href='#([^']+)'", page):
        assert f"id='{target}'" in page
