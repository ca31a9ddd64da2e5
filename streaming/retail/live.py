"""A live stream: bursts of exactly as many events as they owe, from a world that never stands still between them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from streaming.retail import shards as sharding
from streaming.retail.checkpoint import Checkpoint, dump_district, spec_numbers
from streaming.retail.draws import PER_BLOCK, Draws
from streaming.retail.event_types import EVENT_TYPES
from streaming.retail.names import require_name
from streaming.retail.pace import STARTS_PER_TICK, live_pace
from streaming.retail.placing import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.core.event import Event
    from streaming.retail.disruption import Disruption
    from streaming.retail.life import Life
    from streaming.retail.scribe import Draft
    from streaming.retail.world import World

MOST_RUN_FORWARD: Final = 10
"""For rare types, so many times a burst's size are made and dropped at most."""
_ALL_TYPES: Final = frozenset(EVENT_TYPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstRequest:
    """One burst of one shard, as its recorded plan says."""

    number: int
    """Of the burst in the session."""
    scheduled_at_us: int
    """UTC, microseconds since the epoch; event ``i`` of the burst happens ``i`` microseconds later."""
    size: int
    """Events that this shard owes; may be 0."""
    rate_per_second: float
    """Of the whole stream, as configured: what takes time and what is reordered scale with it."""
    event_types: frozenset[str] | None = None
    """None is all."""
    disruptions: tuple[Disruption, ...] = ()
    first_index: int = 0
    """Of this request's first event in the burst, when a large burst is asked for in chunks."""


class LiveGenerator:
    """The events of one shard. Everything follows from the arguments, the checkpoint and the bursts asked for."""

    def __init__(
        self, world: World, *, session_id: str, shard: int = 0, shards: int = 1, checkpoint: bytes | None = None
    ) -> None:
        """Begin a session's world, or continue it from ``checkpoint``.

        Raises WorldTooLargeError, CheckpointError, or ValueError for a shard that there can't be.
        """
        require_name("a session", session_id)
        self._world = world
        self._session_id = session_id
        self._shard = shard
        self._turn = 0
        dc_ids = sharding.districts_of(world, shard, shards)
        if checkpoint is None:
            self._lives = sharding.begin(world, session_id, dc_ids)
        else:
            saved = Checkpoint.decode(checkpoint)
            self._lives = sharding.resume(world, session_id, dc_ids, saved)
            self._turn = saved.shard["turn"]
        total = sum(store.volume_class for store in world.stores)
        self._shares = [sum(store.volume_class for store in life.district.stores) / total for life in self._lives]
        self._draws = Draws("turn", world.spec.seed, session_id)
        self._shuffle: tuple[int, ...] = ()
        self._weights: list[int] = []
        self._known: tuple[int, float, frozenset[str], tuple[Disruption, ...]] | None = None

    @property
    def events_affected(self) -> Mapping[str, int]:
        """Events that each disruption in force has changed, held back or caused so far, in this shard."""
        return sharding.events_affected(self._lives)

    def burst(self, request: BurstRequest) -> list[Event]:
        """Exactly ``request.size`` events, in order; fewer only where rare types were asked for."""
        if request.size == 0:
            return []
        wanted = _ALL_TYPES if request.event_types is None else request.event_types
        drafts = self._take_backlog(wanted, request.size)
        if len(drafts) < request.size:
            self._set_time(request, wanted)
            self._run(drafts, request.size, bounded=wanted != _ALL_TYPES)
        return place(
            drafts,
            trace_prefix=f"{self._session_id}-{self._shard:x}-{request.number:x}-",
            first=request.first_index,
            start_us=request.scheduled_at_us + request.first_index,
        )

    def _take_backlog(self, wanted: frozenset[str], size: int) -> list[Draft]:
        """What earlier bursts had no room for, as far as it is still wanted."""
        drafts: list[Draft] = []
        for life in self._lives:
            district = life.district
            if district.backlog:
                still_wanted = [draft for draft in district.backlog if draft[0] in wanted]
                room = size - len(drafts)
                drafts += still_wanted[:room]
                district.backlog = still_wanted[room:]
        return drafts

    def _set_time(self, request: BurstRequest, wanted: frozenset[str]) -> None:
        """Tell every district what time it is, to the minute, how fast the stream goes and what is wanted."""
        now_us = request.scheduled_at_us
        disruptions = tuple(disruption for disruption in request.disruptions if disruption.in_force(now_us))
        known = (now_us // 60_000_000, request.rate_per_second, wanted, disruptions)
        if known == self._known:
            return
        self._known = known
        for life, share in zip(self._lives, self._shares, strict=True):
            district = life.district
            life.want(wanted)
            district.pace = live_pace(request.rate_per_second, share)
            life.set_time(now_us // 1_000_000, disruptions)
        self._weights = list(accumulate(life.district.traffic.total for life in self._lives))

    def _run(self, drafts: list[Draft], size: int, *, bounded: bool) -> None:
        """Add to ``drafts`` until there are ``size``; the rest of the last tick is its district's backlog."""
        limit = size * MOST_RUN_FORWARD
        made = 0
        # What opened or closed on the hour comes first, in every district.
        for life in self._lives:
            made += self._collect(life, drafts, size)
        while len(drafts) < size and (made < limit or not bounded):
            life = self._next_life()
            life.tick(STARTS_PER_TICK)
            made += self._collect(life, drafts, size)

    @staticmethod
    def _collect(life: Life, drafts: list[Draft], size: int) -> int:
        """Move what the district has written to ``drafts``, as far as there is room; returns what it made in all."""
        scribe = life.district.scribe
        new = scribe.take()
        made = len(new) + scribe.dropped
        scribe.dropped = 0
        room = size - len(drafts)
        if len(new) > room:
            life.district.backlog += new[room:]
            del new[room:]
        drafts += new
        return made

    def _next_life(self) -> Life:
        """The district whose turn it is, by chance, the busier the more often."""
        if len(self._lives) == 1:
            return self._lives[0]
        offset = self._turn % (PER_BLOCK // 2)
        if not offset or not self._shuffle:
            self._shuffle = self._draws.block(self._turn // (PER_BLOCK // 2))
        self._turn += 1
        draw = self._shuffle[2 * offset] << 16 | self._shuffle[2 * offset + 1]
        return self._lives[bisect_right(self._weights, draw * self._weights[-1] >> 32)]

    def snapshot(self) -> bytes:
        """What ``checkpoint`` takes, to go on with exactly the events that this generator would make next."""
        return Checkpoint(
            stream=self._session_id,
            spec=spec_numbers(self._world.spec),
            shard={"turn": self._turn},
            districts=tuple(dump_district(life.district) for life in self._lives),
        ).encode()
