"""The edge: whatever a handler does, the client gets an answer that helps and tells no secret."""

from __future__ import annotations

import base64
import logging
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import azure.functions as func
import orjson
import pytest
from pydantic import BaseModel, ConfigDict

from shared import telemetry
from streaming.ports import StorageUnavailableError
from streaming.triggers.access import Caller, caller_of
from streaming.triggers.http import answers, body_of, prefers_text, query_of, refuse, reply
from streaming.wiring import SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

SECRET = "Endpoint=sb://x;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0LXZhbHVl"  # noqa: S105 - made up


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    burst: int = 1


def request(
    method: str = "GET",
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> func.HttpRequest:
    return func.HttpRequest(
        method=method,
        url="http://localhost:8000/api/stream/start?code=a-key",
        headers={name.lower(): value for name, value in (headers or {}).items()},
        params=dict(params or {}),
        body=body,
    )


@answers
async def takes_a_body(req: func.HttpRequest) -> func.HttpResponse:
    return reply(body_of(req, Body).model_dump())


def raising(error: Exception) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    @answers
    async def handler(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - a handler's shape
        raise error

    return handler


def document(response: func.HttpResponse) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(response.get_body())
    return loaded


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"burst": "many"}', "burst"),
        (b'{"burst": 1.5}', "burst"),
        (b'{"burts": 1}', "burts"),
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
    ],
)
async def test_bad_bodies_are_refused_and_the_field_is_named(body: bytes, field: str | None) -> None:
    response = await takes_a_body(request("POST", body=body))
    problem = document(response)
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert {"type", "title", "status", "detail"} <= problem.keys()
    if field:
        assert [error["field"] for error in problem["errors"]] == [field]
        assert field in problem["detail"]


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (refuse(409, "Busy."), 409, None),
        (refuse(429, "Too often.", retry_after_seconds=17), 429, "17"),
        (SettingsError("AzureWebJobsStorage is not set."), 503, "5"),
        (StorageUnavailableError(f"No answer from {SECRET}."), 503, "5"),
        (RuntimeError(f"unforeseen {SECRET}"), 500, None),
    ],
)
async def test_what_is_raised_becomes_a_problem_document(
    error: Exception, status: int, retry_after: str | None
) -> None:
    response = await raising(error)(request())
    assert (response.status_code, response.headers.get("Retry-After")) == (status, retry_after)
    assert document(response)["status"] == status
    assert b"c2VjcmV0" not in response.get_body()
    assert b"Traceback" not in response.get_body()


def test_models_and_read_only_mappings_are_written_as_they_are() -> None:
    response = reply({"model": Body(burst=2), "mapping": MappingProxyType({"a": 1}), "words": ("b",)})
    assert document(response) == {"model": {"burst": 2}, "mapping": {"a": 1}, "words": ["b"]}
    with pytest.raises(TypeError):
        reply({"object": object()})


async def test_a_sensible_request_id_comes_back_and_another_is_replaced() -> None:
    kept = await takes_a_body(request(headers={"X-Request-Id": "abc-123"}))
    assert kept.headers["x-request-id"] == "abc-123"
    for odd in ("", "x" * 200, "a b", "line\nbreak"):
        made = await takes_a_body(request(headers={"x-request-id": odd}))
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


async def test_a_changing_call_leaves_an_audit_record_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await takes_a_body(request("POST", headers={"x-request-id": "r1"}))
    await takes_a_body(request("POST", body=b"{", headers={"x-request-id": "r2"}))
    await takes_a_body(request("GET"))
    records = [orjson.loads(r.getMessage().removeprefix("audit ")) for r in caplog.records]
    assert records == [
        {"method": "POST", "path": "/api/stream/start", "status": 200, "caller": None, "request_id": "r1"},
        {"method": "POST", "path": "/api/stream/start", "status": 400, "caller": None, "request_id": "r2"},
    ]
    assert "a-key" not in caplog.text


async def test_records_made_while_answering_name_the_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    @answers
    async def handler(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - a handler's shape
        telemetry.info(logging.getLogger("streaming"), "something")
        return reply({})

    await handler(request(headers={"x-request-id": "r3"}))
    telemetry.info(logging.getLogger("streaming"), "something")
    assert [record.getMessage() for record in caplog.records] == ['something {"request_id":"r3"}', "something {}"]


async def test_unknown_query_parameters_are_refused_the_key_excepted() -> None:
    @answers
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        query_of(req, Body)
        return reply({})

    assert (await handler(request(params={"code": "a-key"}))).status_code == 200
    refused = await handler(request(params={"limt": "1"}))
    assert (refused.status_code, document(refused)["errors"][0]["field"]) == (400, "limt")


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("", False),
        ("*/*", False),
        ("application/json, text/plain, */*", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("text/plain", True),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", True),
    ],
)
def test_prometheus_is_recognized_by_what_it_accepts(accept: str, text: bool) -> None:
    assert prefers_text(request(headers={"accept": accept})) is text


def principal(*roles: str, role_type: str = "roles") -> dict[str, str]:
    claims = [{"typ": role_type, "val": role} for role in roles]
    encoded = base64.b64encode(orjson.dumps({"auth_typ": "aad", "role_typ": role_type, "claims": claims})).decode()
    return {"x-ms-client-principal": encoded, "x-ms-client-principal-name": "ada@example.org"}


@pytest.mark.parametrize(
    ("roles", "get", "post"),
    [((), 403, 403), (("Stream.Read",), 200, 403), (("Stream.Operate",), 200, 200), (("Other",), 403, 403)],
)
async def test_roles_tell_readers_from_operators(
    roles: tuple[str, ...], get: int, post: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    assert (await takes_a_body(request("GET", headers=principal(*roles)))).status_code == get
    assert (await takes_a_body(request("POST", headers=principal(*roles)))).status_code == post


async def test_the_audit_names_the_caller(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "true")
    await takes_a_body(request("POST", headers=principal("Stream.Operate")))
    assert '"caller":"ada@example.org"' in caplog.text


def test_without_the_platform_in_front_its_headers_mean_nothing() -> None:
    assert caller_of(principal("Stream.Operate"), {}) is None
    for off in ("", "false", "0", "yes"):
        assert caller_of(principal("Stream.Operate"), {"WEBSITE_AUTH_ENABLED": off}) is None
    assert caller_of({}, {"WEBSITE_AUTH_ENABLED": "true"}) is None


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "garbage",
    [
        *("", "§", "bm8=", "not base64", encoded("not JSON"), encoded("null"), encoded("[]"), encoded("{}")),
        *(
            encoded(f'{{"claims": {claims}}}')
            for claims in ("null", "1", "[1]", "[{}]", '[{"typ": "roles"}]', '"roles"')
        ),
        encoded('{"claims": [{"typ": "roles", "val": "Stream.Operate"}')[:-2],
    ],
)
def test_a_principal_that_makes_no_sense_may_nothing(garbage: str) -> None:
    caller = caller_of({"x-ms-client-principal": garbage}, {"WEBSITE_AUTH_ENABLED": "true"})
    assert caller == Caller(name=None, roles=frozenset())
    assert not caller.may(change=False)


def test_another_type_of_role_claims_is_understood() -> None:
    role_type = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
    caller = caller_of(principal("Stream.Read", role_type=role_type), {"WEBSITE_AUTH_ENABLED": "true"})
    assert caller is not None
    assert caller.may(change=False)
