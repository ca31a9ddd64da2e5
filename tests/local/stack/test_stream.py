"""A stream counts as begun once the app says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.test_utils import TestServer

from local.stack.stream import StreamApi

if TYPE_CHECKING:
    import pytest


async def test_a_failed_question_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.stack.stream._RETRY_SECONDS", 0.0)
    asked: list[str] = []
    answers = iter([(503, {}), (200, {"status": "starting"}), (200, {"status": "running"})])

    async def start(_request: web.Request) -> web.Response:
        asked.append("start")
        return web.json_response({})

    async def status(_request: web.Request) -> web.Response:
        asked.append("status")
        code, body = next(answers)
        return web.json_response(body, status=code)

    app = web.Application()
    app.add_routes([web.post("/api/stream/start", start), web.get("/api/stream/status", status)])
    async with TestServer(app) as server, StreamApi(str(server.make_url("")).rstrip("/")) as api:
        assert await api.start() is None
    assert asked == ["start", "status", "status", "status"]
