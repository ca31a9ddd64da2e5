"""A staged day: the same world, simulated over one day (UTC), second by second, its volume following the curves."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from streaming.retail import shards as sharding
from streaming.retail.checkpoint import Checkpoint, CheckpointError, dump_district, spec_numbers
from streaming.retail.draws import PER_BLOCK, Draws
from streaming.retail.event_types import EVENT_TYPES
from streaming.retail.names import require_name
from streaming.retail.pace import STAGED
from streaming.retail.placing import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.core.event import Event
    from streaming.retail.disruption import Disruption
    from streaming.retail.life import Life
    from streaming.retail.scribe import Draft
    from streaming.retail.world import World

MOST_SCALE: Final = 20.0
_DAY_SECONDS: Final = 86_400
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_BILLION: Final = 1_000_000_000
_NUMBERS_PER_DAY: Final = 1 << 24
"""Each day's journeys have numbers of their own, so that a day staged without the state before it repeats no id."""
_DRAWS_PER_BLOCK: Final = PER_BLOCK // 2


class DayGenerator:
    """One shard's events of one day of a timeline, in the order in which they happen.

    At scale 1 the default world makes roughly 125 000 events on an average day (docs/data.md).
    """

    def __init__(
        self,
        world: World,
        *,
        timeline: str,
        day: date,
        shard: int = 0,
        shards: int = 1,
        checkpoint: bytes | None = None,
        disruptions: tuple[Disruption, ...] = (),
        event_types: frozenset[str] | None = None,
        events_per_day_scale: float = 1.0,
    ) -> None:
        """Begin ``day``, from nothing or from the finished checkpoint of a day before it, or continue it.

        ``disruptions`` are in force all day. All arguments but ``checkpoint`` are the same for the whole day.
        Raises WorldTooLargeError, CheckpointError, or ValueError for a shard or a scale that there can't be.
        """
        require_name("a timeline", timeline)
        if not 0 < events_per_day_scale <= MOST_SCALE:
            raise ValueError(f"events_per_day_scale must be above 0 and at most {MOST_SCALE}")
        self._world = world
        # The full stop keeps the ids of a timeline apart from those of a session of the same name.
        self._stream = f"{timeline}.d"
        self._trace_prefix = f"{self._stream}-{day:%Y%m%d}-{shard:x}-"
        self._ordinal = day.toordinal()
        self._begins = (self._ordinal - _EPOCH_ORDINAL) * _DAY_SECONDS
        self._disruptions = disruptions
        self._scale_permille = round(events_per_day_scale * 1_000)
        self._second = 0
        self._events = 0
        self._pending: list[Draft] = []
        """What happened in the second before ``_second`` and was not yet asked for."""
        self._in_second = 0
        """How many events happened in that second."""
        dc_ids = sharding.districts_of(world, shard, shards, events_per_day_scale)
        if checkpoint is None:
            self._lives = sharding.begin(world, self._stream, dc_ids)
            self._dawn()
        else:
            self._lives = self._resume(dc_ids, Checkpoint.decode(checkpoint))
        wanted = frozenset(EVENT_TYPES) if event_types is None else event_types
        for life in self._lives:
            life.district.pace = STAGED
            life.want(wanted)
        self._arrivals = [Draws("arrivals", world.spec.seed, self._stream, dc_id) for dc_id in dc_ids]
        self._blocks: list[tuple[int, ...]] = []

    def _resume(self, dc_ids: list[int], checkpoint: Checkpoint) -> list[Life]:
        lives = sharding.resume(self._world, self._stream, dc_ids, checkpoint)
        saved = checkpoint.shard
        self._lives = lives
        if saved["day"] == self._ordinal:
            self._second = saved["second"]
            self._events = saved["events"]
            self._in_second = saved["in_second"]
            self._pending = list(checkpoint.pending)
            return lives
        if saved["day"] > self._ordinal:
            raise CheckpointError("the checkpoint is of a later day")
        if saved["second"] < _DAY_SECONDS or checkpoint.pending:
            raise CheckpointError("the checkpoint is of an earlier day that is not over")
        self._dawn()
        return lives

    def _dawn(self) -> None:
        """Begin the day: clocks jump to its first second, what is in flight keeps its distance."""
        for life in self._lives:
            district = life.district
            district.agenda.jump(self._begins - 1)
            district.number = max(district.number, self._ordinal * _NUMBERS_PER_DAY)

    @property
    def over(self) -> bool:
        return self._second >= _DAY_SECONDS and not self._pending

    @property
    def events_affected(self) -> Mapping[str, int]:
        """Events that each disruption has changed, held back or caused so far, in this shard."""
        return sharding.events_affected(self._lives)

    def next_events(self, limit: int) -> list[Event]:
        """Up to ``limit`` events, fewer only at the end of the day; none when it is over."""
        events: list[Event] = []
        while len(events) < limit and not self.over:
            if not self._pending:
                self._live_one_second()
            now = self._pending[: limit - len(events)]
            if not now:
                continue
            # The events of a second are spread over it.
            step = 1_000_000 // (self._in_second + 1)
            position = self._in_second - len(self._pending) + 1
            events += place(
                now,
                trace_prefix=self._trace_prefix,
                first=self._events,
                start_us=(self._begins + self._second - 1) * 1_000_000 + position * step,
                step_us=step,
            )
            self._events += len(now)
            del self._pending[: len(now)]
        return events

    def _live_one_second(self) -> None:
        second = self._second
        now = self._begins + second
        if second % 60 == 0 or not self._blocks:
            for life in self._lives:
                life.set_time(now, self._disruptions)
        offset = second % _DRAWS_PER_BLOCK
        if not offset or not self._blocks:
            self._blocks = [draws.block(now // _DRAWS_PER_BLOCK) for draws in self._arrivals]
        for life, block in zip(self._lives, self._blocks, strict=True):
            rate = life.district.traffic.total * self._scale_permille // 1_000
            draw = (block[2 * offset] << 16 | block[2 * offset + 1]) * _BILLION >> 32
            life.tick(rate // _BILLION + (draw < rate % _BILLION))
            self._pending += life.district.scribe.take()
        self._second += 1
        self._in_second = len(self._pending)

    def snapshot(self) -> bytes:
        """What ``checkpoint`` takes, to go on with exactly the events that this generator would make next."""
        return Checkpoint(
            stream=self._stream,
            spec=spec_numbers(self._world.spec),
            shard={
                "day": self._ordinal,
                "second": self._second,
                "events": self._events,
                "in_second": self._in_second,
            },
            pending=tuple(self._pending),
            districts=tuple(dump_district(life.district) for life in self._lives),
        ).encode()
