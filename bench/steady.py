"""The whole local stack while it streams 5 000 events/s: how fast it answers, and whether its memory grows.

``GET /api/stream/status`` is asked five times a second over one connection, in turn with ``GET /health``, which asks
nobody: the difference is what storage takes. Memory is the functions host's and its workers', after the first minute
and at the end. ``BENCH_SECONDS`` sets how long it streams after the first minute (60).
"""

from __future__ import annotations

import http.client
import os
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from bench.services import children_of, resident_bytes
from tests.stack_process import StackProcess

_SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "60"))
_FIRST_SECONDS: Final = 60.0
_ASK_EVERY_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 10.0
"""Memory at an instant is the median over so long before it."""
_PROFILE: Final = {"emit_interval_ms": 100, "burst": 500}
_STATUS, _HEALTH = "/api/stream/status", "/health"


class _Watch:
    """Asks and looks, until it has done so for long enough."""

    def __init__(self, stack: StackProcess) -> None:
        (supervisor,) = stack.children("functions_host")
        self._processes = [supervisor, *children_of(supervisor)]
        self._connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=10)
        self.answered_ms: dict[str, list[float]] = {_STATUS: [], _HEALTH: []}
        self.resident: list[tuple[float, int]] = []
        """Seconds since the start, bytes."""

    def run(self, seconds: float) -> None:
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            for path in (_STATUS, _HEALTH):
                self.answered_ms[path].append(self._ask(path))
            self.resident.append((elapsed, sum(map(resident_bytes, self._processes))))
            time.sleep(_ASK_EVERY_SECONDS)
        self._connection.close()

    def resident_at(self, seconds: float) -> float:
        return median(size for at, size in self.resident if seconds - _LOOK_SECONDS <= at <= seconds)

    def _ask(self, path: str) -> float:
        started = time.perf_counter()
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path} was answered with {answer.status}.")
        return (time.perf_counter() - started) * 1_000


def main() -> dict[str, float]:
    """Print latencies and memory; return the two that count."""
    total = _FIRST_SECONDS + _SECONDS
    with tempfile.TemporaryDirectory() as folder, StackProcess(Path(folder), "--no-stream") as stack:
        code, answer = stack.ask("PUT", "/api/stream/config", {"profile": "high"})
        if code == 200:
            code, answer = stack.ask("POST", "/api/stream/start", _PROFILE)
        if code != 200:
            raise RuntimeError(f"The stream did not start: {answer}")
        watch = _Watch(stack)
        watch.run(total)
        sent = stack.status()["events_sent"]
    print(f"{sent:,} events sent in {total:.0f} s")
    p99 = {}
    for path, answered in watch.answered_ms.items():
        cuts = quantiles(answered, n=100, method="inclusive")
        p99[path] = cuts[98]
        print(f"GET {path:<20} p50 {cuts[49]:>6.1f} ms   p99 {cuts[98]:>6.1f} ms   ({len(answered)} requests)")
    before, after = watch.resident_at(_FIRST_SECONDS), watch.resident_at(total)
    print(f"host's memory after {_FIRST_SECONDS:.0f} s {before / 1e6:.1f} MB, after {total:.0f} s {after / 1e6:.1f} MB")
    return {"status_p99_ms": p99[_STATUS], "memory_growth": after / before - 1}
