"""Whether events could be sent now; and if not, why, in words that a person can act on. Sends no event."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from shared.redaction import redact
from streaming.adapters.event_hubs.connection import NOT_SET, HubConnection
from streaming.adapters.event_hubs.connection_string import SharedAccessSignature
from streaming.adapters.event_hubs.publisher import EventHubsPublisher
from streaming.core.outcome import GUIDE, ErrorCategory, SendFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.settings import SettingProblem


class ConnectionReason(StrEnum):
    """What a connection check found: a public contract."""

    OK = "ok"
    NOT_CONFIGURED = "not_configured"
    MALFORMED_SETTING = "malformed_setting"
    NAME_NOT_RESOLVED = "name_not_resolved"
    NOTHING_LISTENING = "nothing_listening"
    NO_ANSWER = "no_answer"
    CONNECTION_LOST = "connection_lost"
    AUTHENTICATION_FAILED = "authentication_failed"
    SIGNATURE_EXPIRED = "signature_expired"
    NOT_ALLOWED_TO_SEND = "not_allowed_to_send"
    HUB_NOT_FOUND = "hub_not_found"
    THROTTLED = "throttled"
    QUOTA_EXCEEDED = "quota_exceeded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """The answer of ``check_connection``. Holds no secret."""

    success: bool
    reason: ConnectionReason
    message: str
    """What was found and what to do."""
    response_time_ms: int
    namespace: str | None
    event_hub: str | None
    partition_count: int | None
    """None when it could not be told; a policy that may send need not be allowed to ask."""


_REASON_OF_CATEGORY: Final[Mapping[ErrorCategory, ConnectionReason]] = {
    ErrorCategory.CONNECTION_TIMEOUT: ConnectionReason.NO_ANSWER,
    ErrorCategory.CONNECTION_ERROR: ConnectionReason.CONNECTION_LOST,
    ErrorCategory.THROTTLING: ConnectionReason.THROTTLED,
    ErrorCategory.AUTHENTICATION: ConnectionReason.AUTHENTICATION_FAILED,
    ErrorCategory.AUTHORIZATION: ConnectionReason.NOT_ALLOWED_TO_SEND,
    ErrorCategory.NOT_FOUND: ConnectionReason.HUB_NOT_FOUND,
    ErrorCategory.QUOTA_EXCEEDED: ConnectionReason.QUOTA_EXCEEDED,
}
_TELLING: Final = frozenset({ErrorCategory.THROTTLING, ErrorCategory.QUOTA_EXCEEDED})
"""What the question for the partitions reveals even after a sender was attached."""
_SHARE_OF_TRYING: Final = 0.65
"""The rest of the time is for closing what hangs."""


async def check_connection(
    hub: HubConnection | tuple[SettingProblem, ...], *, timeout_seconds: float = 10.0
) -> ConnectionReport:
    """Try ``hub`` step by step, the first obstacle decides; or say what is wrong with the settings.

    Resolves the name, connects, signs in, attaches a sender (which proves the right to send), asks for the partitions.
    Returns within ``timeout_seconds``; never raises for anything that hub or network did.
    """
    started = time.monotonic()
    finding, partitions = (
        await _try(hub, started + timeout_seconds * _SHARE_OF_TRYING)
        if isinstance(hub, HubConnection)
        else (_of_problems(hub), None)
    )
    known = hub if isinstance(hub, HubConnection) else None
    return ConnectionReport(
        success=finding.reason is ConnectionReason.OK,
        reason=finding.reason,
        message=finding.message,
        response_time_ms=round((time.monotonic() - started) * 1000),
        namespace=known.host if known else None,
        event_hub=known.event_hub if known else None,
        partition_count=partitions,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    reason: ConnectionReason
    message: str


def _of_problems(problems: tuple[SettingProblem, ...]) -> _Finding:
    all_missing = all(problem.message.startswith(NOT_SET) for problem in problems)
    return _Finding(
        reason=ConnectionReason.NOT_CONFIGURED if all_missing else ConnectionReason.MALFORMED_SETTING,
        message=redact(" ".join(f"{problem.setting} {problem.message}" for problem in problems)),
    )


async def _try(hub: HubConnection, deadline: float) -> tuple[_Finding, int | None]:
    if (obstacle := await _reach(hub, deadline)) is not None:
        return obstacle, None
    publisher = EventHubsPublisher(hub)
    try:
        connected = await publisher.connect(timeout_seconds=_left(deadline))
        if isinstance(connected, SendFailed):
            return _of_failure(hub, connected), None
        partitions = await publisher.partition_count(timeout_seconds=_left(deadline))
        if isinstance(partitions, int):
            message = f"Events can be sent to {hub.event_hub}, which has {partitions} partitions."
            return _Finding(reason=ConnectionReason.OK, message=message), partitions
        if partitions.category in _TELLING:
            return _of_failure(hub, partitions), None
        message = f"Events can be sent to {hub.event_hub}. Its partitions could not be read: {partitions.detail}"
        return _Finding(reason=ConnectionReason.OK, message=message), None
    finally:
        await publisher.close()


async def _reach(hub: HubConnection, deadline: float) -> _Finding | None:
    """What is in the way of a TCP connection to the hub, or to the proxy that leads there."""
    host, port = (hub.proxy.host, hub.proxy.port) if hub.proxy else (hub.host, hub.port)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_left(deadline)):
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            _, writer = await asyncio.open_connection(host, port)
    except socket.gaierror:
        message = f"The name {host} can't be resolved. Check the namespace's name, and DNS."
        return _Finding(reason=ConnectionReason.NAME_NOT_RESOLVED, message=message)
    except TimeoutError:
        message = f"{host}:{port} does not answer. Check the firewall, or use EVENTHUB_TRANSPORT=websocket (port 443)."
        return _Finding(reason=ConnectionReason.NO_ANSWER, message=message)
    except OSError as error:
        message = (
            f"Nothing accepts connections at {host}:{port} ({error.strerror or error}). Check host, port, firewall."
        )
        return _Finding(reason=ConnectionReason.NOTHING_LISTENING, message=message)
    writer.transport.abort()
    return None


def _of_failure(hub: HubConnection, failure: SendFailed) -> _Finding:
    reason = _REASON_OF_CATEGORY.get(failure.category, ConnectionReason.UNKNOWN)
    guide = GUIDE[failure.category]
    advice = guide.advice
    if reason is ConnectionReason.AUTHENTICATION_FAILED and _signature_is_over(hub):
        reason = ConnectionReason.SIGNATURE_EXPIRED
        advice = "The shared access signature has expired. Make a new one and set AZURE_EVENTHUB_CONNECTION_STRING."
    return _Finding(reason=reason, message=f"{guide.phrase}. {advice} ({failure.detail})")


def _signature_is_over(hub: HubConnection) -> bool:
    credential = hub.credential
    if not isinstance(credential, SharedAccessSignature) or credential.expires_at is None:
        return False
    return credential.expires_at <= time.time()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.05)
