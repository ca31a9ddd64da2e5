"""A recorded session with everything in it, as one hash: run on any Python, with nothing installed.

Over 100 000 events, live and staged, with restarts from checkpoints in between.
"""

from __future__ import annotations

from datetime import date
from hashlib import sha256

from streaming.retail.disruption import Disruption, DisruptionType
from streaming.retail.live import BurstRequest, LiveGenerator
from streaming.retail.staged import DayGenerator
from streaming.retail.world import World, WorldSpec

STARTED_AT_US = 1_795_888_800_000_000
"""2026-11-28, 18:00 UTC."""


def _live(world: World, shard: int) -> bytes:
    digest = sha256()
    generator = LiveGenerator(world, session_id="recorded", shard=shard, shards=2)
    for number in range(60):
        at = STARTED_AT_US + number * 997_003_000
        outage = Disruption(
            id="outage",
            type=DisruptionType.DC_OUTAGE,
            target_id="dc_1",
            severity=0.5,
            active_from_us=STARTED_AT_US,
            active_until_us=STARTED_AT_US + 10_000_000_000,
        )
        request = BurstRequest(
            number=number,
            scheduled_at_us=at,
            size=1_000,
            rate_per_second=(0.7, 200.0, 12_345.6)[number % 3],
            event_types=frozenset({"receipt_created", "truck_arrived"}) if number % 20 == 19 else None,
            disruptions=(outage,),
        )
        if number % 23 == 22:
            checkpoint = generator.snapshot()
            generator.burst(request)
            generator = LiveGenerator(world, session_id="recorded", shard=shard, shards=2, checkpoint=checkpoint)
        for event in generator.burst(request):
            digest.update(event.body)
    return digest.digest()


def _staged(world: World) -> bytes:
    digest = sha256()
    checkpoint = None
    generator = DayGenerator(world, timeline="recorded", day=date(2026, 3, 8), events_per_day_scale=0.2)
    while events := generator.next_events(5_003):
        for event in events:
            digest.update(event.body)
        checkpoint = generator.snapshot()
        generator = DayGenerator(
            world, timeline="recorded", day=date(2026, 3, 8), events_per_day_scale=0.2, checkpoint=checkpoint
        )
    return digest.digest()


def fingerprint() -> str:
    world = World.build(WorldSpec(seed=20_261_128))
    return sha256(_live(world, 0) + _live(world, 1) + _staged(world)).hexdigest()


if __name__ == "__main__":
    print(fingerprint())  # noqa: T201 - its whole purpose
