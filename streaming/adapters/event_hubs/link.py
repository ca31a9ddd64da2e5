"""One partition's connection to the hub, in two makes: over the SDK's inner producer, or over its public client only.

Neither bounds its waiting: the SDK can wait for ever, so ``publisher.py`` puts a timeout around every call, and ends a
link that was interrupted. Errors leave as the SDK raises them; ``errors.py`` reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from streaming.adapters.event_hubs.encoder import encode_batch
from streaming.adapters.event_hubs.sdk import PrebuiltBatch, public_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure.eventhub import EventDataBatch
    from azure.eventhub.aio import EventHubProducerClient

    from streaming.core.event import Event

_POLL_SECONDS: Final = 0.001
"""How long a look for what the hub has sent waits; what has arrived is read without waiting."""
_FRAMES_PER_POLL: Final = 16
_NO_LIMIT: Final = 1 << 32


class Link(Protocol):
    """A sender to one partition. Used by one coroutine at a time."""

    def prepare(self, events: Sequence[Event]) -> EventDataBatch:
        """``events`` encoded as one batch. Needs no connection.

        :raises ValueError: an event can't be encoded.
        """

    async def open(self) -> int:
        """Connect, sign in and attach; return the largest batch that the hub takes, in bytes."""

    async def is_alive(self) -> bool:
        """Read what the hub has sent meanwhile, renew the token if it is due, and tell whether all is well."""

    async def send(self, batch: EventDataBatch) -> None:
        """Send ``batch`` once and wait until the hub has accepted it."""

    async def close(self) -> None:
        """Say goodbye. May wait for the hub."""

    async def abort(self) -> None:
        """Drop what is still open. Safe at any time, also after any of the others was interrupted."""


class PrebuiltLink:
    """Sends bytes that are encoded already through the SDK's producer of one partition.

    ``EventHubProducerClient.send_batch`` would run that same producer twice on any error, and ask ``$management`` for
    the partitions in between: a batch whose acknowledgement was lost would be stored twice by one attempt.
    """

    def __init__(self, client: EventHubProducerClient, *, partition: int) -> None:
        self._partition_id = str(partition)
        self._transport: Any = None
        self._producer: Any = client._create_producer(partition_id=self._partition_id)  # noqa: SLF001 - see sdk.py

    def prepare(self, events: Sequence[Event]) -> EventDataBatch:
        return PrebuiltBatch(encode_batch(events), partition_id=self._partition_id)

    async def open(self) -> int:
        try:
            await self._producer._open()  # noqa: SLF001 - the public send opens too, but then sends at once
        except Exception as error:
            raise self._producer._amqp_transport._create_eventhub_exception(error) from error  # noqa: SLF001 - as send does
        self._transport = self._producer._handler._connection._transport  # noqa: SLF001 - for abort
        return int(self._producer._max_message_size_on_link)  # noqa: SLF001 - what create_batch of the client reads

    async def is_alive(self) -> bool:
        handler = self._producer._handler  # noqa: SLF001 - there is no public view of a link's state
        try:
            # The second look raises what the first one found.
            for _ in range(2):
                await handler._connection.listen(wait=_POLL_SECONDS, batch=_FRAMES_PER_POLL)  # noqa: SLF001 - as above
            while not await handler.client_ready_async():
                pass  # A token is being renewed: each round waits for the answer, for a fifth of a second.
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the answer is a new link
            return False
        return True

    async def send(self, batch: EventDataBatch) -> None:
        await self._producer.send(batch)

    async def close(self) -> None:
        await self._producer.close()

    async def abort(self) -> None:
        """The SDK leaves a socket open when its connection broke, or was interrupted before it had a session."""
        await _abort(self._transport or _transport_of(self._producer._handler))  # noqa: SLF001 - no public way to the socket


class PublicLink:
    """Sends with nothing but the SDK's public interface: slower, and right whatever the SDK's insides are."""

    def __init__(self, client: EventHubProducerClient, *, partition: int) -> None:
        self._client = client
        self._partition_id = str(partition)

    def prepare(self, events: Sequence[Event]) -> EventDataBatch:
        return public_batch(events, partition_id=self._partition_id, max_bytes=_NO_LIMIT)

    async def open(self) -> int:
        batch = await self._client.create_batch(partition_id=self._partition_id)
        return batch.max_size_in_bytes

    async def is_alive(self) -> bool:
        return True  # send_batch connects again by itself

    async def send(self, batch: EventDataBatch) -> None:
        await self._client.send_batch(batch)

    async def close(self) -> None:
        await self._client.close()

    async def abort(self) -> None:
        """Nothing more can be done in public."""


async def read_partition_ids(client: EventHubProducerClient) -> list[str]:
    """Ask ``$management``, over a connection of its own that is gone afterwards, also when this is interrupted.

    ``client`` is used for nothing else.
    """
    handlers: list[Any] = []
    transport: Any = client._amqp_transport  # noqa: SLF001 - what makes the handler that the SDK forgets, as above

    def remember(*args: Any, **kwargs: Any) -> Any:
        handlers.append(transport.create_mgmt_client(*args, **kwargs))
        return handlers[-1]

    remembering = type("Remembering", (transport,), {"create_mgmt_client": staticmethod(remember)})
    client._amqp_transport = remembering  # noqa: SLF001 - as above
    try:
        return await client.get_partition_ids()
    finally:
        for handler in handlers:
            await _abort(_transport_of(handler))


def _transport_of(handler: Any) -> Any:
    """What is under one of the SDK's clients while its connection is open."""
    return getattr(getattr(handler, "_connection", None), "_transport", None)


async def _abort(transport: Any) -> None:
    """Close the socket of one of the SDK's transports, plain or WebSocket."""
    if writer := getattr(transport, "writer", None):
        writer.transport.abort()
    if session := getattr(transport, "session", None):
        await session.close()
