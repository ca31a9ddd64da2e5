"""The parts of ``azure-eventhub`` that are not its public interface, and the check that they still are what they were.

Everything in this module holds for azure-eventhub 5.15.1. ``fast_path_problem`` runs once per process: when a later SDK
differs, the publisher uses the public path and says so, slower and correct.
"""

from __future__ import annotations

from functools import cache
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Final

from azure.eventhub import EventData, EventDataBatch
from azure.eventhub.aio import EventHubProducerClient

from streaming.adapters.event_hubs.encoder import (
    CONTENT_TYPE,
    ROUTING_PROPERTIES,
    TABLE_PROPERTY,
    EncodedBatch,
    encode_batch,
    encoded_size,
)
from streaming.core.event import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

BATCH_MESSAGE_FORMAT: Final = 0x80013700
DATA_SECTIONS: Final = 5
"""Where the SDK's message tuple keeps its data sections."""


class _SectionRun(bytes):
    """The content of the first data section and, behind it, all further sections, whole.

    The SDK writes a section's header from ``len(content)`` and then the content's bytes. This content says the length
    of the first section's only, and its bytes go on: so the SDK writes one header, for one section, and one call of
    ``bytearray.extend`` (which takes the real buffer) copies the rest of the batch.
    """

    _first_content_bytes: int

    @classmethod
    def of(cls, batch: EncodedBatch) -> Self:
        run = cls(memoryview(batch.sections)[batch.first_opening_bytes :])
        run._first_content_bytes = batch.first_content_bytes
        return run

    def __len__(self) -> int:
        return self._first_content_bytes


class PrebuiltBatch(EventDataBatch):
    """A batch as the SDK sends it, made of bytes that are encoded already. Nothing can be added to it."""

    def __init__(self, batch: EncodedBatch, *, partition_id: str) -> None:
        super().__init__(partition_id=partition_id)
        self._message[DATA_SECTIONS].append(_SectionRun.of(batch))
        self._count = batch.event_count
        self._size = len(batch.sections)


def public_event(event: Event) -> EventData:
    """``event`` as the SDK's documented path takes it: what the fast path must equal, and what replaces it."""
    data = EventData(event.body)
    data.content_type = CONTENT_TYPE
    data.message_id = event.trace_id
    data.properties.update({TABLE_PROPERTY: event.event_type, **ROUTING_PROPERTIES})
    return data


def public_batch(events: Sequence[Event], *, partition_id: str, max_bytes: int) -> EventDataBatch:
    """``events`` in a batch of the SDK's own making.

    :raises ValueError: they exceed ``max_bytes``.
    """
    batch = EventDataBatch(max_size_in_bytes=max_bytes, partition_id=partition_id)
    for event in events:
        batch.add(public_event(event))
    return batch


def wire_bytes(batch: EventDataBatch) -> bytes:
    """What the SDK's sender link would put into transfer frames for ``batch``."""
    from azure.eventhub._pyamqp._encode import encode_payload  # noqa: PLC0415 - a private name, wanted by the check only

    output = bytearray()
    encode_payload(output, batch._message)  # noqa: SLF001 - what the sender link passes
    return bytes(output)


_SAMPLE = (
    Event("receipt_created", "trace-1", "store_1", b'{"short":true}'),
    Event("ble_ping_detected", "t\u00e9-" + "2" * 300, "store_2", b'{"long":"' + b"x" * 70_000 + b'"}'),
    Event("store_opened", "trace-3", "store_3", b'{"middle":"' + b"y" * 300 + b'"}'),
)
"""Each of AMQP's width changes, on the first event of a batch and behind it."""


@cache
def fast_path_problem() -> str | None:
    """Why the installed SDK can't be handed prebuilt batches, or None when it can. Takes about 10 ms, once."""
    try:
        for events in (_SAMPLE, _SAMPLE[1:], _SAMPLE[2:], _SAMPLE[:1]):
            prebuilt = PrebuiltBatch(encode_batch(events), partition_id="0")
            if wire_bytes(prebuilt) != (expected := wire_bytes(_untraced_batch(events))):
                return "the SDK encodes a batch differently"
            if {prebuilt.size_in_bytes, sum(map(encoded_size, events))} != {len(expected)}:
                return "the SDK counts the size of a batch differently"
            if len(prebuilt) != len(events) or prebuilt._message._code != BATCH_MESSAGE_FORMAT:  # noqa: SLF001 - the link reads it
                return "the SDK describes a batch differently"
        return _missing_internals()
    except Exception as error:  # noqa: BLE001 - whatever an unknown SDK raises means the same: not this way
        return f"the SDK's internals have changed ({type(error).__name__}: {error})"


def _untraced_batch(events: Sequence[Event]) -> EventDataBatch:
    """What ``EventDataBatch.add`` makes of ``events``, less the trace headers that it adds where tracing is on."""
    from azure.eventhub._utils import transform_outbound_single_message  # noqa: PLC0415 - private, as in wire_bytes

    batch = EventDataBatch(partition_id="0")
    transport = batch._amqp_transport  # noqa: SLF001 - as add does
    for data in map(public_event, events):
        outgoing = transform_outbound_single_message(data, EventData, transport.to_outgoing_amqp_message)
        transport.add_batch(batch, outgoing, data)
    return batch


def _missing_internals() -> str | None:
    from azure.eventhub.aio._producer_async import EventHubProducer  # noqa: PLC0415 - a private name, checked here
    from azure.eventhub.aio._transport import _pyamqp_transport_async as transport  # noqa: PLC0415 - likewise

    wanted = {
        "EventHubProducerClient._create_producer": callable(getattr(EventHubProducerClient, "_create_producer", None)),
        "PyamqpTransportAsync._create_eventhub_exception": callable(
            getattr(transport.PyamqpTransportAsync, "_create_eventhub_exception", None)
        ),
        "PyamqpTransportAsync.create_mgmt_client": callable(
            getattr(transport.PyamqpTransportAsync, "create_mgmt_client", None)
        ),
        "EventHubProducer._open": iscoroutinefunction(getattr(EventHubProducer, "_open", None)),
        "EventHubProducer.send": iscoroutinefunction(getattr(EventHubProducer, "send", None)),
        "EventHubProducer.close": iscoroutinefunction(getattr(EventHubProducer, "close", None)),
    }
    missing = [name for name, present in wanted.items() if not present]
    return f"the SDK no longer has {', '.join(missing)}" if missing else None
