"""Every table, partition and row key, in one place.

Table ``<prefix>streams``

| partition                       | row                         | what                                                |
|---------------------------------|-----------------------------|-----------------------------------------------------|
| ``stream``                      | ``control|breaker``         | the circuit breaker                                 |
|                                 | ``control|config``          | the configuration keys that were stored             |
|                                 | ``control|session``         | the active session, or the last one                 |
|                                 | ``sessions|<session>``      | the index: every session as of its last write       |
| ``shard|<session>|<slot>``      | ``live|checkpoint|<part>``  | the retail world at the start of the front window   |
|                                 | ``live|cursor``             | the cursor: its ETag guards the whole partition     |
|                                 | ``live|dead-letters``       | what became of dead letters; guards ``dlq|…``       |
|                                 | ``live|recent|<part>``      | the last envelopes sent                             |
|                                 | ``history|<hour mod 48>``   | the minutes of one ended hour                       |
|                                 | ``dlq|<letter>|<part>``     | a dead letter                                       |

Table ``<prefix>outbox``

| partition                       | row                         | what                                                |
|---------------------------------|-----------------------------|-----------------------------------------------------|
| ``timeline``                    | ``checkpoint|<part>``       | the retail world at the timeline's last checkpoint  |
|                                 | ``desk|order``              | the last request to drain                           |
|                                 | ``desk|pulse``              | the sweeper's sign of life                          |
|                                 | ``desk|timeline``           | the timeline: its ETag guards staging               |
|                                 | ``epoch|<session>|<epoch>`` | the index: every epoch that a session ever had      |
| ``shard|<session>|<slot>``      | ``live|cursor``             | a lane's drain head: its ETag guards settling       |
|                                 | ``live|cursor-staged``      | a lane's stage head: its ETag guards staging        |
|                                 | ``page|<page>``             | a page                                              |
|                                 | ``purge|head``              | how far a closed lane's pages have been removed     |
|                                 | dead letters, recent, …     | as in a shard's partition                           |

A shard's ``<slot>`` is its generation times 100 plus its number; a lane's is the epoch's number times 10 000 plus the
lane, so that lanes and shards can be told apart by it. ``<slot>`` has three digits or more, ``<part>`` three,
``<hour mod 48>`` two, ``<epoch>`` six, ``<page>`` ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming.core.history import HISTORY_HOURS


@dataclass(frozen=True, slots=True)
class RowRange:
    """The rows (or partitions) from ``first`` on, up to and without ``beyond``."""

    first: str
    beyond: str


def rows_below(prefix: str) -> RowRange:
    """The rows ``<prefix>|…``. The character after ``|`` is ``}``."""
    return RowRange(first=f"{prefix}|", beyond=f"{prefix}}}")


STREAMS: Final = "streams"
OUTBOX: Final = "outbox"
"""The tables' names, without the prefix (letters and digits, a letter first)."""

STREAM: Final = "stream"
CONTROL: Final = rows_below("control")
BREAKER: Final = "control|breaker"
CONFIG: Final = "control|config"
DISRUPTIONS: Final = "control|disruptions"
SESSION: Final = "control|session"
SESSIONS: Final = rows_below("sessions")

LIVE: Final = rows_below("live")
CHECKPOINT: Final = "live|checkpoint"
CURSOR: Final = "live|cursor"
RESOLVED: Final = "live|dead-letters"
STANDING: Final = RowRange(first=CURSOR, beyond=f"{RESOLVED}!")
"""The cursor and what became of dead letters: neighbours, so that one query brings both and nothing else."""
RECENT: Final = "live|recent"
HISTORY: Final = rows_below("history")
DEAD_LETTERS: Final = rows_below("dlq")

TIMELINE: Final = "timeline"
"""The partition."""
CHECKPOINT_ROW: Final = "checkpoint"
DESK: Final = rows_below("desk")
DESK_ORDER: Final = "desk|order"
DESK_PULSE: Final = "desk|pulse"
DESK_TIMELINE: Final = "desk|timeline"
PURGE: Final = "purge|head"
STAGED: Final = "live|cursor-staged"
"""Between the cursor and what became of dead letters, so that a ``STANDING`` query brings it too."""


def limit_row(name: str) -> str:
    return f"limits|{name}"


def session_row(session_id: str) -> str:
    return f"sessions|{session_id}"


def shard_partition(session_id: str, slot: int) -> str:
    return f"shard|{session_id}|{slot:03d}"


def shard_partitions(session_id: str) -> RowRange:
    """The partitions of all of a session's shards."""
    return rows_below(f"shard|{session_id}")


def hour_row(hour: int) -> str:
    """A ring: an hour takes the row of the one that was ``HISTORY_HOURS`` earlier."""
    return f"history|{hour % HISTORY_HOURS:02d}"


def dead_letter(letter_id: str) -> str:
    return f"dlq|{letter_id}"


def part(row: str, number: int) -> str:
    """One row of something that may need several."""
    return f"{row}|{number:03d}"


def epoch_row(session_id: str, number: int) -> str:
    return f"epoch|{session_id}|{number:06d}"


def page_row(number: int) -> str:
    return f"page|{number:010d}"


def page_rows(first: int, beyond: int) -> RowRange:
    """The pages from ``first`` on, up to and without ``beyond``."""
    return RowRange(first=page_row(first), beyond=page_row(beyond))
