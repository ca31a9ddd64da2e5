"""The retail worlds of sessions and timelines, as the flows ask for them."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from streaming.retail import shards as sharding
from streaming.retail.disruption import Disruption
from streaming.retail.live import LiveGenerator
from streaming.retail.staged import DayGenerator
from streaming.retail.world import World, WorldSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.cursor import Cursor
    from streaming.core.outbox import Day, Timeline
    from streaming.core.session import Session, WorldSize
    from streaming.outbox_ports import DayWorld
    from streaming.ports import Generator


def make_generator(session: Session, *, shard: int, shards: int, checkpoint: bytes | None) -> Generator:
    """A shard's retail world, at its beginning or where ``checkpoint`` left it."""
    return LiveGenerator(
        world_of(session.seed, session.world),
        session_id=session.session_id,
        shard=shard,
        shards=shards,
        checkpoint=checkpoint,
    )


async def deal(session: Session, checkpoints: Sequence[bytes | None], shards: int) -> Sequence[bytes | None]:
    """A session's world, dealt out to another number of shards. Not on the event loop: megabytes are decoded."""
    return await asyncio.to_thread(deal_now, session, checkpoints, shards)


def deal_now(session: Session, checkpoints: Sequence[bytes | None], shards: int) -> Sequence[bytes | None]:
    """As ``deal``, and blocks meanwhile."""
    return sharding.deal(world_of(session.seed, session.world), session.session_id, checkpoints, shards)


def check_world(session: Session, cursor: Cursor, checkpoint: bytes | None) -> None:
    """Restore a shard's world, to see that it can be done. Raises whatever is wrong with it."""
    make_generator(session, shard=cursor.shard, shards=cursor.shards, checkpoint=checkpoint)


def make_day(timeline: Timeline, day: Day, *, checkpoint: bytes | None) -> DayWorld:
    """A day of the outbox's timeline, at its beginning or where ``checkpoint`` left it."""
    return DayGenerator(
        world_of(timeline.seed, timeline.world),
        timeline=timeline.name,
        day=date.fromisoformat(day.date),
        checkpoint=checkpoint,
        disruptions=tuple(Disruption.from_json(json.loads(disruption)) for disruption in day.disruptions),
        event_types=None if day.event_types is None else frozenset(day.event_types),
        events_per_day_scale=day.scale,
    )


@lru_cache(maxsize=1)
def world_of(seed: int, size: WorldSize) -> World:
    """The world of a seed, kept while nobody asks for another."""
    return World.build(
        WorldSpec(
            seed=seed,
            stores=size.stores,
            distribution_centers=size.distribution_centers,
            products=size.products,
            customers=size.customers,
        )
    )
