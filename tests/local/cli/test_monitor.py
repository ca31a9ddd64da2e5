"""The monitoring and diagnostic commands, against apps that do well, badly, or not at all."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from local.errors import LocalError
from local.monitor import App, diagnose, look, monitor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HEALTHY = {"status": "healthy", "checks": {"storage": {"status": "healthy"}}}
NOTHING_YET = {"events_generated": 0, "events_failed": 0, "events_per_second_last_minute": 0.0}


@contextmanager
def answering(answers: Mapping[str, tuple[int, Any]]) -> Iterator[tuple[str, list[str | None]]]:
    """A server that gives these answers; its address, and the keys that it was shown."""
    keys: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers.get("x-functions-key"))
            status, body = answers.get(self.path, (404, ""))
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", keys
        finally:
            server.shutdown()
            thread.join()


def health_and(statistics: object, health: object = HEALTHY, status: int = 200) -> dict[str, tuple[int, Any]]:
    return {"/api/stream/health": (status, health), "/api/stream/statistics": (200, statistics)}


def test_no_events_yet_is_no_trouble() -> None:
    said: list[str] = []
    with answering(health_and(NOTHING_YET)) as (url, keys):
        assert monitor(App(url=url, key="k"), interval_seconds=1, once=True, say=said.append)
    (line,) = said
    assert line.endswith("healthy, 0 events, 0.0/s, 0.00 % failed")
    assert keys == ["k", "k"]


@pytest.mark.parametrize(("failed", "alerts"), [(50, []), (51, ["failure rate is 5.1 %"])])
def test_the_guides_failure_rate(failed: int, alerts: list[str]) -> None:
    statistics = {"events_generated": 1_000, "events_failed": failed, "events_per_second_last_minute": 20.0}
    with answering(health_and(statistics)) as (url, _):
        assert look(App(url=url))[1] == alerts


def test_what_is_wrong_is_said_with_its_reason() -> None:
    health = {"status": "unhealthy", "checks": {"storage": {"status": "unreachable", "why": "No answer."}}}
    with answering({"/api/stream/health": (503, health), "/api/stream/statistics": (503, {})}) as (url, _):
        line, alerts = look(App(url=url))
    assert line == "unhealthy, statistics unavailable (503)"
    assert alerts == ["health is unhealthy. storage: No answer."]


def test_an_app_that_does_not_answer() -> None:
    line, alerts = look(App(url="http://127.0.0.1:1"))
    assert line == "unreachable"
    assert alerts == ["http://127.0.0.1:1 does not answer (no connection)"]


def test_a_page_that_is_no_app() -> None:
    with answering({"/api/stream/health": (200, "<html>")}) as (url, _):
        assert look(App(url=url))[0] == "unreachable"


def test_diagnostics_are_saved(tmp_path: Path) -> None:
    said: list[str] = []
    with answering({"/api/stream/diagnostics": (200, {"status": "x"})}) as (url, _):
        diagnose(App(url=url), tmp_path / "d.json", say=said.append)
    assert json.loads((tmp_path / "d.json").read_text()) == {"status": "x"}
    assert said == [f"Diagnostics saved to {tmp_path / 'd.json'}"]


def test_why_there_are_no_diagnostics_is_said(tmp_path: Path) -> None:
    problem = {"detail": "Storage can't be reached."}
    with (
        answering({"/api/stream/diagnostics": (503, problem)}) as (url, _),
        pytest.raises(LocalError, match=r"\(503\)\. Storage can't be reached\."),
    ):
        diagnose(App(url=url), tmp_path / "d.json", say=lambda _text: None)
