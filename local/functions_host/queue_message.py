"""Queue messages, between storage and the datums of the Functions library."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azure.functions.meta import Datum

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage

POISON_SUFFIX = "-poison"
_LONGEST_QUEUE_NAME = 63
_LARGEST_MESSAGE_BYTES = 64 * 1024


class UndecodableMessageError(Exception):
    """The content is not what the queue's encoding promises."""


def poison_queue_of(queue: str) -> str | None:
    """Where given-up messages of ``queue`` go; None for poison queues and when the name would be too long."""
    name = queue + POISON_SUFFIX
    return None if queue.endswith(POISON_SUFFIX) or len(name) > _LONGEST_QUEUE_NAME else name


def encode_content(content: bytes, *, base64_encoded: bool) -> str:
    """Raises ValueError for more than storage takes, and for bytes that are no text in a queue without base64."""
    text = base64.b64encode(content).decode() if base64_encoded else content.decode()
    if len(text.encode()) > _LARGEST_MESSAGE_BYTES:
        raise ValueError(f"a queue message of {len(content)} bytes: 64 KB are the most, encoded")
    return text


def message_datum(content: str, *, base64_encoded: bool) -> Datum:
    """A string datum where the content is text, else bytes. Raises UndecodableMessageError."""
    if not base64_encoded:
        return Datum(content, "string")
    try:
        decoded = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableMessageError(str(error)) from error
    try:
        return Datum(decoded.decode(), "string")
    except UnicodeDecodeError:
        return Datum(decoded, "bytes")


def message_metadata(message: QueueMessage) -> dict[str, Datum]:
    """The trigger metadata of a received message."""
    return _metadata(
        id=message.id,
        dequeue_count=message.dequeue_count or 1,
        pop_receipt=message.pop_receipt or "",
        inserted=message.inserted_on,
        expires=message.expires_on,
        next_visible=message.next_visible_on,
    )


def manual_message_metadata() -> dict[str, Datum]:
    """The trigger metadata of a message that never was in a queue."""
    now = datetime.now(UTC)
    return _metadata(id="manual", dequeue_count=1, pop_receipt="", inserted=now, expires=now, next_visible=now)


def output_contents(output: Datum) -> list[bytes]:
    """The messages that one queue output stands for.

    Text and bytes are one message, a list is one message an item; a QueueMessage is its body.
    """
    if output.value is None:
        return []
    if output.type != "json":
        return [_content(output.value)]
    content = json.loads(output.value)
    return [_content(item) for item in (content if isinstance(content, list) else [content])]


def _content(item: Any) -> bytes:
    match item:
        case bytes():
            return item
        case str():
            return item.encode()
        case {"id": _, "body": str(body), **others} if not others:
            return body.encode()
    return json.dumps(item).encode()


def _metadata(
    *,
    id: str,  # noqa: A002  the message's own name for it
    dequeue_count: int,
    pop_receipt: str,
    inserted: datetime | None,
    expires: datetime | None,
    next_visible: datetime | None,
) -> dict[str, Datum]:
    metadata = {
        "Id": Datum(id, "string"),
        "DequeueCount": Datum(json.dumps(dequeue_count), "json"),
        "PopReceipt": Datum(pop_receipt, "string"),
    }
    for name, instant in (
        ("InsertionTime", inserted),
        ("ExpirationTime", expires),
        ("NextVisibleTime", next_visible),
    ):
        if instant is not None:
            metadata[name] = Datum(json.dumps(instant.isoformat()), "json")
    return metadata
