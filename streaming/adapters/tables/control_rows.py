"""The stream's own rows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from streaming.adapters.tables import keys
from streaming.adapters.tables.entities import entity, int64, read_text, text_properties
from streaming.core.breaker import BreakerState
from streaming.core.session import Session
from streaming.ports import Control, Versioned
from streaming.retail.disruption import Disruption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streaming.adapters.tables.entities import Entity, Row

T = TypeVar("T")

STARTED_AT: Final = "started_at_us"
"""The property of the index that it is sorted by."""


def session_entities(session: Session) -> list[Entity]:
    """The session's row, and its row in the index."""
    document = session.to_json()
    indexed = _entity(keys.session_row(session.session_id), document)
    return [_entity(keys.SESSION, document), indexed | {STARTED_AT: int64(session.started_at_us)}]


def config_entity(stored: Mapping[str, object]) -> Entity:
    return _entity(keys.CONFIG, stored)


def breaker_entity(state: BreakerState) -> Entity:
    return _entity(keys.BREAKER, state.to_json())


def disruptions_entity(disruptions: Sequence[Disruption]) -> Entity:
    return _entity(keys.DISRUPTIONS, {"disruptions": [disruption.to_json() for disruption in disruptions]})


def read_control(rows: Sequence[Row]) -> Control:
    by_key = {row.key: row for row in rows}
    return Control(
        session=_versioned(by_key.get(keys.SESSION), read_session),
        config=_versioned(by_key.get(keys.CONFIG), _document),
        breaker=_versioned(by_key.get(keys.BREAKER), lambda row: BreakerState.from_json(_document(row))),
        disruptions=_versioned(by_key.get(keys.DISRUPTIONS), lambda row: disruptions_of(_document(row))),
    )


def disruptions_of(document: Mapping[str, Any]) -> tuple[Disruption, ...]:
    return tuple(Disruption.from_json(disruption) for disruption in document["disruptions"])


def read_session(row: Row) -> Session:
    return Session.from_json(_document(row))


def read_session_ids(rows: Sequence[Row]) -> list[str]:
    """Oldest first."""
    oldest_first = sorted(rows, key=lambda row: (row.properties[STARTED_AT], row.key))
    return [row.key.removeprefix(keys.SESSIONS.first) for row in oldest_first]


def _versioned(row: Row | None, read: Callable[[Row], T]) -> Versioned[T] | None:
    return None if row is None else Versioned(value=read(row), version=row.version)


def _entity(row: str, document: Mapping[str, Any]) -> Entity:
    return entity(keys.STREAM, row, text_properties("json", orjson.dumps(document).decode()))


def _document(row: Row) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(read_text(row, "json"))
    return document
