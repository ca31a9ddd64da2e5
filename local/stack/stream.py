"""The running app's HTTP interface, as the command line uses it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_REQUEST_SECONDS: Final = 5.0
_START_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 0.25
_RECENT_EVENTS: Final = 8

_ALREADY_ACTIVE: Final = HTTPStatus.CONFLICT
_NOT_YET: Final = frozenset({404, 429, 500, 502, 503})
"""Answers of an app that is still loading, or waits for its storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the stream says of itself at one moment."""

    status: Mapping[str, Any] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    """The newest first."""
    concerns: Mapping[str, str] = field(default_factory=dict)
    """Why it isn't healthy and what to do, by the name of the check."""
    problem: str | None = None
    """Why there is nothing to say."""


class StreamApi:
    """Asks the app at ``url``. Answers are values, failures too: the stack goes on without them."""

    def __init__(self, url: str, *, key: str | None = None) -> None:
        self._url = url.replace("//localhost", "//127.0.0.1")
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS),
            headers={"x-functions-key": key} if key else {},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._session.close()

    async def start(self) -> str | None:
        """Start a stream unless one is active, and wait until it has begun. Returns why it did not, or None."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                while True:
                    status, body = await self._ask("POST", "/api/stream/start")
                    if _succeeded(status) or status == _ALREADY_ACTIVE:
                        break
                    if status not in _NOT_YET:
                        return _reason(status, body)
                    await asyncio.sleep(_RETRY_SECONDS)
                while True:
                    status, body = await self._ask("GET", "/api/stream/status")
                    if _succeeded(status) and body.get("status") != "starting":
                        return None
                    await asyncio.sleep(_RETRY_SECONDS)
        except TimeoutError:
            return f"it has not begun within {_START_SECONDS:.0f} s"

    async def snapshot(self) -> Snapshot:
        """What a view shows, in one request."""
        status, body = await self._ask("GET", f"/api/stream/overview?events={_RECENT_EVENTS}&details=false")
        if not _succeeded(status):
            return Snapshot(problem=_reason(status, body))
        checks = body["health"]["checks"].items()
        return Snapshot(
            status=body["status"],
            statistics=body["statistics"],
            events=body["events"],
            concerns={name: f"{check['why']} {check['what_to_do']}" for name, check in checks if "why" in check},
        )

    async def _ask(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        try:
            async with self._session.request(method, self._url + path) as answer:
                body = await answer.json(content_type=None)
                return answer.status, body if isinstance(body, dict) else {}
        except (aiohttp.ClientError, TimeoutError) as problem:
            return 503, {"detail": f"no answer from {self._url} ({type(problem).__name__})"}
        except ValueError:
            return answer.status, {}


def _succeeded(status: int) -> bool:
    return status // 100 == HTTPStatus.OK // 100


def _reason(status: int, body: Mapping[str, Any]) -> str:
    return str(body.get("detail") or body.get("title") or f"HTTP {status}")
