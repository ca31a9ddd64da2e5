"""Settings → adapters → flows. Built once per process, lazily: the first function that needs a part makes it.

The only place that reads the environment, makes random generators and names this process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import secrets
import socket
from datetime import date
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

from shared import telemetry
from shared.clock import SystemClock
from shared.redaction import REDACTED, keep, secrets_of
from shared.settings import SettingProblem, read_settings, which_are_set
from shared.tracing import NO_TRACES
from streaming.adapters.event_hubs.connection import HubConnection, read_hub_connection
from streaming.adapters.event_hubs.connection_check import ConnectionReport, check_connection
from streaming.adapters.event_hubs.connection_verdict import ConnectionVerdict, validate_connection
from streaming.adapters.event_hubs.publisher import EventHubsPublisher
from streaming.adapters.event_hubs.unconfigured import UnconfiguredPublisher
from streaming.adapters.tables.client import TablesClient
from streaming.adapters.tables.control_store import TableControlStore
from streaming.adapters.tables.dead_letter_store import TableDeadLetterStore
from streaming.adapters.tables.keys import OUTBOX
from streaming.adapters.tables.lane_letters import LaneLetterStore
from streaming.adapters.tables.outbox_store import TableOutboxStore
from streaming.adapters.tables.rate_limit_store import TableRateLimitStore
from streaming.adapters.tables.shard_store import TableShardStore
from streaming.adapters.tables.traced_shard_store import TracedShardStore
from streaming.adapters.whole_stream import WholeDeadLetters, WholeStream
from streaming.core.session import Session, WorldSize
from streaming.flows import health as health_flow
from streaming.flows import reports
from streaming.flows.breaker import CircuitBreaker
from streaming.flows.buffer import Buffer
from streaming.flows.census import Census
from streaming.flows.configuration import Configuration
from streaming.flows.control import ControlFlow
from streaming.flows.dead_letters import DeadLetterQueue
from streaming.flows.deliver import Deliverer
from streaming.flows.diagnostics import Diagnostics, diagnostics
from streaming.flows.disruptions import DisruptionFlow
from streaming.flows.history import History
from streaming.flows.live import LiveFlow, LivePorts
from streaming.flows.metrics import Metrics, stream_metrics
from streaming.flows.observe import Observer
from streaming.flows.outbox import Outbox, OutboxReport
from streaming.flows.outbox_desk import OutboxPorts
from streaming.flows.overview import OverviewFlow
from streaming.flows.rate_limits import RateLimits
from streaming.flows.redrive import Redriver
from streaming.flows.send_latency import LatencyHistogram, TimedPublisher
from streaming.flows.senders import Sender, Senders
from streaming.flows.state import StateFlow
from streaming.flows.summary import Summaries, watch
from streaming.ports import StorageUnavailableError
from streaming.retail import shards as sharding
from streaming.retail.disruption import Disruption
from streaming.retail.live import LiveGenerator
from streaming.retail.staged import DayGenerator
from streaming.retail.world import World, WorldSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.tracing import Traces
    from streaming.adapters.azure_monitor import AzureMonitor
    from streaming.core.cursor import Cursor
    from streaming.core.outbox import Day, Timeline
    from streaming.flows.health import HealthReport
    from streaming.flows.observe import StreamView
    from streaming.outbox_ports import DayWorld
    from streaming.ports import Generator, Publisher

logger = logging.getLogger(__name__)

CONNECTION_CHECK_SECONDS = 9.0


class SettingsError(Exception):
    """Settings are missing or malformed; the message names each of them and says what to do."""


def stream_schedule() -> str:
    """The stream timer's schedule: known when the functions are indexed, also where the setting is missing or wrong."""
    return read_settings(os.environ).schedule


def stage_queue() -> str:
    """Where days are asked for."""
    return f"{_queue_prefix()}-outbox-stage"


def drain_queue() -> str:
    """Where drains are asked for."""
    return f"{_queue_prefix()}-outbox-drain"


def shard_queue() -> str:
    """Where runners of shards are asked for."""
    return f"{_queue_prefix()}-shard-run"


def _queue_prefix() -> str:
    return read_settings(os.environ).table_prefix.lower()


@cache
def application() -> Application:
    """This process's application."""
    made = Application(os.environ)
    made.traces()  # imports what that takes
    # What has been imported stays. Collected again and again with the rest, it would stop a stream for 20 ms each time.
    gc.freeze()
    return made


