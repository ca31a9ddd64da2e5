"""What the broker has counted, as plain records that become JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.event_hubs.namespace import Namespace
    from local.event_hubs.storage import Hub, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionReport:
    """One partition. The counters run since the broker started; the sequence numbers tell what is still there."""

    id: str
    messages: int
    batches: int
    bytes: int
    throttled: int
    dropped: int
    retained_bytes: int
    first_sequence_number: int
    last_sequence_number: int
    last_offset: str
    last_enqueued_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubReport:
    """One hub: sums over its partitions, and each of them."""

    name: str
    messages: int
    batches: int
    bytes: int
    throttled: int
    dropped: int
    partitions: tuple[PartitionReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The whole broker."""

    connections: int
    connections_open: int
    links: int
    links_open: int
    tokens_refused: int
    hubs: tuple[HubReport, ...]

    def hub(self, name: str) -> HubReport:
        """The hub of this name. Raises KeyError when there is none."""
        return {hub.name: hub for hub in self.hubs}[name]


def stats_of(namespace: Namespace) -> Stats:
    """Everything counted so far."""
    return Stats(**asdict(namespace.stats), hubs=tuple(hub_report(hub) for hub in namespace.hubs))


def hub_report(hub: Hub) -> HubReport:
    """One hub's counts."""
    partitions = tuple(_partition_report(partition) for partition in hub.partitions)
    return HubReport(
        name=hub.name,
        messages=sum(partition.messages for partition in partitions),
        batches=sum(partition.batches for partition in partitions),
        bytes=sum(partition.bytes for partition in partitions),
        throttled=sum(partition.throttled for partition in partitions),
        dropped=sum(partition.dropped for partition in partitions),
        partitions=partitions,
    )


def _partition_report(partition: Partition) -> PartitionReport:
    return PartitionReport(
        id=partition.id,
        **asdict(partition.stats),
        retained_bytes=partition.retained_bytes,
        first_sequence_number=partition.first_sequence,
        last_sequence_number=partition.next_sequence - 1,
        last_offset=partition.last_offset,
        last_enqueued_ms=partition.last_enqueued_ms,
    )
