"""The whole live stream in memory: real flows and pure core, memory adapters, a clock that tests move."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import orjson

from shared.clock import MICROSECONDS
from streaming.core.event import Event
from streaming.core.session import WorldSize
from streaming.flows.breaker import CircuitBreaker
from streaming.flows.buffer import Buffer
from streaming.flows.census import Census
from streaming.flows.configuration import Configuration
from streaming.flows.control import ControlFlow
from streaming.flows.dead_letters import DeadLetterQueue
from streaming.flows.deliver import Deliverer
from streaming.flows.live import LiveFlow, LivePorts
from streaming.flows.observe import Observer
from streaming.flows.redrive import Redriver
from streaming.flows.senders import Sender, Senders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.clock import Clock
    from streaming.adapters.memory_publisher import MemoryPublisher
    from streaming.core.session import Session
    from streaming.ports import ControlStore, DeadLetterStore, Dealer, GeneratorFactory, ShardStore
    from streaming.retail.live import BurstRequest

WORLD = WorldSize(stores=5, distribution_centers=1, products=100, customers=100)
TICK_US = 30 * MICROSECONDS


class CountingGenerator:
    """Makes events that say which they are; refuses to be asked out of order, as a world with a memory would."""

    def __init__(self, session: Session, checkpoint: bytes | None) -> None:
        self._session_id = session.session_id
        self._made = 0 if checkpoint is None else orjson.loads(checkpoint)

    def burst(self, request: BurstRequest) -> list[Event]:
        events = []
        for index in range(request.first_index, request.first_index + request.size):
            trace_id = f"{self._session_id}-{request.number}-{index}"
            envelope = {
                "event_type": "receipt_created" if index % 2 else "customer_entered",
                "trace_id": trace_id,
                "ingest_timestamp": request.scheduled_at_us + index,
                "payload": {"position": self._made},
            }
            event_type = "receipt_created" if index % 2 else "customer_entered"
            events.append(Event(event_type, trace_id, f"store_{index % 11}", orjson.dumps(envelope)))
            self._made += 1
        return events

    @property
    def events_affected(self) -> Mapping[str, int]:
        return {}

    def snapshot(self) -> bytes:
        return orjson.dumps(self._made)


def _counting(session: Session, *, shard: int, shards: int, checkpoint: bytes | None) -> CountingGenerator:
    assert (shard, shards) == (0, 1)
    return CountingGenerator(session, checkpoint)


async def _deal_counts(session: Session, checkpoints: Sequence[bytes | None], shards: int) -> Sequence[bytes | None]:
    assert (session.shards, len(checkpoints), shards) == (1, 1, 1)
    return checkpoints


class Process:
    """One function app process: it has a memory of its own, and shares storage and hub with others."""

    _numbers = itertools.count()

    def __init__(
        self,
        *,
        control: ControlStore,
        shards: ShardStore,
        letters: DeadLetterStore,
        publisher: MemoryPublisher,
        clock: Clock,
        environment: Mapping[str, str] | None = None,
        world: WorldSize = WORLD,
        generators: GeneratorFactory = _counting,
        deal: Dealer = _deal_counts,
        number: int | None = None,
    ) -> None:
        """``number`` tells processes apart; it is in the ids of sessions that are started here."""
        number = next(self._numbers) if number is None else number
        draw = random.Random(number).random  # noqa: S311 - jitter, the same in every run
        ids = itertools.count()
        configuration = Configuration(environment or {})
        self.clock = clock
        self.breaker = CircuitBreaker(
            store=control,
            clock=clock,
            instance=f"process-{number}",
            new_id=lambda: f"{number}-{next(ids)}",
            draw=draw,
        )
        deliverer = Deliverer(publisher=publisher, breaker=self.breaker, clock=clock, draw=draw)
        census = Census(control=control, shards=shards)
        self.dead_letters = DeadLetterQueue(census=census, letters=letters, new_id=lambda: f"{number}-{next(ids)}")
        self.live = LiveFlow(
            LivePorts(
                control=control,
                shards=shards,
                senders=Senders(lambda _number: Sender(publisher=publisher, deliverer=deliverer)),
                buffer=Buffer(),
                breaker=self.breaker,
                generators=generators,
                deal=deal,
                clock=clock,
                instance=f"process-{number}",
                new_id=lambda: f"{number}-{next(ids)}",
                config_of=configuration.of,
                dead_letters=self.dead_letters,
            )
        )
        self.redriver = Redriver(
            queue=self.dead_letters,
            control=control,
            deliverer=deliverer,
            breaker=self.breaker,
            config_of=configuration.of,
            clock=clock,
        )
        self.control = ControlFlow(
            control=control,
            shards=shards,
            breaker=self.breaker,
            configuration=configuration,
            world=world,
            day_scale=1.0,
            clock=clock,
            seed=1,
            new_suffix=lambda: f"{number:04x}",
        )
        self.observer = Observer(
            control=control, shards=shards, letters=letters, census=census, configuration=configuration, clock=clock
        )

    async def tick_until(self, instant_us: int) -> None:
        """The stream timer: a run a second at most, each of 30 s at most, never two at once."""
        while self.clock.now_us() < instant_us:
            began_us = self.clock.now_us()
            await self.live.run(until_us=min(began_us + TICK_US, instant_us))
            await self.clock.sleep_until(min(instant_us, began_us + MICROSECONDS))