class Application:
    """Everything a trigger needs. Parts are made on first use, and need no network for that."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        keep(secrets_of(environment))
        self.settings = read_settings(environment)
        self.clock = SystemClock()
        self._random = random.SystemRandom()
        hub = read_hub_connection(environment)
        self._hub = hub if isinstance(hub, HubConnection) else None
        self.hub_problems: tuple[SettingProblem, ...] = () if isinstance(hub, HubConnection) else hub
        self.hub_name = self._hub.event_hub if self._hub else environment.get("EVENTHUB_NAME") or None
        self.redacted_connection_string = REDACTED if environment.get("AZURE_EVENTHUB_CONNECTION_STRING") else None
        self.configuration = Configuration(self.settings.realtime)
        self._which_are_set = which_are_set(environment)
        self._role = environment.get("WEBSITE_SITE_NAME") or "retail-stream"
        logging.getLogger("streaming").setLevel(self.settings.log_level)
        for chatty in ("azure", "uamqp"):
            # The SDKs record every request at INFO: that is for whoever debugs an SDK.
            logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(self.settings.log_level)))

    @property
    def problems(self) -> tuple[SettingProblem, ...]:
        """Every setting that is missing or malformed."""
        wrong = tuple(
            SettingProblem(setting=f"REALTIME_{key.upper()}", message=f"{reason}.")
            for key, reason in self.configuration.wrong.items()
        )
        return (*self.settings.problems, *self.hub_problems, *wrong)

    def live(self) -> LiveFlow:
        """The live flow of this process, which keeps the shard it holds between invocations."""
        return self._live

    def control(self) -> ControlFlow:
        """Commands."""
        return self._control

    def disruptions(self) -> DisruptionFlow:
        """Troubles on purpose."""
        return DisruptionFlow(control=self._control_store, clock=self.clock, new_id=lambda: f"d-{secrets.token_hex(4)}")

    async def world(self) -> World:
        """The retail world of the active or last session; before any, the one that the settings describe."""
        session = (await self.view()).session
        if session is None:
            return _world(self.settings.world.seed, self.world_size)
        return _world(session.seed, session.world)

    def outbox(self) -> Outbox:
        """The outbox."""
        return self._outbox

    def observer(self) -> Observer:
        """Questions."""
        return self._observer

    def dead_letters(self) -> DeadLetterQueue:
        """The dead-letter queue."""
        return self._dead_letters

    def redriver(self) -> Redriver:
        """Sends dead letters again."""
        return Redriver(
            queue=self._dead_letters,
            control=self._control_store,
            deliverer=self._deliverer,
            breaker=self._breaker,
            config_of=self.configuration.of,
            clock=self.clock,
        )

    def breaker(self) -> CircuitBreaker:
        """The circuit breaker, as this process sees it."""
        return self._breaker

    async def check_connection(self) -> ConnectionReport:
        """Whether events could be sent now; answers within 10 seconds."""
        return await check_connection(self._hub or self.hub_problems, timeout_seconds=CONNECTION_CHECK_SECONDS)

    def history(self) -> History:
        """Rates over time."""
        return History(control=self._control_store, shards=self._whole_stream, clock=self.clock)

    async def view(self) -> StreamView:
        """One look at the active session, or the last one."""
        return await self._observer.view()

    async def health(self) -> HealthReport:
        """Judge the stream; answers also when storage is away or not configured."""
        view: StreamView | None = None
        storage_error: str | None = None
        try:
            view = await self.view()
        except (StorageUnavailableError, SettingsError) as error:
            storage_error = str(error)
        return self._judge(view, storage_error)

    def _judge(self, view: StreamView | None, storage_error: str | None) -> HealthReport:
        return health_flow.report(
            now_us=self.clock.now_us(),
            view=view,
            storage_error=storage_error,
            hub_name=self.hub_name,
            problems=self.problems,
        )

    def overview(self) -> OverviewFlow:
        """What the dashboard shows."""
        return OverviewFlow(
            observer=self._observer,
            history=self.history(),
            disruptions=self.disruptions(),
            judge=lambda view: self._judge(view, None),
            configuration=lambda view: reports.configuration(
                view, hub_name=self.hub_name, connection_string=self.redacted_connection_string
            ),
            dead_letters=lambda view: self._dead_letters.summary(max_size=view.config.dlq_max_size),
            outbox=lambda _view: self._outbox.report(),
        )

    def traces(self) -> Traces:
        """Where invocations leave their spans."""
        return self._monitor or NO_TRACES

    def metrics(self) -> Metrics:
        """What Prometheus is told."""
        return self._metrics

    def state(self) -> StateFlow:
        """The state as one document."""
        return StateFlow(
            control=self._control_store,
            shards=self._shard_store,
            outbox=self._outbox_store,
            configuration=self.configuration,
            clock=self.clock,
            check_world=check_world,
        )

    async def diagnostics(self) -> Diagnostics:
        """Everything that somebody who helps will ask for."""
        view = await self.view()
        return diagnostics(
            view,
            health=self._judge(view, None),
            config=reports.configuration(
                view, hub_name=self.hub_name, connection_string=self.redacted_connection_string
            ),
            dlq=await self._dead_letters.summary(max_size=view.config.dlq_max_size),
            outbox=await self._outbox.report(),
            settings=self._which_are_set,
            problems=self.problems,
        )

    async def limit(self, name: str) -> int | None:
        """Count a call of a limited kind; returns None when it may go ahead, else the seconds to wait."""
        try:
            return await self._rate_limits.take(name)
        except SettingsError:
            return None  # Without storage there is no count, and what needs storage says so.

    @cached_property
    def _rate_limits(self) -> RateLimits:
        store = TableRateLimitStore(self._tables)
        return RateLimits(store=store, limits=self.settings.rate_limits, clock=self.clock)

    def judge_connection(self, connection_string: str, *, event_hub: str | None) -> ConnectionVerdict:
        """Judge a connection string without using it."""
        return validate_connection(connection_string, event_hub=event_hub, now_us=self.clock.now_us())

    def summaries(self) -> Summaries:
        """The records that alerts read."""
        return self._summaries

    async def watch(self) -> None:
        """Record whether the stream's timer shows signs of life."""
        await watch(self._view_if_possible)

    async def _view_if_possible(self) -> StreamView:
        """As ``view``; missing settings too are storage that can't be reached."""
        try:
            return await self.view()
        except SettingsError as error:
            raise StorageUnavailableError(str(error)) from error

    async def _outbox_if_possible(self) -> OutboxReport:
        try:
            return await self._outbox.report()
        except SettingsError as error:
            raise StorageUnavailableError(str(error)) from error

    @cached_property
    def _metrics(self) -> Metrics:
        return Metrics(
            view=self._view_if_possible,
            outbox=self._outbox_if_possible,
            clock=self.clock,
            send_latency=self._send_latency,
        )

    @cached_property
    def _summaries(self) -> Summaries:
        return Summaries(
            view=self._view_if_possible,
            outbox=self._outbox_if_possible,
            clock=self.clock,
            tell=self._tell_monitor if self._monitor else None,
        )

    def _tell_monitor(self, view: StreamView, outbox: OutboxReport) -> None:
        if self._monitor is not None:
            self._monitor.tell([*stream_metrics(view, outbox), *self._metrics.own()])

    @cached_property
    def _monitor(self) -> AzureMonitor | None:
        if self.settings.application_insights is None:
            return None
        from streaming.adapters import azure_monitor  # noqa: PLC0415 - 70 ms that only those pay who want it

        try:
            return azure_monitor.connect(
                self.settings.application_insights, role=self._role, instance=self._instance, clock=self.clock
            )
        except ValueError as error:  # The exporter is pickier than the settings. A stream is worth more than its spans.
            telemetry.error(logger, "telemetry_unavailable", detail=str(error))
            return None

    @cached_property
    def _live(self) -> LiveFlow:
        return LiveFlow(
            LivePorts(
                control=self._control_store,
                shards=self._shard_store,
                senders=self._senders,
                buffer=Buffer(),
                breaker=self._breaker,
                generators=make_generator,
                deal=deal,
                clock=self.clock,
                instance=self._instance,
                new_id=_new_id,
                config_of=self.configuration.of,
                dead_letters=self._dead_letters,
            )
        )

    @cached_property
    def _control(self) -> ControlFlow:
        return ControlFlow(
            control=self._control_store,
            shards=self._whole_stream,
            breaker=self._breaker,
            configuration=self.configuration,
            world=self.world_size,
            day_scale=self.settings.outbox.day_scale,
            clock=self.clock,
            seed=self.settings.world.seed,
            new_suffix=lambda: secrets.token_hex(2),
        )

    @property
    def world_size(self) -> WorldSize:
        """The configured world's."""
        world = self.settings.world
        return WorldSize(
            stores=world.stores,
            distribution_centers=world.distribution_centers,
            products=world.products,
            customers=world.customers,
        )

    @cached_property
    def _observer(self) -> Observer:
        return Observer(
            control=self._control_store,
            shards=self._whole_stream,
            letters=self._letters,
            census=self._census,
            configuration=self.configuration,
            clock=self.clock,
        )

    @cached_property
    def _census(self) -> Census:
        return Census(control=self._control_store, shards=self._whole_stream)

    @cached_property
    def _whole_stream(self) -> WholeStream:
        return WholeStream(live=self._shard_store, outbox=self._outbox_store)

    @cached_property
    def _letters(self) -> WholeDeadLetters:
        return WholeDeadLetters(live=TableDeadLetterStore(self._tables), lanes=self._lane_letters)

    @cached_property
    def _lane_letters(self) -> LaneLetterStore:
        return LaneLetterStore(self._outbox_tables, self._outbox_store)

    @cached_property
    def _outbox(self) -> Outbox:
        return Outbox(
            OutboxPorts(
                outbox=self._outbox_store,
                control=self._control_store,
                publisher=self._publisher,
                deliverer=self._deliverer,
                breaker=self._breaker,
                worlds=make_day,
                clock=self.clock,
                instance=self._instance,
                new_id=_new_id,
                config_of=self.configuration.of,
                evict=self._dead_letters.evict,
                first_day=self.settings.outbox.first_day,
                scale=self.settings.outbox.day_scale,
            ),
            letters=self._lane_letters,
        )

    @cached_property
    def _dead_letters(self) -> DeadLetterQueue:
        return DeadLetterQueue(census=self._census, letters=self._letters, new_id=_new_id)

    @cached_property
    def _deliverer(self) -> Deliverer:
        return self._deliverer_through(self._publisher)

    def _deliverer_through(self, publisher: Publisher) -> Deliverer:
        return Deliverer(publisher=publisher, breaker=self._breaker, clock=self.clock, draw=self._random.random)

    @cached_property
    def _senders(self) -> Senders:
        def make(number: int) -> Sender:
            publisher = self._make_publisher() if number else self._publisher
            return Sender(publisher=publisher, deliverer=self._deliverer_through(publisher))

        return Senders(make)

    @cached_property
    def _breaker(self) -> CircuitBreaker:
        return CircuitBreaker(
            store=self._control_store,
            clock=self.clock,
            instance=self._instance,
            new_id=_new_id,
            draw=self._random.random,
        )

    @cached_property
    def _publisher(self) -> Publisher:
        return self._make_publisher()

    def _make_publisher(self) -> Publisher:
        if self._hub is None:
            return UnconfiguredPublisher(self.hub_problems)
        return TimedPublisher(
            EventHubsPublisher(self._hub), clock=self.clock, histogram=self._send_latency, traces=self.traces()
        )

    @cached_property
    def _send_latency(self) -> LatencyHistogram:
        return LatencyHistogram()

    @cached_property
    def _tables(self) -> TablesClient:
        self._check_storage()
        return TablesClient(self.settings)

    def _check_storage(self) -> None:
        problems = [problem for problem in self.settings.problems if problem.setting == "AzureWebJobsStorage"]
        if problems:
            raise SettingsError(" ".join(f"{problem.setting} {problem.message}" for problem in problems))

    @cached_property
    def _outbox_tables(self) -> TablesClient:
        self._check_storage()
        return TablesClient(self.settings, table=OUTBOX)

    @cached_property
    def _outbox_store(self) -> TableOutboxStore:
        return TableOutboxStore(self._outbox_tables)

    @cached_property
    def _control_store(self) -> TableControlStore:
        return TableControlStore(self._tables)

    @cached_property
    def _shard_store(self) -> TableShardStore:
        if self._monitor is None:
            return TableShardStore(self._tables)
        return TracedShardStore(self._tables, traces=self._monitor, clock=self.clock)

    @cached_property
    def _instance(self) -> str:
        return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def make_generator(session: Session, *, shard: int, shards: int, checkpoint: bytes | None) -> Generator:
    """A shard's retail world, at its beginning or where ``checkpoint`` left it."""
    return LiveGenerator(
        _world(session.seed, session.world),
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
    return sharding.deal(_world(session.seed, session.world), session.session_id, checkpoints, shards)


def check_world(session: Session, cursor: Cursor, checkpoint: bytes | None) -> None:
    """Restore a shard's world, to see that it can be done. Raises whatever is wrong with it."""
    make_generator(session, shard=cursor.shard, shards=cursor.shards, checkpoint=checkpoint)


def make_day(timeline: Timeline, day: Day, *, checkpoint: bytes | None) -> DayWorld:
    """A day of the outbox's timeline, at its beginning or where ``checkpoint`` left it."""
    return DayGenerator(
        _world(timeline.seed, timeline.world),
        timeline=timeline.name,
        day=date.fromisoformat(day.date),
        checkpoint=checkpoint,
        disruptions=tuple(Disruption.from_json(json.loads(disruption)) for disruption in day.disruptions),
        event_types=None if day.event_types is None else frozenset(day.event_types),
        events_per_day_scale=day.scale,
    )


@lru_cache(maxsize=1)
def _world(seed: int, size: WorldSize) -> World:
    return World.build(
        WorldSpec(
            seed=seed,
            stores=size.stores,
            distribution_centers=size.distribution_centers,
            products=size.products,
            customers=size.customers,
        )
    )


def _new_id() -> str:
    return secrets.token_hex(8)
