"""Adapters → flows: everything a trigger needs, each part made on first use."""

from __future__ import annotations

import logging
import random
import secrets
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.settings import SettingProblem, which_are_set
from streaming.adapters.event_hubs.connection_check import ConnectionReport, check_connection
from streaming.adapters.event_hubs.connection_verdict import ConnectionVerdict, validate_connection
from streaming.core.session import WorldSize
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
from streaming.flows.senders import Sender, Senders
from streaming.flows.state import StateFlow
from streaming.flows.summary import Summaries, watch
from streaming.ports import StorageUnavailableError
from streaming.wiring.adapters import Adapters, SettingsError
from streaming.wiring.worlds import check_world, deal, make_day, make_generator, world_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.tracing import Traces
    from streaming.flows.health import HealthReport
    from streaming.flows.observe import StreamView
    from streaming.ports import Publisher
    from streaming.retail.world import World

CONNECTION_CHECK_SECONDS = 9.0


class Application:
    """Everything a trigger needs. Parts are made on first use, and need no network for that."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.adapters = adapters = Adapters(environment)
        self.settings = adapters.settings
        self.clock = adapters.clock
        self.hub_problems = adapters.hub_problems
        self.configuration = Configuration(self.settings.realtime)
        self._random = random.SystemRandom()
        self._which_are_set = which_are_set(environment)
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
        return DisruptionFlow(
            control=self.adapters.control, clock=self.clock, new_id=lambda: f"d-{secrets.token_hex(4)}"
        )

    async def world(self) -> World:
        """The retail world of the active or last session; before any, the one that the settings describe."""
        session = (await self.view()).session
        if session is None:
            return world_of(self.settings.world.seed, self.world_size)
        return world_of(session.seed, session.world)

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
            control=self.adapters.control,
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
        return await check_connection(self.adapters.hub or self.hub_problems, timeout_seconds=CONNECTION_CHECK_SECONDS)

    def history(self) -> History:
        """Rates over time."""
        return History(control=self.adapters.control, shards=self.adapters.whole_stream, clock=self.clock)

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
            hub_name=self.adapters.hub_name,
            problems=self.problems,
        )

    def in_force(self, view: StreamView) -> dict[str, Any]:
        """The configuration as ``GET /api/stream/config`` shows it."""
        return reports.configuration(
            view, hub_name=self.adapters.hub_name, connection_string=self.adapters.redacted_connection_string
        )

    def overview(self) -> OverviewFlow:
        """What the dashboard shows."""
        return OverviewFlow(
            observer=self._observer,
            history=self.history(),
            disruptions=self.disruptions(),
            judge=lambda view: self._judge(view, None),
            configuration=self.in_force,
            dead_letters=lambda view: self._dead_letters.summary(max_size=view.config.dlq_max_size),
            outbox=lambda _view: self._outbox.report(),
        )

    def traces(self) -> Traces:
        """Where invocations leave their spans."""
        return self.adapters.traces

    def metrics(self) -> Metrics:
        """What Prometheus is told."""
        return self._metrics

    def state(self) -> StateFlow:
        """The state as one document."""
        return StateFlow(
            control=self.adapters.control,
            shards=self.adapters.shards,
            outbox=self.adapters.outbox,
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
            config=self.in_force(view),
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
        return RateLimits(store=self.adapters.rate_limits, limits=self.settings.rate_limits, clock=self.clock)

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
            send_latency=self.adapters.send_latency,
        )

    @cached_property
    def _summaries(self) -> Summaries:
        return Summaries(
            view=self._view_if_possible,
            outbox=self._outbox_if_possible,
            clock=self.clock,
            tell=self._tell_monitor if self.adapters.monitor else None,
        )

    def _tell_monitor(self, view: StreamView, outbox: OutboxReport) -> None:
        if (monitor := self.adapters.monitor) is not None:
            monitor.tell([*stream_metrics(view, outbox), *self._metrics.own()])

    @cached_property
    def _live(self) -> LiveFlow:
        return LiveFlow(
            LivePorts(
                control=self.adapters.control,
                shards=self.adapters.shards,
                senders=self._senders,
                buffer=Buffer(),
                breaker=self._breaker,
                generators=make_generator,
                deal=deal,
                clock=self.clock,
                instance=self.adapters.instance,
                new_id=_new_id,
                config_of=self.configuration.of,
                dead_letters=self._dead_letters,
            )
        )

    @cached_property
    def _control(self) -> ControlFlow:
        return ControlFlow(
            control=self.adapters.control,
            shards=self.adapters.whole_stream,
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
            control=self.adapters.control,
            shards=self.adapters.whole_stream,
            letters=self.adapters.letters,
            census=self._census,
            configuration=self.configuration,
            clock=self.clock,
        )

    @cached_property
    def _census(self) -> Census:
        return Census(control=self.adapters.control, shards=self.adapters.whole_stream)

    @cached_property
    def _outbox(self) -> Outbox:
        return Outbox(
            OutboxPorts(
                outbox=self.adapters.outbox,
                control=self.adapters.control,
                publisher=self.adapters.publisher,
                deliverer=self._deliverer,
                breaker=self._breaker,
                worlds=make_day,
                clock=self.clock,
                instance=self.adapters.instance,
                new_id=_new_id,
                config_of=self.configuration.of,
                evict=self._dead_letters.evict,
                first_day=self.settings.outbox.first_day,
                scale=self.settings.outbox.day_scale,
            ),
            letters=self.adapters.lane_letters,
        )

    @cached_property
    def _dead_letters(self) -> DeadLetterQueue:
        return DeadLetterQueue(census=self._census, letters=self.adapters.letters, new_id=_new_id)

    @cached_property
    def _deliverer(self) -> Deliverer:
        return self._deliverer_through(self.adapters.publisher)

    def _deliverer_through(self, publisher: Publisher) -> Deliverer:
        return Deliverer(publisher=publisher, breaker=self._breaker, clock=self.clock, draw=self._random.random)

    @cached_property
    def _senders(self) -> Senders:
        def make(number: int) -> Sender:
            publisher = self.adapters.make_publisher() if number else self.adapters.publisher
            return Sender(publisher=publisher, deliverer=self._deliverer_through(publisher))

        return Senders(make)

    @cached_property
    def _breaker(self) -> CircuitBreaker:
        return CircuitBreaker(
            store=self.adapters.control,
            clock=self.clock,
            instance=self.adapters.instance,
            new_id=_new_id,
            draw=self._random.random,
        )


def _new_id() -> str:
    return secrets.token_hex(8)
