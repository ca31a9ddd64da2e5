"""What a broker is made of: hubs, shared-access policies, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_HUB: Final = "retail-events"
DEFAULT_PARTITIONS: Final = 4
DEFAULT_POLICY: Final = "RootManageSharedAccessKey"
DEFAULT_KEY: Final = "SAS_KEY_VALUE"
"""No secret: the value that Microsoft's emulator documents, so that its connection strings work here."""


class Claim(StrEnum):
    """What a shared-access policy permits."""

    SEND = "Send"
    LISTEN = "Listen"
    MANAGE = "Manage"


ALL_CLAIMS: Final = frozenset(Claim)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAccessPolicy:
    """A named key of the namespace."""

    key: str
    claims: frozenset[Claim] = ALL_CLAIMS


def _default_hubs() -> Mapping[str, int]:
    return {DEFAULT_HUB: DEFAULT_PARTITIONS}


def _default_policies() -> Mapping[str, SharedAccessPolicy]:
    return {DEFAULT_POLICY: SharedAccessPolicy(key=DEFAULT_KEY)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Everything a broker can be told. Raises ValueError for what can't work."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    control_port: int = 0
    hubs: Mapping[str, int] = field(default_factory=_default_hubs)
    """Name to number of partitions."""
    policies: Mapping[str, SharedAccessPolicy] = field(default_factory=_default_policies)
    retention_bytes: int = 256 * 1024 * 1024
    """Memory for events, of all hubs together; shared equally by their partitions."""
    retention_messages: int | None = None
    """How many events a partition keeps, besides."""
    max_message_bytes: int = 1024 * 1024
    max_receivers_per_group: int = 5
    """Receivers without an epoch that may read one partition in one consumer group."""
    idle_timeout_seconds: float | None = 240.0
    """A connection that is silent for so long is dropped, as Azure does. None never drops one."""
    fault_seed: int = 0
    """Seeds the dice of faults that have a probability."""

    def __post_init__(self) -> None:
        if not self.hubs:
            raise ValueError("a broker needs at least one hub")
        for name, partitions in self.hubs.items():
            if not name or "/" in name or name.startswith("$"):
                raise ValueError(f"{name!r} can't be the name of a hub")
            if not 1 <= partitions <= 1024:  # noqa: PLR2004  what a dedicated cluster allows
                raise ValueError(f"hub {name} needs 1 to 1024 partitions, not {partitions}")
        for port in (self.port, self.control_port):
            if not 0 <= port <= 65535:  # noqa: PLR2004  what TCP has
                raise ValueError(f"{port} is no port: they go from 0 (any free one) to 65535")
        if min(self.retention_bytes, self.max_message_bytes) < 1:
            raise ValueError("retention_bytes and max_message_bytes must be positive")
