"""A ``HubConnection`` as the SDK's client. Making one connects to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from azure.eventhub import TransportType
from azure.eventhub.aio import EventHubProducerClient

from streaming.adapters.event_hubs.connection import Identity
from streaming.adapters.event_hubs.connection_string import SharedAccessSignature

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from streaming.adapters.event_hubs.connection import HubConnection

USER_AGENT: Final = "retail-stream"
_ONE_ATTEMPT: Final = {"retry_total": 0, "retry_backoff_factor": 0.0}
"""The SDK neither sends again nor sleeps: retrying is decided above, where it is bounded and counted."""


def make_token_credential(hub: HubConnection) -> AsyncTokenCredential | None:
    """What signs in with an identity, to be kept (it caches tokens) and closed; None where a key or signature does."""
    identity = hub.credential
    if not isinstance(identity, Identity):
        return None
    # Imported here: it costs 140 ms that a connection string does not need.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415 - see above

    if identity.managed:
        return ManagedIdentityCredential(client_id=identity.client_id)
    return DefaultAzureCredential(authority=identity.authority, managed_identity_client_id=identity.client_id)


def make_producer_client(hub: HubConnection, token_credential: AsyncTokenCredential | None) -> EventHubProducerClient:
    """A client whose operations are attempted once."""
    options = _ONE_ATTEMPT | _transport_options(hub) | {"user_agent": USER_AGENT}
    if token_credential is not None:
        return EventHubProducerClient(
            fully_qualified_namespace=hub.host,
            eventhub_name=hub.event_hub,
            credential=token_credential,
            **options,
        )
    return EventHubProducerClient.from_connection_string(connection_string(hub), **options)


def connection_string(hub: HubConnection) -> str:
    """``hub`` written the one way that the SDK always reads right (``true`` in lower case, for example)."""
    # The SDK takes a port from here only without TLS; with TLS it comes from the custom endpoint, below.
    address = hub.host if hub.use_tls else f"{hub.host}:{hub.port}"
    credential = hub.credential
    if isinstance(credential, Identity):
        raise TypeError("An identity has no connection string.")
    if isinstance(credential, SharedAccessSignature):
        secret = f"SharedAccessSignature={credential.token}"
    else:
        secret = f"SharedAccessKeyName={credential.policy};SharedAccessKey={credential.key}"
    emulator = "" if hub.use_tls else ";UseDevelopmentEmulator=true"
    return f"Endpoint=sb://{address}/;{secret};EntityPath={hub.event_hub}{emulator}"


def _transport_options(hub: HubConnection) -> dict[str, Any]:
    websocket = hub.transport == "websocket"
    options: dict[str, Any] = {"transport_type": TransportType.AmqpOverWebsocket if websocket else TransportType.Amqp}
    if hub.port != hub.default_port and (websocket or hub.use_tls):
        options["custom_endpoint_address"] = f"sb://{hub.host}:{hub.port}"
    if hub.proxy is not None:
        # The asynchronous transport hands this to aiohttp, which wants the scheme that the synchronous one does not.
        options["http_proxy"] = {
            "proxy_hostname": f"http://{hub.proxy.host}",
            "proxy_port": hub.proxy.port,
            "username": hub.proxy.username,
            "password": hub.proxy.password,
        }
    return options
