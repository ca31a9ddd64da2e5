"""The ``ShardStore`` port on Azure Table Storage, its windows recorded as spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streaming.adapters.tables.shard_store import TableShardStore
from streaming.core.tally import Tally
from streaming.ports import ShardLostError, StorageUnavailableError

if TYPE_CHECKING:
    from shared.clock import Clock
    from shared.tracing import Traces
    from streaming.adapters.tables.client import TablesClient
    from streaming.ports import ShardCommit

WINDOW: Final = "window"


class TracedShardStore(TableShardStore):
    """Notes each commit that ends a window, with what has come of the shard's events since the one before.

    Only the owner of a shard commits, so what this process has seen last is what was committed last.
    """

    def __init__(self, tables: TablesClient, *, traces: Traces, clock: Clock) -> None:
        super().__init__(tables)
        self._traces = traces
        self._clock = clock
        self._seen: dict[int, tuple[str, int, Tally]] = {}
        """By shard: the session, when its last window ended, and its counts then."""

    async def commit(self, commit: ShardCommit) -> str:
        began_us = self._clock.now_us()
        try:
            version = await super().commit(commit)
        except (ShardLostError, StorageUnavailableError) as error:
            self._note(commit, began_us, failure=f"{type(error).__name__}: {error}", outcome="not committed")
            raise
        if commit.checkpoint is not None:  # Only a window's end has one.
            self._note(commit, began_us, failure=None, outcome="committed")
        return version

    def _note(self, commit: ShardCommit, commit_began_us: int, *, failure: str | None, outcome: str) -> None:
        cursor, now_us = commit.cursor, self._clock.now_us()
        session_id, began_us, before = self._seen.get(cursor.shard, ("", 0, Tally()))
        if failure is None:
            self._seen[cursor.shard] = (cursor.session_id, now_us, cursor.tally)
        if session_id != cursor.session_id:
            if failure is None:
                return  # What this window has added isn't known: the next one's will be.
            began_us, before = commit_began_us, cursor.tally
        dead = cursor.tally.dead_lettered - before.dead_lettered
        if failure is None and dead:
            failure = f"{dead} events became dead letters"
        self._traces.note(
            WINDOW,
            began_us=began_us,
            ended_us=now_us,
            failure=failure,
            outcome=outcome,
            session_id=cursor.session_id,
            shard=cursor.shard,
            window=cursor.frontier.window,
            events_generated=cursor.tally.generated - before.generated,
            events_sent=cursor.tally.sent_first - before.sent_first,
            events_failed=dead,
            batches_sent=cursor.tally.batches_sent - before.batches_sent,
            connection_failures=cursor.tally.connection_failures - before.connection_failures,
            commit_ms=(now_us - commit_began_us) // 1_000,
        )
