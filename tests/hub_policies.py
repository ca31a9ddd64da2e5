"""Policies of a local hub that may do different things, and signatures by the one that may do everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.eventhub._pyamqp.utils import generate_sas_token

from local.event_hubs import DEFAULT_HUB, DEFAULT_KEY, DEFAULT_POLICY, Claim, SharedAccessPolicy

if TYPE_CHECKING:
    from local.event_hubs import EventHubsBroker

POLICIES = {
    DEFAULT_POLICY: SharedAccessPolicy(key=DEFAULT_KEY),
    "listener": SharedAccessPolicy(key=DEFAULT_KEY, claims=frozenset({Claim.LISTEN})),
    "sender": SharedAccessPolicy(key=DEFAULT_KEY, claims=frozenset({Claim.SEND})),
}


def signed(broker: EventHubsBroker, *, expires_at: int) -> str:
    """A connection string that holds a signature for the default hub."""
    audience = f"sb://localhost:{broker.port}/{DEFAULT_HUB}"
    token = generate_sas_token(audience, DEFAULT_POLICY, DEFAULT_KEY, expires_at)  # type: ignore[no-untyped-call] # the SDK's
    return f"Endpoint=sb://localhost:{broker.port};SharedAccessSignature={token};UseDevelopmentEmulator=true"
