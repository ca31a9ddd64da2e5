"""Every table, partition and row key, in one place.

Table ``<prefix>streams``

| partition                       | row                         | what                                                |
|---------------------------------|-----------------------------|-----------------------------------------------------|
| ``stream``                      | ``control|breaker``         | the circuit breaker                                 |
|                                 | ``control|config``          | the configuration keys that were stored             |
|                                 | ``control|session``         | the active session, or the last one                 |
|                                 | ``sessions|<session>``      | the index: every session as of its last write       |
| ``shard|<session>|<shard>``     | ``live|checkpoint|<part>``  | the retail world at the start of the front window   |
|                                 | ``live|cursor``             | the cursor: its ETag guards the whole partition     |
|                                 | ``live|dead-letters``       | what became of dead letters; guards ``dlq|…``       |
|                                 | ``live|recent|<part>``      | the last envelopes sent                             |
|                                 | ``history|<hour mod 48>``   | the minutes of one ended hour                       |
|                                 | ``dlq|<letter>|<part>``     | a dead letter                                       |

``<shard>`` and ``<part>`` have three digits, ``<hour mod 48>`` two.
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


def streams_table(prefix: str) -> str:
    """The table's name. ``prefix``: letters and digits, a letter first."""
    return f"{prefix}streams"


def session_row(session_id: str) -> str:
    return f"sessions|{session_id}"


def shard_partition(session_id: str, shard: int) -> str:
    return f"shard|{session_id}|{shard:03d}"


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
