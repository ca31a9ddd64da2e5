"""What more shards and more processes bring: 1, 2 and 4 shards on 1 and 2 worker processes, on the whole local stack.

Each stream is asked for far more than it can make, so it never waits for the clock; what counts is what is committed.
The yardstick is one shard on one process, in the same run, alternating. The CPU of the hub and of Azurite is printed: a
machine of two cores has to share them between a second process and these. ``BENCH_SHARDS_SECONDS`` sets how long each
stream is measured (15), ``BENCH_SHARDS_ROUNDS`` how often (3).
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.services import cpu_seconds
from tests.stack_process import StackProcess, wait_until

_SECONDS: Final = float(os.environ.get("BENCH_SHARDS_SECONDS", "15"))
_ROUNDS: Final = int(os.environ.get("BENCH_SHARDS_ROUNDS", "3"))
_SETTLED_SECONDS: Final = 12.0
"""By then each shard is run by whoever will run it for the next minute."""
_LOOK_SECONDS: Final = 0.1
_INTERVAL_MS, _BURST = 100, 40_000
"""Twice what two cores make, or what is asked for would be measured."""
_COMBINATIONS: Final = ((1, 1), (2, 1), (4, 1), (2, 2), (4, 2))
"""Shards, processes."""
_HIGH_PROFILE: Final = {"max_batch_size": 1_000}


class _Measured(NamedTuple):
    """One stream: what was committed, and what it took of a core."""

    events_per_second: float
    cpu: dict[str, float]


def _ask(stack: StackProcess, method: str, path: str, body: object = None) -> Any:
    code, answer = stack.ask(method, path, body)
    if code != 200:
        raise RuntimeError(f"{method} {path} was answered with {code}: {answer}")
    return answer


def _cpu(stack: StackProcess) -> dict[str, float]:
    hub, azurite = stack.children("local.event_hubs"), stack.children("azurite")
    # Of one worker, the host has no process beside it.
    host = stack.children("functions_host") + stack.workers()
    return {name: sum(map(cpu_seconds, pids)) for name, pids in (("host", host), ("hub", hub), ("Azurite", azurite))}


def _measure(shards: int, processes: int) -> _Measured:
    with tempfile.TemporaryDirectory() as folder:
        options = ("--no-stream", "--workers", str(processes))
        with StackProcess(Path(folder), *options) as stack:
            _ask(stack, "PUT", "/api/stream/config", _HIGH_PROFILE)
            pace = {"emit_interval_ms": _INTERVAL_MS, "burst": _BURST, "shards": shards}
            _ask(stack, "POST", "/api/stream/start", pace)
            wait_until(lambda: stack.status().get("events_sent", 0) > _BURST, "the stream to begin")
            time.sleep(_SETTLED_SECONDS)
            before, cpu, started = _at_a_commit(stack), _cpu(stack), time.monotonic()
            time.sleep(_SECONDS)
            sent, used, seconds = _at_a_commit(stack) - before, _cpu(stack), time.monotonic() - started
    return _Measured(sent / seconds, {name: (used[name] - cpu[name]) / seconds for name in cpu})


def _at_a_commit(stack: StackProcess) -> int:
    """What is committed, just after a window was: such a window takes seconds."""
    before = now = int(stack.status()["events_sent"])
    while now == before:
        time.sleep(_LOOK_SECONDS)  # Looking more often would take part of what is measured.
        now = int(stack.status()["events_sent"])
    return now


def main() -> dict[str, float]:
    """Print each combination, and return how they compare."""
    found: defaultdict[tuple[int, int], list[_Measured]] = defaultdict(list)
    for _ in range(_ROUNDS):
        for combination in _COMBINATIONS:
            found[combination].append(_measure(*combination))
    for (shards, processes), measured in found.items():
        shares = "  ".join(f"{name} {median(each.cpu[name] for each in measured):.0%}" for name in measured[0].cpu)
        print(
            f"{shards} shards on {processes} processes  {median(each.events_per_second for each in measured):>9,.0f} "
            f"events/s   CPU of a core: {shares}"
        )

    def against_one(combination: tuple[int, int]) -> float:
        pairs = zip(found[combination], found[1, 1], strict=True)
        return median(each.events_per_second / one.events_per_second for each, one in pairs)

    return {
        "two_processes_vs_one": against_one((2, 2)),
        "two_shards_on_one_process_vs_one": against_one((2, 1)),
        "four_shards_on_one_process_vs_one": against_one((4, 1)),
        "four_shards_on_two_processes_vs_one": against_one((4, 2)),
    }
