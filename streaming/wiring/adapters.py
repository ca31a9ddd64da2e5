"""Settings → adapters: all that touches the outside, each part made on first use."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from functools import cached_property
from typing import TYPE_CHECKING

from shared import telemetry
from shared.clock import SystemClock
from shared.redaction import REDACTED, keep, secrets_of
from shared.settings import SettingProblem, read_settings
from shared.tracing import NO_TRACES
from streaming.adapters.event_hubs.connection import HubConnection, read_hub_connection
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
from streaming.flows.send_latency import LatencyHistogram, TimedPublisher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.tracing import Traces
    from streaming.adapters.azure_monitor import AzureMonitor
    from streaming.ports import Publisher

logger = logging.getLogger(__name__)


class SettingsError(Exception):
    """Settings are missing or malformed; the message names each of them and says what to do."""


class Adapters:
    """One process's. None needs the network to be made; what needs storage raises ``SettingsError`` without any."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        keep(secrets_of(environment))
        self.settings = read_settings(environment)
        self.clock = SystemClock()
        self.instance = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        hub = read_hub_connection(environment)
        self.hub = hub if isinstance(hub, HubConnection) else None
        self.hub_problems: tuple[SettingProblem, ...] = () if isinstance(hub, HubConnection) else hub
        self.hub_name = self.hub.event_hub if self.hub else environment.get("EVENTHUB_NAME") or None
        self.redacted_connection_string = REDACTED if environment.get("AZURE_EVENTHUB_CONNECTION_STRING") else None
        self.send_latency = LatencyHistogram()
        self._role = environment.get("WEBSITE_SITE_NAME") or "retail-stream"

    @cached_property
    def monitor(self) -> AzureMonitor | None:
        """Application Insights, where it is configured."""
        if self.settings.application_insights is None:
            return None
        from streaming.adapters import azure_monitor  # noqa: PLC0415 - 70 ms that only those pay who want it

        try:
            return azure_monitor.connect(
                self.settings.application_insights, role=self._role, instance=self.instance, clock=self.clock
            )
        except ValueError as error:  # The exporter is pickier than the settings. A stream is worth more than its spans.
            telemetry.error(logger, "telemetry_unavailable", detail=str(error))
            return None

    @property
    def traces(self) -> Traces:
        """Where invocations leave their spans."""
        return self.monitor or NO_TRACES

    @cached_property
    def publisher(self) -> Publisher:
        """The process's first."""
        return self.make_publisher()

    def make_publisher(self) -> Publisher:
        """One with links of its own."""
        if self.hub is None:
            return UnconfiguredPublisher(self.hub_problems)
        return TimedPublisher(
            EventHubsPublisher(self.hub), clock=self.clock, histogram=self.send_latency, traces=self.traces
        )

    @cached_property
    def control(self) -> TableControlStore:
        """The stream's own rows."""
        return TableControlStore(self.tables)

    @cached_property
    def shards(self) -> TableShardStore:
        """The live shards."""
        if self.monitor is None:
            return TableShardStore(self.tables)
        return TracedShardStore(self.tables, traces=self.monitor, clock=self.clock)

    @cached_property
    def outbox(self) -> TableOutboxStore:
        """The outbox."""
        return TableOutboxStore(self.outbox_tables)

    @cached_property
    def whole_stream(self) -> WholeStream:
        """Live shards and lanes of the outbox alike, for those who look."""
        return WholeStream(live=self.shards, outbox=self.outbox)

    @cached_property
    def lane_letters(self) -> LaneLetterStore:
        """The dead letters of the outbox's lanes."""
        return LaneLetterStore(self.outbox_tables, self.outbox)

    @cached_property
    def letters(self) -> WholeDeadLetters:
        """All dead letters."""
        return WholeDeadLetters(live=TableDeadLetterStore(self.tables), lanes=self.lane_letters)

    @cached_property
    def rate_limits(self) -> TableRateLimitStore:
        """When limited calls were allowed."""
        return TableRateLimitStore(self.tables)

    @cached_property
    def tables(self) -> TablesClient:
        """The streams' table."""
        self._check_storage()
        return TablesClient(self.settings)

    @cached_property
    def outbox_tables(self) -> TablesClient:
        """The outbox's table."""
        self._check_storage()
        return TablesClient(self.settings, table=OUTBOX)

    def _check_storage(self) -> None:
        problems = [problem for problem in self.settings.problems if problem.setting == "AzureWebJobsStorage"]
        if problems:
            raise SettingsError(" ".join(f"{problem.setting} {problem.message}" for problem in problems))
