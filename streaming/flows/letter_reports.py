"""The shapes in which dead letters are shown: a public contract. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import orjson

from shared.clock import to_iso
from streaming.core.outcome import GUIDE
from streaming.flows.dead_letters import Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streaming.flows.dead_letters import Entry, Page

_POSITION_PARTS = (str, int, str, int)


def page(found: Page) -> dict[str, Any]:
    """``GET /api/stream/dlq``."""
    return {
        "events": [entry(each) for each in found.entries],
        "count": found.count,
        "continuation": None if found.next is None else continuation(found.next),
    }


def json_lines(entries: Iterable[Entry]) -> bytes:
    """``GET /api/stream/dlq/export``: an entry a line."""
    return b"".join(orjson.dumps(entry(each)) + b"\n" for each in entries)


def entry(found: Entry) -> dict[str, Any]:
    """One event of the queue; what is said of failures concerns the letter that it is in."""
    event, letter = found
    return {
        "event": _envelope(event.body),
        "error": GUIDE[letter.category].phrase,
        "error_category": letter.category,
        "error_detail": letter.detail,
        "what_to_do": GUIDE[letter.category].advice,
        "timestamp": to_iso(letter.last_failure_us),
        "first_failure": to_iso(letter.first_failure_us or letter.last_failure_us),
        "last_failure": to_iso(letter.last_failure_us),
        "retry_count": letter.retry_count,
        "redrives": letter.redrives,
        "exhausted": letter.is_exhausted,
        "history": [
            {
                "timestamp": to_iso(failure.at_us),
                "error": GUIDE[failure.category].phrase,
                "error_category": failure.category,
                "error_detail": failure.detail,
                "attempts": failure.attempts,
            }
            for failure in letter.history
        ],
        "session_id": letter.session_id,
        "shard": letter.shard,
        "lane": letter.lane,
        "batch": letter.letter_id,
        "window": letter.window,
        "first_burst": letter.first_burst,
        "last_burst": letter.last_burst,
    }


def continuation(position: Position) -> str:
    """Where a page ended, as clients hand it back."""
    return base64.urlsafe_b64encode(orjson.dumps(list(position))).decode().rstrip("=")


def read_continuation(text: str) -> Position | None:
    """What ``continuation`` wrote; None for anything else."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return None
    if not isinstance(parts, list) or tuple(map(type, parts)) != _POSITION_PARTS:
        return None
    return Position(*parts)


def _envelope(body: bytes) -> Any:
    """The envelope; as text where it is no JSON: that may be just why it could not be sent."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
