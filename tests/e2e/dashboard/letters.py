"""Dead letters, for pages that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hub_faults import HubFaults
from tests.stack_process import wait_until

if TYPE_CHECKING:
    from tests.stack_process import StackProcess


def bury(stack: StackProcess, *, bursts: int) -> None:
    """Have so many bursts of 40 fail for good. The configuration is as before in the end."""
    before = stack.ask("GET", "/api/stream/config")[1]["realtime"]
    settings = {"retry_attempts": 0, "circuit_breaker_enabled": False}
    assert stack.ask("PUT", "/api/stream/config", settings)[0] == 200
    faults = HubFaults(stack)
    faults.put({"kind": "reject"})
    try:
        request = {"emit_interval_ms": 500, "burst": 40, "duration_minutes": bursts * 0.5 / 60}
        assert stack.ask("POST", "/api/stream/start", request)[0] == 200
        wait_until(lambda: stack.status().get("status") == "stopped", "the end of the session")
    finally:
        faults.clear()
        assert stack.ask("PUT", "/api/stream/config", {name: before[name] for name in settings})[0] == 200
