"""The ``ControlStore`` port on Azure Table Storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.adapters.tables.client import CALL_SECONDS, bounded
from streaming.adapters.tables.control_rows import (
    STARTED_AT,
    breaker_entity,
    config_entity,
    disruptions_entity,
    read_control,
    read_session,
    read_session_ids,
    session_entities,
)
from streaming.adapters.tables.keys import CONTROL, SESSIONS, STREAM, session_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streaming.adapters.tables.client import TablesClient
    from streaming.adapters.tables.entities import Entity
    from streaming.core.breaker import BreakerState
    from streaming.core.session import Session
    from streaming.ports import Control
    from streaming.retail.disruption import Disruption


class TableControlStore:
    """The stream's rows, in one partition.

    After ``StorageUnavailableError`` from a save its effect is unknown: read again. No save is repeated in here, so a
    ``ConflictError`` is always somebody else's doing.
    """

    def __init__(self, tables: TablesClient) -> None:
        self._tables = tables

    @property
    def round_trips(self) -> int:
        """Requests made through this store's client, which other stores may share."""
        return self._tables.round_trips

    async def read(self) -> Control:
        async with bounded(CALL_SECONDS):
            found = await self._tables.read_range(STREAM, CONTROL)
        return read_control(found.rows)

    async def save_session(self, session: Session, *, version: str | None) -> str:
        return await self._save(session_entities(session), version)

    async def save_config(self, keys: Mapping[str, object], *, version: str | None) -> str:
        return await self._save([config_entity(keys)], version)

    async def save_breaker(self, state: BreakerState, *, version: str | None) -> str:
        return await self._save([breaker_entity(state)], version)

    async def save_disruptions(self, disruptions: Sequence[Disruption], *, version: str | None) -> str:
        return await self._save([disruptions_entity(disruptions)], version)

    async def session(self, session_id: str) -> Session | None:
        async with bounded(CALL_SECONDS):
            row = await self._tables.read(STREAM, session_row(session_id))
        return None if row is None else read_session(row)

    async def session_ids(self) -> list[str]:
        async with bounded(CALL_SECONDS):
            found = await self._tables.read_range(STREAM, SESSIONS, properties=[STARTED_AT])
        return read_session_ids(found.rows)

    async def _save(self, entities: list[Entity], version: str | None) -> str:
        async with bounded(CALL_SECONDS):
            return await self._tables.write(entities, version=version)
