"""A simulation of the shard plan, from one instance to a million events a second: what docs/scale.md rests on.

Nothing is sent. Two questions are answered with the product's own pure code, the retail world included:

- *Staffing*: how long shards are without a runner, while instances take seconds to come, messages are lost, and runners
  die. An hour of a stream's timer passes in a moment.
- *Load*: what a shard's bursts become when they are dealt over the hub's lanes: batches, bytes, the busiest lane; and
  from that CPU, connections, storage operations and cost. The CPU of making and encoding an event is measured here and
  now; what a send and a window cost is taken from docs/performance.md.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from time import process_time
from typing import Final, NamedTuple

from streaming.adapters.event_hubs.encoder import encode_batch
from streaming.core.batching import by_lane
from streaming.core.cursor import LEASE_US, Cursor
from streaming.core.plan import share
from streaming.core.staffing import GRACE_US, may_wait_for, staff
from streaming.retail.live import BurstRequest, LiveGenerator
from streaming.retail.shards import require_shards
from streaming.retail.world import World, WorldSpec

_STEP_US: Final = 100_000
_LOOK_US: Final = 1_000_000
_RUN_US: Final = 60_000_000
_SEND_US: Final = 250.0
"""CPU of one send, whatever is in it (docs/performance.md)."""
_WINDOW_US: Final = 20_000.0
"""CPU of a second's window besides: its read, its commit, waking up for bursts."""
_BURSTS: Final = 5
_NOON_US: Final = 1_795_888_800_000_000
_MONTH_SECONDS: Final = 2_628_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What befalls runners."""

    name: str
    cold_seconds: tuple[float, float] = (2.0, 15.0)
    """How long an instance takes that isn't there yet."""
    lost: float = 0.0
    """The share of messages that never arrive."""
    killed: float = 0.0
    """The share of runs that are killed midway."""
    nobody_comes: bool = False


_TROUBLES: Final = (
    Trouble(name="warm instances", cold_seconds=(0.1, 2.2)),
    Trouble(name="scaling out from none"),
    Trouble(name="1 message in 20 lost", lost=0.05),
    Trouble(name="1 run in 20 killed", killed=0.05),
    Trouble(name="no instance ever comes", nobody_comes=True),
)


class Staffed(NamedTuple):
    """What became of a generation's shards over the simulated time, after its first minute."""

    unattended: float
    """The share of time that a shard has nobody."""
    longest_seconds: float
    here: float
    """The share of time that the timer's process runs it."""
    messages_a_minute: float
    """For each shard."""


@dataclass(slots=True, kw_only=True)
class _Shard:
    cursor: Cursor
    dies_us: int | None = None
    here: bool = False
    free_us: int = 0
    longest_us: int = 0
    here_us: int = 0
    total_free_us: int = 0
    waiting: list[int] | None = None
    """When each runner comes that was asked for."""
    warm: bool = False


