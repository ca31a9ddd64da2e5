"""A local Event Hubs: the real Azure SDKs send to it and receive from it, and it fails on demand."""

from local.event_hubs.broker import EventHubsBroker, PortTaken
from local.event_hubs.config import (
    DEFAULT_HUB,
    DEFAULT_KEY,
    DEFAULT_POLICY,
    BrokerConfig,
    Claim,
    SharedAccessPolicy,
)
from local.event_hubs.faults import Fault, FaultKind
from local.event_hubs.stats import HubReport, PartitionReport, Stats

__all__ = [
    "DEFAULT_HUB",
    "DEFAULT_KEY",
    "DEFAULT_POLICY",
    "BrokerConfig",
    "Claim",
    "EventHubsBroker",
    "Fault",
    "FaultKind",
    "HubReport",
    "PartitionReport",
    "PortTaken",
    "SharedAccessPolicy",
    "Stats",
]
