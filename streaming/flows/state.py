"""The stream's state as one document, to keep or to move: what is configured, the session, and where its world stands.

Not in it: dead letters and history, which stay behind (so its dead-lettered events count as discarded), and who owns
what at the moment.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from shared.clock import to_iso
from shared.tasks import gather
from streaming.core.cursor import Cursor
from streaming.core.outbox import Timeline
from streaming.core.session import MOST_SHARDS, Session, WorldSize
from streaming.ports import ConflictError, ShardCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.clock import Clock
    from streaming.flows.configuration import Configuration
    from streaming.outbox_ports import OutboxStore
    from streaming.ports import ControlStore, ShardStore, StoredShard

VERSION: Final = 1
_IMPORTING: Final = "importing"
_IMPORTED: Final = "imported"
_OWNERSHIP: Final = ("owner", "lease_until_us", "heartbeat_us", "operation_id", "runs_until_us")


class StateRefusal(Enum):
    """Why a document was not imported."""

    ACTIVE = "A stream is active here. Stop it first: POST /api/stream/stop."
    STAGING = "A day is being staged for the outbox. Try again in a while."
    KNOWN = "This deployment has this session already."
    BUSY = "Somebody else was changing the same thing. Try again."


class MalformedStateError(Exception):
    """The document is not one that an export has made; the message names the part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardState:
    """Where one shard stands: everything that its next owner needs."""

    cursor: dict[str, Any]
    checkpoint: str | None
    """The retail world at the start of the front window, in base64."""
    recent: list[str]
    """The last envelopes sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxState:
    """Where the outbox's days have come to. What is staged and not yet sent stays behind."""

    name: str
    """Part of every event's id."""
    seed: int
    world: dict[str, int]
    generated_day: str | None
    last_epoch: int
    checkpoint: str | None
    """The retail world at the end of that day, in base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDocument:
    """``GET /api/state/export`` and the body of ``POST /api/state/import``."""

    version: int
    exported_at: str
    config: dict[str, Any]
    """The keys that were stored; the others have their defaults."""
    session: dict[str, Any] | None
    shards: list[ShardState]
    outbox: OutboxState | None


class StateFlow:
    """Exports and imports."""

    def __init__(
        self,
        *,
        control: ControlStore,
        shards: ShardStore,
        outbox: OutboxStore,
        configuration: Configuration,
        clock: Clock,
        check_world: Callable[[Session, Cursor, bytes | None], object],
    ) -> None:
        """``check_world(session, cursor, checkpoint)`` restores a world, and raises if that can't be done."""
        self._control = control
        self._shards = shards
        self._outbox = outbox
        self._configuration = configuration
        self._clock = clock
        self._check_world = check_world

    async def export(self) -> StateDocument | StateRefusal:
        """The state as of the last commits. Of a stream that runs on, it is old at once: stop before moving one."""
        timeline = (await self._outbox.desk()).timeline
        if timeline is not None and timeline.value.staging is not None:
            return StateRefusal.STAGING
        control = await self._control.read()
        session = control.session.value if control.session else None
        stored = await self._stored(session) if session else []
        return StateDocument(
            version=VERSION,
            exported_at=to_iso(self._clock.now_us()),
            config=dict(control.config.value) if control.config else {},
            session=session.to_json() if session else None,
            shards=[
                ShardState(
                    cursor=_portable(shard.cursor.value),
                    checkpoint=None if shard.checkpoint is None else base64.b64encode(shard.checkpoint).decode(),
                    recent=[envelope.decode() for envelope in shard.recent],
                )
                for shard in stored
                if shard is not None
            ],
            outbox=None if timeline is None else _portable_outbox(timeline.value, await self._outbox.checkpoint()),
        )

    async def _stored(self, session: Session) -> list[StoredShard | None]:
        """All shards up to the generation that streams. What a change under way has written is written again there."""
        standings = await self._shards.standings(session.session_id)
        cursors = [standing.cursor.value for standing in standings]
        slots = [cursor.slot for cursor in cursors if cursor.generation <= session.generation]
        return await gather(*(self._shards.load(session.session_id, slot) for slot in slots))

    async def import_(self, document: StateDocument) -> StateRefusal | None:
        """Put ``document`` in the place of what is here. A session that was active goes on where it stood.

        Writes configuration and shards before the session, which makes them count; an import that broke off is
        completed by repeating it. Raises ``MalformedStateError``, and ``pydantic.ValidationError`` for the
        configuration, before anything is written.
        """
        control = await self._control.read()
        if control.session is not None and control.session.value.active:
            return StateRefusal.ACTIVE
        session, shards = await asyncio.to_thread(self._parse, document)
        outbox = None if document.outbox is None else _parse_outbox(document.outbox)
        self._configuration.updated(replace(control, config=None), document.config)
        if session is not None and await self._control.session(session.session_id) is not None:
            return StateRefusal.KNOWN
        there = (await self._outbox.desk()).timeline
        if outbox is not None and there is not None and there.value.operation_id != _IMPORTED:
            return StateRefusal.KNOWN
        try:
            await self._control.save_config(document.config, version=control.config.version if control.config else None)
            if outbox is not None and there is None:
                timeline, checkpoint = outbox
                await self._outbox.save_timeline(timeline, version=None, checkpoint=checkpoint)
            for commit in shards:
                await self._put(commit)
            if session is not None:
                await self._control.save_session(session, version=control.session.version if control.session else None)
        except ConflictError:
            return StateRefusal.BUSY
        return None

    async def _put(self, commit: ShardCommit) -> None:
        """Write a shard, unless an import that broke off has. Raises ``ConflictError`` when there is another one."""
        stored = await self._shards.cursor(commit.cursor.session_id, commit.cursor.slot)
        if stored is None or stored.operation_id != _IMPORTED:
            version = await self._shards.create(replace(commit.cursor, operation_id=_IMPORTING))
            await self._shards.commit(replace(commit, version=version))

    def _parse(self, document: StateDocument) -> tuple[Session | None, list[ShardCommit]]:
        if document.session is None:
            if document.shards:
                raise MalformedStateError("shards: there are some, but no session.")
            return None, []
        try:
            session = Session.from_json(document.session)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise MalformedStateError("session: not as an export writes it.") from error
        commits = [self._commit(session, number, shard) for number, shard in enumerate(document.shards)]
        current = {commit.cursor.shard for commit in commits if commit.cursor.generation == session.generation}
        shards = set(range(session.shards))
        # The first generation may not be there as a whole yet: who runs the stream opens the rest of it.
        if commits and current != shards and (session.generation or not current <= shards):
            raise MalformedStateError("shards: not those that the session has.")
        if len({commit.cursor.slot for commit in commits}) < len(commits):
            raise MalformedStateError("shards: one is there twice.")
        return session, commits

    def _commit(self, session: Session, number: int, shard: ShardState) -> ShardCommit:
        now_us = self._clock.now_us()
        place = f"shards.{number}"
        nobodys: Mapping[str, Any] = {"owner": "", "lease_until_us": 0, "heartbeat_us": now_us, "runs_until_us": 0}
        try:
            cursor = Cursor.from_json({**shard.cursor, **nobodys, "operation_id": _IMPORTED})
            checkpoint = None if shard.checkpoint is None else base64.b64decode(shard.checkpoint, validate=True)
            cursor.to_json()
        except (binascii.Error, LookupError, TypeError, ValueError, AttributeError) as error:
            raise MalformedStateError(f"{place}: not as an export writes it.") from error
        is_current = cursor.generation == session.generation
        if (
            cursor.session_id != session.session_id
            or not 0 <= cursor.shard < cursor.shards <= MOST_SHARDS
            or not 0 <= cursor.generation <= session.generation
            or (is_current and cursor.shards != session.shards)
        ):
            raise MalformedStateError(f"{place}: belongs to another session or place.")
        try:
            self._check_world(session, cursor, checkpoint)
        except Exception as error:
            raise MalformedStateError(f"{place}.checkpoint: no world can be restored from it.") from error
        recent = tuple(envelope.encode() for envelope in shard.recent)
        return ShardCommit(cursor=cursor, version="", checkpoint=checkpoint, recent=recent)


