"""The control port: a person or a test looks at the broker and switches faults, over HTTP and JSON."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from local.event_hubs.faults import fault_from_json, fault_to_json
from local.event_hubs.stats import hub_report

if TYPE_CHECKING:
    from local.event_hubs.faults import Faults
    from local.event_hubs.namespace import Namespace
    from local.event_hubs.stats import Stats

_MAX_BODY_BYTES: Final = 64 * 1024
_REQUEST_LINE_PARTS: Final = 3


class Controlled(Protocol):
    """What the control port needs of the broker."""

    namespace: Namespace

    @property
    def faults(self) -> Faults:
        """The faults in force."""

    @property
    def accepts_connections(self) -> bool:
        """Whether the AMQP port is open."""

    @property
    def port(self) -> int:
        """Of AMQP."""

    async def settled(self) -> None:
        """Wait until the port is as the faults want it."""

    def stats(self) -> Stats:
        """What was counted."""


class _Reply(NamedTuple):
    status: HTTPStatus
    body: object


class _Refused(Exception):  # noqa: N818  the outcome of a request
    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Control:
    """Serves one request per connection.

    GET /health, GET /stats, GET /hubs, GET /hubs/{hub}/partitions; GET /faults, POST /faults (add one), PUT /faults
    (these and no others), DELETE /faults, DELETE /faults/{id}.
    """

    def __init__(self, broker: Controlled) -> None:
        self._broker = broker
        self._serving: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Drop every request that is being served."""
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  for the type checker: asyncio made one for this connection
        self._serving.add(task)
        try:
            try:
                method, path, body = await _read_request(reader)
                reply = self._route(method, path, body)
                await self._broker.settled()
            except _Refused as refusal:
                reply = _Reply(refusal.status, {"detail": str(refusal)})
            except ValueError as error:
                reply = _Reply(HTTPStatus.BAD_REQUEST, {"detail": str(error)})
            writer.write(_response(reply))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone: there is nobody to answer
        finally:
            writer.close()
            self._serving.discard(task)

    def _route(self, method: str, path: str, body: bytes) -> _Reply:
        match method, [part for part in path.partition("?")[0].split("/") if part]:
            case "GET", ["health"]:
                # The port tells whose health this is, where several brokers run.
                health = {"accepts_connections": self._broker.accepts_connections, "port": self._broker.port}
                return _Reply(HTTPStatus.OK, {"status": "healthy", **health})
            case "GET", ["stats"]:
                return _Reply(HTTPStatus.OK, asdict(self._broker.stats()))
            case "GET", ["hubs"]:
                return _Reply(HTTPStatus.OK, {"hubs": [hub.name for hub in self._broker.namespace.hubs]})
            case "GET", ["hubs", name, "partitions"]:
                hub = self._broker.namespace.hub(name)
                if hub is None:
                    raise _Refused(HTTPStatus.NOT_FOUND, f"there is no hub {name!r}")
                return _Reply(HTTPStatus.OK, asdict(hub_report(hub)))
            case _, ["faults", *rest]:
                return self._faults(method, rest, body)
            case _:
                raise _Refused(HTTPStatus.NOT_FOUND, f"there is no {method} {path}")

    def _faults(self, method: str, rest: list[str], body: bytes) -> _Reply:
        faults = self._broker.faults
        match method, rest:
            case "GET", []:
                pass
            case "POST", []:
                faults.add(fault_from_json(_json(body)))
            case "PUT", []:
                wanted = _json(body)
                replacing = [fault_from_json(item) for item in (wanted if isinstance(wanted, list) else [wanted])]
                faults.clear()
                for fault in replacing:
                    faults.add(fault)
            case "DELETE", []:
                faults.clear()
            case "DELETE", [number] if number.isdecimal():
                if not faults.clear(int(number)):
                    raise _Refused(HTTPStatus.NOT_FOUND, f"no fault in force has the id {number}")
            case _:
                raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"/faults does not know {method}")
        now = self._broker.namespace.now()
        return _Reply(HTTPStatus.OK, {"faults": [fault_to_json(active, now) for active in faults.in_force()]})


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.LimitOverrunError:
        raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too long") from None
    request = head[0].split(" ")
    if len(request) != _REQUEST_LINE_PARTS:
        raise _Refused(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {_MAX_BODY_BYTES} bytes")
    return request[0], request[1], await reader.readexactly(int(length))


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}") from None


def _response(reply: _Reply) -> bytes:
    body = json.dumps(reply.body, indent=2).encode() + b"\n"
    head = (
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
