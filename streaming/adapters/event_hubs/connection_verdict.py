"""Judging a connection string without using it: what is wrong or unwise, and what it says. No secret comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.clock import MICROSECONDS, to_iso
from shared.problems import FieldError
from streaming.adapters.event_hubs.connection import (
    CONNECTION_STRING_SETTING,
    EVENT_HUB_SETTING,
    NAMESPACE_SETTING,
    HubConnection,
    read_hub_connection,
)
from streaming.adapters.event_hubs.connection_string import SharedAccessKey, SharedAccessSignature

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_POLICY: Final = "RootManageSharedAccessKey"
_FIELDS: Final[Mapping[str, str]] = {
    CONNECTION_STRING_SETTING: "connection_string",
    NAMESPACE_SETTING: "connection_string",
    EVENT_HUB_SETTING: "event_hub",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HubMetadata:
    """What a connection string says, without its secret."""

    namespace: str
    port: int
    event_hub: str
    authentication: str
    policy: str | None
    expires_at: str | None
    emulator: bool
    transport: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionVerdict:
    """``POST /api/stream/validate-connection``."""

    valid: bool
    errors: list[FieldError]
    warnings: list[str]
    recommendations: list[str]
    metadata: HubMetadata | None


def validate_connection(connection_string: str, *, event_hub: str | None, now_us: int) -> ConnectionVerdict:
    """Judge ``connection_string``, and the hub's name given beside it or in its EntityPath."""
    hub = read_hub_connection({CONNECTION_STRING_SETTING: connection_string, EVENT_HUB_SETTING: event_hub or ""})
    if not isinstance(hub, HubConnection):
        errors = [
            FieldError(field=_FIELDS.get(problem.setting, problem.setting), message=problem.message) for problem in hub
        ]
        return ConnectionVerdict(valid=False, errors=errors, warnings=[], recommendations=[], metadata=None)
    return ConnectionVerdict(
        valid=True,
        errors=[],
        warnings=_warnings(hub, now_us),
        recommendations=_recommendations(hub),
        metadata=_metadata(hub),
    )


def _warnings(hub: HubConnection, now_us: int) -> list[str]:
    found = []
    match hub.credential:
        case SharedAccessKey(policy=policy) if policy == ROOT_POLICY and hub.use_tls:
            found.append(f"{ROOT_POLICY} may manage the whole namespace. Use a policy of the hub that may only Send.")
        case SharedAccessSignature(expires_at=expires_at) if expires_at is not None:
            over = expires_at * MICROSECONDS <= now_us
            found.append(
                "The signature has expired."
                if over
                else f"The signature ends at {to_iso(expires_at * MICROSECONDS)} and can't be renewed here."
            )
        case _:
            pass
    if not hub.use_tls:
        found.append("UseDevelopmentEmulator=true: the connection is not encrypted.")
    return found


def _recommendations(hub: HubConnection) -> list[str]:
    if not hub.use_tls:
        return []
    return [
        (
            "In Azure, prefer an identity to a secret: set EVENTHUB_FULLY_QUALIFIED_NAMESPACE, and give the identity "
            "the role Azure Event Hubs Data Sender."
        ),
        "Check with POST /api/stream/test once it is set: whether it works was not tried.",
    ]


def _metadata(hub: HubConnection) -> HubMetadata:
    credential = hub.credential
    expires_at = credential.expires_at if isinstance(credential, SharedAccessSignature) else None
    is_key = isinstance(credential, SharedAccessKey)
    return HubMetadata(
        namespace=hub.host,
        port=hub.port,
        event_hub=hub.event_hub,
        authentication="shared_access_key" if is_key else "shared_access_signature",
        policy=credential.policy if isinstance(credential, SharedAccessKey) else None,
        expires_at=None if expires_at is None else to_iso(expires_at * MICROSECONDS),
        emulator=not hub.use_tls,
        transport=hub.transport,
    )