def _portable_outbox(timeline: Timeline, checkpoint: bytes | None) -> OutboxState:
    kept = checkpoint if timeline.has_checkpoint else None
    return OutboxState(
        name=timeline.name,
        seed=timeline.seed,
        world=asdict(timeline.world),
        generated_day=timeline.generated_day,
        last_epoch=timeline.last_epoch,
        checkpoint=None if kept is None else base64.b64encode(kept).decode(),
    )


def _parse_outbox(state: OutboxState) -> tuple[Timeline, bytes | None]:
    try:
        if state.generated_day is not None:
            date.fromisoformat(state.generated_day)
        checkpoint = None if state.checkpoint is None else base64.b64decode(state.checkpoint, validate=True)
        timeline = Timeline(
            name=state.name,
            seed=state.seed,
            world=WorldSize(**state.world),
            operation_id=_IMPORTED,
            has_checkpoint=checkpoint is not None,
            generated_day=state.generated_day,
            last_epoch=state.last_epoch,
        )
    except (binascii.Error, TypeError, ValueError) as error:
        raise MalformedStateError("outbox: not as an export writes it.") from error
    return timeline, checkpoint


def _portable(cursor: Cursor) -> dict[str, Any]:
    """A cursor without its owner; the dead letters that stay behind count as discarded, so that the books balance."""
    tally = cursor.tally
    left_behind = replace(tally, discarded=tally.dead_lettered)
    document = replace(cursor, tally=left_behind).to_json()
    return {name: value for name, value in document.items() if name not in _OWNERSHIP}
