"""What is limited: calls per minute, refused beyond with word when to come back; and pages of other origins."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING

from streaming.flows.rate_limits import PATIENCE_SECONDS
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def refusal(stack: StackProcess, path: str, body: bytes) -> tuple[int, int]:
    """The status of one request more, and after how many seconds it says to come back."""
    request = urllib.request.Request(stack.url + path, method="POST", data=body)  # noqa: S310 - http
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http
            return answer.status, 0
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, int(refused.headers.get("retry-after", 0))


def calls_until_refused(stack: StackProcess, path: str, body: bytes) -> tuple[int, int]:
    """How many calls were allowed before one was refused; and without those that may not have been counted.

    A limit never waits long for storage: a call that was answered late may be one of those.
    """
    counted = 0
    for call in range(100):
        asked = time.monotonic()
        status, wait_seconds = refusal(stack, path, body)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            assert 1 <= wait_seconds <= 60
            return call, counted
        counted += time.monotonic() - asked < PATIENCE_SECONDS
    raise AssertionError(f"{path} is never refused")


def test_pages_of_allowed_origins_may_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://your-domain.com, https://other.example")
    with StackProcess(tmp_path, "--no-stream") as stack:
        granted = {}
        for origin in ("https://your-domain.com", "https://other.example", "https://evil.example"):
            request = urllib.request.Request(f"{stack.url}/health", headers={"Origin": origin})  # noqa: S310 - http
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http
                granted[origin] = answer.headers["access-control-allow-origin"]
    assert granted == {
        "https://your-domain.com": "https://your-domain.com",
        "https://other.example": "https://other.example",
        "https://evil.example": None,
    }


def test_limits_hold_over_all_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in {"START": 2, "TEST": 2, "DISRUPTION": 2, "VALIDATION": 2}.items():
        monkeypatch.setenv(f"RATE_LIMIT_{name}", str(limit))
    with StackProcess(tmp_path, "--no-stream", "--workers", "2") as stack:
        for path, body in {
            "/api/stream/start": b'{"duration_minutes": 1}',
            "/api/stream/test": b"",
            "/api/disruption/create": b'{"disruption_type": "inventory_shortage", "target_id": "store_1"}',
            "/api/config/validate": b"{}",
        }.items():
            calls, counted = calls_until_refused(stack, path, body)
            assert calls >= 2 >= counted, path
        # Validating connection strings is counted together with validating configurations.
        _, counted = calls_until_refused(stack, "/api/stream/validate-connection", b'{"connection_string": "x"}')
        assert counted == 0
        wait_until(lambda: stack.ask("GET", "/api/stream/status")[0] == 200, "an answer that nothing limits")