class _Staffing:
    """One generation of shards, looked after for a while."""

    def __init__(self, shards: int, trouble: Trouble, chance: random.Random) -> None:
        first = Cursor(
            session_id="s", shard=0, shards=shards, lanes=1, owner="", lease_until_us=0, heartbeat_us=0, operation_id=""
        )
        self._shards = [_Shard(cursor=replace(first, shard=shard), waiting=[]) for shard in range(shards)]
        self._trouble = trouble
        self._chance = chance
        self._asked_us: dict[int, int] = {}
        self._here_until_us: dict[int, int] = {}
        self._messages = 0

    def run(self, seconds: int) -> Staffed:
        begins_us = 60_000_000
        end_us = begins_us + seconds * 1_000_000
        for now_us in range(begins_us, end_us, _STEP_US):
            ended_here = any(shard.here and shard.cursor.lease_until_us == now_us - GRACE_US for shard in self._shards)
            if now_us % _LOOK_US == 0 or ended_here:
                self._look(now_us)
            for shard in self._shards:
                self._step(shard, now_us, counts=now_us > begins_us + 60_000_000)
        counted_us = (end_us - begins_us - 60_000_000) * len(self._shards)
        return Staffed(
            unattended=sum(shard.total_free_us for shard in self._shards) / counted_us,
            longest_seconds=max(shard.longest_us for shard in self._shards) / 1_000_000,
            here=sum(shard.here_us for shard in self._shards) / counted_us,
            messages_a_minute=self._messages * 60 / seconds / len(self._shards),
        )

    def _look(self, now_us: int) -> None:
        cursors = [shard.cursor for shard in self._shards]
        looked = staff(cursors, asked_us=self._asked_us, here_until_us=self._here_until_us, now_us=now_us)
        for number in looked.ask:
            self._asked_us[number] = now_us
            self._messages += 1
            self._ask(self._shards[number], now_us)
        if not looked.ask:
            for number, until_us in looked.here.items():
                self._here_until_us[number] = until_us
                self._claim(self._shards[number], until_us, here=True)

    def _ask(self, shard: _Shard, now_us: int) -> None:
        if self._trouble.nobody_comes or self._chance.random() < self._trouble.lost:
            return
        low, high = (0.1, 2.2) if shard.warm else self._trouble.cold_seconds
        shard.warm = True
        assert shard.waiting is not None  # noqa: S101 - made with the shard
        shard.waiting.append(now_us + round(self._chance.uniform(low, high) * 1_000_000))

    def _claim(self, shard: _Shard, until_us: int, *, here: bool) -> None:
        shard.cursor = replace(shard.cursor, owner="x", lease_until_us=until_us + LEASE_US, runs_until_us=until_us)
        shard.here = here
        shard.dies_us = None

    def _step(self, shard: _Shard, now_us: int, *, counts: bool) -> None:
        cursor = shard.cursor
        if shard.dies_us is not None and now_us >= shard.dies_us:  # Its lease runs out by itself.
            shard.cursor, shard.dies_us = replace(cursor, lease_until_us=shard.dies_us + LEASE_US), None
            shard.cursor = replace(shard.cursor, owner="", runs_until_us=shard.dies_us or now_us)
        elif cursor.owner and now_us >= cursor.runs_until_us:
            shard.cursor = replace(cursor, owner="", lease_until_us=now_us, runs_until_us=0)
        assert shard.waiting is not None  # noqa: S101 - made with the shard
        for comes_us in [each for each in shard.waiting if each <= now_us]:
            if not shard.cursor.leased(now_us):
                shard.waiting.remove(comes_us)
                self._claim(shard, now_us + _RUN_US, here=False)
                if self._chance.random() < self._trouble.killed:
                    shard.dies_us = now_us + round(self._chance.random() * _RUN_US)
            elif not may_wait_for(shard.cursor, now_us):
                shard.waiting.remove(comes_us)
        if shard.cursor.owner:
            shard.free_us = 0
            shard.here_us += _STEP_US * shard.here * counts
        else:
            shard.free_us += _STEP_US
            shard.total_free_us += _STEP_US * counts
            if counts:
                shard.longest_us = max(shard.longest_us, shard.free_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of the ladder."""

    events_per_second: int
    interval_ms: int
    shards: int
    lanes: int
    centers: int
    stores: int
    hub: str
    price: str
    """Of the hub, by its name in docs/cost.md."""
    units: int


_LADDER: Final = (
    Rung(
        events_per_second=5_000, interval_ms=100, shards=1, lanes=8, centers=5, stores=50,
        hub="Standard, 7 TU", price="hub-unit", units=7,
    ),
    Rung(
        events_per_second=32_000, interval_ms=100, shards=2, lanes=32, centers=8, stores=80,
        hub="Standard, 40 TU", price="hub-unit", units=40,
    ),
    Rung(
        events_per_second=150_000, interval_ms=100, shards=8, lanes=64, centers=32, stores=320,
        hub="Premium, 16 PU", price="hub-premium", units=16,
    ),
    Rung(
        events_per_second=1_000_000, interval_ms=100, shards=50, lanes=128, centers=100, stores=1_000,
        hub="Dedicated, 10 CU", price="hub-dedicated", units=10,
    ),
)  # fmt: skip


class Load(NamedTuple):
    """What a rung asks of each part."""

    rung: Rung
    events_per_shard: float
    batches_per_shard: float
    events_per_batch: float
    bytes_per_event: float
    busiest_lane_mb: float
    """Of all shards together, a second."""
    core: float
    """What a shard takes of one."""
    checkpoint_bytes: int
    connections: int
    storage_operations: float
    """Round trips a second, the planner's among them."""


def _load(rung: Rung) -> Load:
    spec = WorldSpec(seed=1, stores=rung.stores, distribution_centers=rung.centers, products=1_000, customers=20_000)
    require_shards(spec, rung.shards)
    world = World.build(spec)
    burst = rung.events_per_second * rung.interval_ms // 1_000
    lane_bytes = [0] * rung.lanes
    batches: list[int] = []
    events = made_bytes = 0
    checkpoint = 0
    cpu_seconds = 0.0
    sampled = range(0, rung.shards, max(1, rung.shards // 5))
    for shard in sampled:
        generator = LiveGenerator(world, session_id="s", shard=shard, shards=rung.shards)
        for number in range(_BURSTS + 1):
            request = BurstRequest(
                number=number,
                scheduled_at_us=_NOON_US + number * rung.interval_ms * 1_000,
                size=share(burst, shard, rung.shards),
                rate_per_second=float(rung.events_per_second),
            )
            started = process_time()
            dealt = by_lane(generator.burst(request), rung.lanes)
            for lane in filter(None, dealt):
                encode_batch(lane)
            if not number:
                continue  # The first one opens stores, and fills caches.
            cpu_seconds += process_time() - started
            batches.append(sum(bool(lane) for lane in dealt))
            events += request.size
            for index, lane in enumerate(dealt):
                size = sum(len(event.body) for event in lane)
                lane_bytes[index] += size
                made_bytes += size
        checkpoint = max(checkpoint, len(generator.snapshot()))
    bursts_per_second = 1_000 / rung.interval_ms
    per_shard = rung.events_per_second / rung.shards
    per_event_us = cpu_seconds * 1_000_000 / events
    batches_per_second = mean(batches) * bursts_per_second
    seconds_sampled = _BURSTS / bursts_per_second * len(sampled) / rung.shards
    return Load(
        rung=rung,
        events_per_shard=per_shard,
        batches_per_shard=batches_per_second,
        events_per_batch=per_shard / batches_per_second,
        bytes_per_event=made_bytes / events,
        busiest_lane_mb=max(lane_bytes) / seconds_sampled / 1e6,
        core=(per_event_us * per_shard + _SEND_US * batches_per_second + _WINDOW_US) / 1_000_000,
        checkpoint_bytes=checkpoint,
        connections=rung.shards * rung.lanes,
        storage_operations=2 * rung.shards + (2 if rung.shards > 1 else 0),
    )


def _prices() -> dict[str, float]:
    text = (Path(__file__).parent.parent / "docs" / "cost.md").read_text(encoding="utf-8")
    return {name: float(price) for name, price in re.findall(r"^\| ([a-z0-9-]+) \| ([\d.]+) \|", text, re.MULTILINE)}


def _monthly(load: Load, prices: dict[str, float]) -> tuple[float, float, float]:
    """Functions, hub and storage, in dollars a month; as docs/cost.md reckons."""
    runners = load.rung.shards if load.rung.shards > 1 else 0
    functions = 2 * _MONTH_SECONDS * (prices["flex-baseline"] + prices["flex-ready"] + runners * prices["flex-demand"])
    hub = load.rung.units * 730 * prices[load.rung.price]
    if load.rung.price == "hub-unit":
        hub += load.rung.events_per_second * _MONTH_SECONDS / 1e6 * prices["hub-million"]
    storage = load.storage_operations * 10 * _MONTH_SECONDS / 10_000 * prices["table-10k"]
    return functions, hub, storage


def main() -> dict[str, float]:
    """Print both simulations."""
    print("Staffing of 32 shards, an hour each")
    staffed: dict[str, Staffed] = {}
    for trouble in _TROUBLES:
        staffed[trouble.name] = _Staffing(32, trouble, random.Random(1)).run(3_600)  # noqa: S311 - the same every time
        found = staffed[trouble.name]
        print(
            f"  {trouble.name:<24} unattended {found.unattended:.3%}, {found.longest_seconds:.1f} s at most; "
            f"run by the timer {found.here:.1%}; {found.messages_a_minute:.1f} messages a shard and minute"
        )
    print("Load")
    prices = _prices()
    loads = [_load(rung) for rung in _LADDER]
    for load in loads:
        rung = load.rung
        functions, hub, storage = _monthly(load, prices)
        print(
            f"  {rung.events_per_second:>9,} events/s  {rung.shards:>3} shards of {load.events_per_shard:,.0f}  "
            f"{rung.lanes:>3} lanes  {load.batches_per_shard:,.0f} batches/s of {load.events_per_batch:,.0f} a shard  "
            f"{load.bytes_per_event:.0f} bytes an event  busiest lane {load.busiest_lane_mb:.2f} MB/s  "
            f"{load.core:.0%} of a core a shard  checkpoint {load.checkpoint_bytes / 1024:.0f} KiB  "
            f"{load.connections:,} connections  {load.storage_operations:.0f} storage round trips/s  {rung.hub}  "
            f"$ {functions:,.0f} + {hub:,.0f} + {storage:,.0f} a month, "
            f"{(functions + hub + storage) / (rung.events_per_second * _MONTH_SECONDS / 1e6):.3f} a million events"
        )
    return {
        "shard_plan_unattended": staffed["warm instances"].unattended,
        "shard_plan_unattended_alone": staffed["no instance ever comes"].unattended,
        "core_per_shard_at_1000000": loads[-1].core,
    }
