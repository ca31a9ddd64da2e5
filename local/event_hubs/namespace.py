"""The namespace: its hubs, policies, faults and counters. It knows nothing of connections."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from local.event_hubs.faults import FaultKind, Faults
from local.event_hubs.receivers import Receivers
from local.event_hubs.storage import Hub, Partition

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.event_hubs.config import BrokerConfig


_UNKNOWN_HUB: Final = frozenset({FaultKind.UNKNOWN_HUB})


@dataclass(slots=True, kw_only=True)
class NamespaceStats:
    """Counted since the broker started, except what is open now."""

    connections: int = 0
    connections_open: int = 0
    links: int = 0
    links_open: int = 0
    tokens_refused: int = 0


class Namespace:
    """Everything that connections share."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        now: Callable[[], float],
        faults_changed: Callable[[], None] = lambda: None,
    ) -> None:
        """``now`` is in seconds since 1970."""
        self.config = config
        self.now = now
        self.stats = NamespaceStats()
        self.faults = Faults(now=now, dice=Random(config.fault_seed), changed=faults_changed)  # noqa: S311  dice of tests
        self.receivers = Receivers(max_without_epoch=config.max_receivers_per_group)
        share = config.retention_bytes // sum(config.hubs.values())
        self._hubs = {
            name: Hub(
                name,
                tuple(
                    Partition(
                        str(number),
                        max_bytes=share,
                        max_messages=config.retention_messages,
                        now_ms=self.now_ms,
                    )
                    for number in range(partitions)
                ),
                created_ms=self.now_ms(),
            )
            for name, partitions in config.hubs.items()
        }

    @property
    def hubs(self) -> tuple[Hub, ...]:
        """All hubs."""
        return tuple(self._hubs.values())

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self.now() * 1000)

    def hub(self, name: str) -> Hub | None:
        """The hub of this name, or None."""
        return self._hubs.get(name)

    def hides(self, hub: str) -> bool:
        """Whether a fault makes this hub unknown right now; counts as one strike."""
        return self.faults.strike(_UNKNOWN_HUB, hub=hub) is not None

    def throttles(self, hub: str) -> bool:
        """Whether this hub answers everything with server-busy, until that is switched off; counts as no strike."""
        return any(
            fault.kind is FaultKind.SERVER_BUSY
            and fault.hub in {None, hub}
            and (fault.partition, fault.count, fault.probability) == (None, None, 1.0)
            for fault in (active.fault for active in self.faults.in_force())
        )
