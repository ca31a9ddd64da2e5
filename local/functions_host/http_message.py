"""HTTP requests and responses, between ASGI and the datums of the Functions library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from azure.functions.meta import Datum

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 100 * 1024 * 1024

_OWNED_BY_SERVER = frozenset({"content-length", "transfer-encoding", "connection"})
_REINTERPRETED = frozenset({"body", "status", "statuscode", "headers", "israw"})


class BodyTooLargeError(Exception):
    """The request announces more than the platform takes."""


class ClientGoneError(Exception):
    """The connection was closed before the request was complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    raw_path: str
    """Percent-encoded, without the query."""
    query_text: str
    headers: dict[str, str]
    """Lower-cased names; repeated ones comma-joined."""
    body: bytes
    scheme: str = "http"

    @property
    def url(self) -> str:
        query = f"?{self.query_text}" if self.query_text else ""
        return f"{self.scheme}://{self.headers.get('host', 'localhost')}{self.raw_path}{query}"

    def query(self) -> dict[str, str]:
        """Repeated names comma-joined whatever their case, names without a value dropped."""
        if not self.query_text:
            return {}
        named: dict[str, tuple[str, list[str]]] = {}
        for name, value in parse_qsl(self.query_text, keep_blank_values=True):
            named.setdefault(name.lower(), (name, []))[1].append(value)
        return {name: joined for name, values in named.values() if (joined := ",".join(values))}

    def datum(self, route_values: dict[str, str]) -> Datum:
        return Datum(
            {
                "method": Datum(self.method, "string"),
                "url": Datum(self.url, "string"),
                "headers": {name: Datum(value, "string") for name, value in self.headers.items()},
                "query": {name: Datum(value, "string") for name, value in self.query().items()},
                "params": {name: Datum(value, "string") for name, value in route_values.items()},
                "body": Datum(self.body, "bytes"),
            },
            "http",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, *headers: tuple[str, str]) -> Response:
        return Response(status=self.status, headers=(*self.headers, *headers), body=self.body)

    async def send(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [
                    *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers),
                    (b"content-length", str(len(self.body)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": self.body})


def json_response(content: object, status: int = 200) -> Response:
    return Response(
        status=status,
        headers=(("content-type", "application/json; charset=utf-8"),),
        body=json.dumps(content).encode(),
    )


async def read_request(scope: MutableMapping[str, Any], receive: Receive) -> Request:
    """Raises BodyTooLargeError before reading such a body, and ClientGoneError."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return Request(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query_text=scope["query_string"].decode("latin-1"),
        headers=headers,
        # The platform reads no body that comes without a length.
        body=await _read_body(int(headers["content-length"]), receive) if "content-length" in headers else b"",
        scheme=scope["scheme"],
    )


async def _read_body(length: int, receive: Receive) -> bytes:
    if length > MAX_BODY_BYTES:
        raise BodyTooLargeError
    if not length:
        return b""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


def response_of(output: Datum | None) -> Response:
    """What the platform answers for the output of a function's ``http`` binding. Raises ValueError."""
    if output is None or output.value is None:
        return Response(status=200)
    if output.type != "http":
        return _response_of_value(output)
    content = output.value
    headers = [
        (str(name), str(header.value))
        for name, header in content["headers"].items()
        if str(name).lower() not in _OWNED_BY_SERVER
    ]
    for cookie in content.get("cookies") or ():
        headers += [("set-cookie", morsel.OutputString()) for morsel in cookie.values()]
    for name, value in headers:
        if any(character in name + value for character in "\r\n\0"):
            raise ValueError(f"the response header {name!r} holds a line break")
        (name + value).encode("latin-1")
    return Response(status=int(content["status_code"].value), headers=tuple(headers), body=_bytes(content["body"]))


def _response_of_value(output: Datum) -> Response:
    text = _bytes(output)
    fields = _response_fields(text)
    if fields is None:
        return Response(status=200, headers=(("content-type", "text/plain; charset=utf-8"),), body=text)
    body = fields.get("body")
    given = fields.get("headers")
    headers = {str(name).lower(): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
    is_text = isinstance(body, str)
    headers.setdefault("content-type", f"{'text/plain' if is_text else 'application/json'}; charset=utf-8")
    return Response(
        status=int(fields.get("status") or fields.get("statuscode") or 200),
        headers=tuple(headers.items()),
        body=b"" if body is None else (body if is_text else json.dumps(body)).encode(),
    )


def _response_fields(text: bytes) -> dict[str, Any] | None:
    """A bare JSON object with the keys of a response *is* one, for the platform."""
    if not text.lstrip().startswith(b"{"):
        return None
    try:
        content = json.loads(text)
    except ValueError:
        return None
    fields = {str(name).lower(): value for name, value in content.items()}
    return fields if _REINTERPRETED & fields.keys() else None


def _bytes(datum: Datum) -> bytes:
    return datum.value if isinstance(datum.value, bytes) else str(datum.value).encode()
