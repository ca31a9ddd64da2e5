"""How fast the retail world makes events, beside how fast the SDK only takes them into batches.

Both in this process, on one core, alternating, so that a busy machine is busy for both. The ratio is what counts.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final

from azure.eventhub import EventData, EventDataBatch

from streaming.retail.live import BurstRequest, LiveGenerator
from streaming.retail.world import World, WorldSpec

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS: Final = 7
_EVENTS: Final = 40_000
_BURST: Final = 1_000
_BODY: Final = b"x" * 500
_BATCH_BYTES: Final = 1024 * 1024
_STARTED_AT_US: Final = 1_795_000_000_000_000


class _Stream:
    """A stream that goes on from round to round, so that every round sees a world in full swing."""

    def __init__(self) -> None:
        self._generator = LiveGenerator(World.build(WorldSpec(seed=1)), session_id="bench")
        self._burst = 0

    def make(self) -> None:
        for _ in range(_EVENTS // _BURST):
            self._generator.burst(
                BurstRequest(
                    number=self._burst,
                    scheduled_at_us=_STARTED_AT_US + self._burst * 200_000,
                    size=_BURST,
                    rate_per_second=5_000.0,
                )
            )
            self._burst += 1


def _add_to_sdk_batches() -> None:
    batch = EventDataBatch(max_size_in_bytes=_BATCH_BYTES)
    for _ in range(_EVENTS):
        event = EventData(_BODY)
        try:
            batch.add(event)
        except ValueError:  # full
            batch = EventDataBatch(max_size_in_bytes=_BATCH_BYTES)
            batch.add(event)


def _seconds(work: Callable[[], None]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def main() -> dict[str, float]:
    """Print both rates and return their ratio."""
    stream = _Stream()
    stream.make()
    pairs = [(_seconds(stream.make), _seconds(_add_to_sdk_batches)) for _ in range(_ROUNDS)]
    generation = _EVENTS / median(pair[0] for pair in pairs)
    sdk = _EVENTS / median(pair[1] for pair in pairs)
    ratio = median(sdk_seconds / own_seconds for own_seconds, sdk_seconds in pairs)
    print(f"generation, envelopes included   {generation:>9,.0f} events/s")
    print(f"SDK, EventData() and add()       {sdk:>9,.0f} events/s")
    print(f"generation / SDK                 {ratio:>9.2f}")
    return {"generation_vs_sdk_add": ratio}


if __name__ == "__main__":
    main()
