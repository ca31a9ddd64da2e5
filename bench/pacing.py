"""How well the guide's three profiles hold their rate, and how late their bursts are, on the whole local stack.

The yardstick is the schedule itself: each event carries the instant at which it was due, and the hub notes when it
stored it. A burst is as late as its last event. ``BENCH_SECONDS`` sets how long each profile streams (60).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple

from bench.services import children_of, cpu_seconds
from local.stack.services import hub_connection_string
from tests.hub_reader import read_all
from tests.stack_process import StackProcess, wait_until

SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "60"))
PROFILES: Final = {"low": (2_000, 50), "medium": (500, 100), "high": (100, 500)}


class Timing(NamedTuple):
    """What the hub's own clock says about one session."""

    events: int
    rate_error: float
    """Achieved over configured rate, less one."""
    lateness_p50_ms: float
    lateness_p99_ms: float


def main() -> dict[str, float]:
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, StackProcess(Path(folder), "--no-stream") as stack:
        (supervisor,) = stack.children("functions_host")
        host = [supervisor, *children_of(supervisor)]
        for profile, (interval_ms, burst) in PROFILES.items():
            cpu_before = sum(map(cpu_seconds, host))
            session_id = _stream(stack, interval_ms, burst)
            cpu_share = (sum(map(cpu_seconds, host)) - cpu_before) / SECONDS
            timing = asyncio.run(_timing(stack, session_id, interval_ms, burst))
            rate = burst * 1_000 // interval_ms
            print(
                f"  {profile:<8} {rate:>5} events/s  {timing.events:>7} events  rate error {timing.rate_error:+.4%}  "
                f"lateness p50 {timing.lateness_p50_ms:.1f} ms  p99 {timing.lateness_p99_ms:.1f} ms  "
                f"host CPU {cpu_share:.1%} of a core"
            )
            ratios[f"rate_error_{rate}"] = timing.rate_error
            if profile == "high":
                ratios["burst_lateness_p99_ms"] = timing.lateness_p99_ms
                ratios["cpu_share_at_5000"] = cpu_share
    return ratios


def _stream(stack: StackProcess, interval_ms: int, burst: int) -> str:
    """One whole session of this pace."""
    request = {
        "emit_interval_ms": interval_ms,
        "burst": burst,
        "duration_minutes": SECONDS / 60,
    }
    assert stack.ask("PUT", "/api/stream/config", {"max_batch_size": 1_000})[0] == 200  # noqa: S101 - as in the guide
    code, answer = stack.ask("POST", "/api/stream/start", request)
    assert code == 200, answer  # noqa: S101 - nothing to measure otherwise
    time.sleep(SECONDS)  # Asking for the status all the while would be part of what is measured.
    wait_until(lambda: stack.status().get("status") == "stopped", "the end of the session")
    return str(answer["session_id"])


async def _timing(stack: StackProcess, session_id: str, interval_ms: int, burst: int) -> Timing:
    """How late bursts are is told by what the hub still holds of the session: the last few hundred thousand events."""
    due_ms: dict[int, float] = {}
    stored_ms: dict[int, float] = defaultdict(float)
    for messages in (await read_all(hub_connection_string(stack.hub_port))).values():
        for message in messages:
            trace_id = str(message.message_id)
            if not trace_id.startswith(session_id) or message.enqueued_time is None:
                continue
            number = int(trace_id.split("-")[-2], 16)
            stored_ms[number] = max(stored_ms[number], message.enqueued_time.timestamp() * 1_000)
            if trace_id.endswith("-0"):
                stamp = message.body_as_json()["ingest_timestamp"]
                due_ms[number] = datetime.fromisoformat(stamp).timestamp() * 1_000
    lateness = [stored_ms[number] - due_ms[number] for number in due_ms]
    # All events, the forgotten ones too, and the whole time: the first burst has the number 0.
    events = int(stack.ask("GET", f"/api/stream/statistics?session_id={session_id}")[1]["events_sent_successfully"])
    first_due_ms = min(due - number * interval_ms for number, due in due_ms.items())
    streamed_ms = max(stored_ms.values()) - first_due_ms + interval_ms - median(lateness)
    achieved = events * 1_000 / streamed_ms
    cuts = quantiles(lateness, n=100, method="inclusive")
    return Timing(
        events=events,
        rate_error=achieved / (burst * 1_000 / interval_ms) - 1,
        lateness_p50_ms=median(lateness),
        lateness_p99_ms=cuts[98],
    )
