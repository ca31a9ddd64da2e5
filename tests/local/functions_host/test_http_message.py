from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import azure.functions as func
import pytest
from azure.functions.meta import Datum
from hypothesis import given
from hypothesis import strategies as st

from local.functions_host.bindings import encode
from local.functions_host.http_message import (
    MAX_BODY_BYTES,
    BodyTooLargeError,
    ClientGoneError,
    Request,
    Response,
    read_request,
    response_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCOPE = {
    "type": "http",
    "method": "POST",
    "scheme": "http",
    "raw_path": b"/a%20b",
    "query_string": b"x=1",
}


def _request(query: str = "", **headers: str) -> Request:
    return Request(method="GET", raw_path="/a%20b", query_text=query, headers=headers, body=b"")


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1,2"}),
        ("a=1&A=2", {"a": "1,2"}),
        ("a=&b=2&c", {"b": "2"}),
        ("a=%C3%BC+x", {"a": "ü x"}),
    ],
)
def test_queries(query: str, seen: dict[str, str]) -> None:
    assert _request(query).query() == seen


@given(query=st.dictionaries(st.text("abcdef", min_size=1), st.text(min_size=1)))
def test_any_query_comes_through(query: dict[str, str]) -> None:
    assert _request(urlencode(query)).query() == query


def test_the_url_is_as_it_was_asked_for() -> None:
    assert _request("x=%201", host="localhost:8000").url == "http://localhost:8000/a%20b?x=%201"


async def test_headers_are_lower_cased_and_repeated_ones_joined() -> None:
    async def receive() -> dict[str, object]:
        raise AssertionError("a request without a length has no body")

    scope = {**_SCOPE, "headers": [(b"X-One", b"1"), (b"x-one", b"2"), (b"transfer-encoding", b"chunked")]}
    request = await read_request(scope, receive)
    assert request.headers == {"x-one": "1,2", "transfer-encoding": "chunked"}
    assert request.body == b""


async def test_a_body_is_read_to_its_end() -> None:
    parts: Iterator[dict[str, object]] = iter(
        [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"c"}]
    )

    async def receive() -> dict[str, object]:
        return next(parts)

    request = await read_request({**_SCOPE, "headers": [(b"content-length", b"3")]}, receive)
    assert request.body == b"abc"


async def test_a_body_that_is_too_large_is_refused_unread() -> None:
    async def receive() -> dict[str, object]:
        raise AssertionError("it must not be read")

    scope = {**_SCOPE, "headers": [(b"content-length", str(MAX_BODY_BYTES + 1).encode())]}
    with pytest.raises(BodyTooLargeError):
        await read_request(scope, receive)


async def test_a_client_that_goes_away_is_told_apart() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGoneError):
        await read_request({**_SCOPE, "headers": [(b"content-length", b"3")]}, receive)


def test_a_response_of_the_library() -> None:
    given_response = func.HttpResponse("grüße", status_code=201, headers={"X-A": "1", "Content-Length": "999"})
    given_response.headers.add("Set-Cookie", "a=1; Path=/")
    given_response.headers.add("Set-Cookie", "b=2")
    response = response_of(encode("http", given_response, None))
    assert response == Response(
        status=201,
        headers=(
            ("X-A", "1"),
            ("content-type", "text/plain; charset=utf-8"),
            ("set-cookie", "a=1; Path=/"),
            ("set-cookie", "b=2"),
        ),
        body="grüße".encode(),
    )


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        ("hello", 200, b"hello"),
        ('{"a": 1}', 200, b'{"a": 1}'),
        ('{"body": "x", "status": 404}', 404, b"x"),
        ('{"Body": {"a": 1}, "statusCode": "202"}', 202, b'{"a": 1}'),
        ('{"status": 204}', 204, b""),
        ("{broken", 200, b"{broken"),
        ("", 200, b""),
    ],
)
def test_a_bare_text_is_reinterpreted_when_it_looks_like_a_response(text: str, status: int, body: bytes) -> None:
    response = response_of(Datum(text, "string"))
    assert (response.status, response.body) == (status, body)


def test_no_response_is_an_empty_one() -> None:
    assert response_of(None) == Response(status=200)


def test_a_header_with_a_line_break_is_refused() -> None:
    content = {
        "status_code": Datum("200", "string"),
        "headers": {"X-A": Datum("1\r\nX-B: 2", "string")},
        "cookies": [SimpleCookie()],
        "body": Datum(b"", "bytes"),
    }
    with pytest.raises(ValueError, match="line break"):
        response_of(Datum(content, "http"))
