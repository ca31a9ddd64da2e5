"""One retail event, ready to be sent: the smallest unit that every flow hands on."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """An event with its envelope already encoded.

    A named tuple, because millions are made: creation is the cheapest of all record types, and it is immutable.
    """

    event_type: str
    """One of the eighteen types; also the AMQP application property ``Table``."""
    trace_id: str
    """Unique and deterministic; also the AMQP ``message_id``."""
    partition_key: str
    """Such as ``store_42`` or ``dc_3``; never a bare number. All events of one key share a lane, in order."""
    body: bytes
    """The JSON envelope, UTF-8, exactly as consumers read it."""
