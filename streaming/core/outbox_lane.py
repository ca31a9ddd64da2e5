"""A lane's two heads: how far it is staged, and how far it is settled. Their difference is what is pending. Pure.

The stager writes the one, the drainer the other, so they never contend. Closing a lane touches both.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from streaming.core.cursor import Cursor, Progress
from streaming.core.outbox_pacing import Debt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streaming.core.outbox import Epoch
    from streaming.core.outbox_pacing import Rate
    from streaming.core.outbox_page import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class StageHead:
    """How far a lane is staged. Counts are since its epoch began."""

    operation_id: str
    page: int = 0
    """The last page."""
    events: int = 0
    by_type: Mapping[str, int] = field(default_factory=dict)
    closed: bool = False

    def after(self, pages: Sequence[Page], operation_id: str) -> StageHead:
        """Once ``pages``, which follow the last one, are written."""
        types: Counter[str] = Counter(self.by_type)
        for page in pages:
            types.update(Counter(event[0] for event in page.events))
        return replace(
            self,
            operation_id=operation_id,
            page=pages[-1].number,
            events=self.events + sum(len(page.events) for page in pages),
            by_type=dict(types),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainHead:
    """How far a lane is settled, who settles it, and the counts of it."""

    cursor: Cursor
    """Owner, lease and counts, in the form in which a live shard has them; ``generated`` is the stage head's."""
    page: int = 0
    """The last page that is settled as a whole."""
    offset: int = 0
    """How many events of the next page are settled."""
    debt: Debt = field(default_factory=Debt)
    """Until it is paid, the pace allows no further page."""
    retry_at_us: int = 0
    """Nobody tries before: the breaker is open."""
    closed: bool = False

    @property
    def settled(self) -> int:
        return self.cursor.tally.sent_first + self.cursor.tally.dead_lettered

    def not_before_us(self, rate: Rate) -> int:
        """When the next page may be sent."""
        return max(self.debt.due_us(rate), self.retry_at_us)

    def to_json(self) -> dict[str, Any]:
        """Without the cursor."""
        document = {name: getattr(self, name) for name in ("page", "offset", "retry_at_us", "closed")}
        return {**document, "debt": asdict(self.debt)}

    @classmethod
    def from_json(cls, cursor: Cursor, document: Mapping[str, Any]) -> Self:
        return cls(cursor=cursor, **{**document, "debt": Debt(**document["debt"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCounts:
    """A lane as those see it who only count."""

    epoch: Epoch
    lane: int
    stage: StageHead | None
    drain: DrainHead | None

    @property
    def staged(self) -> int:
        return self.stage.events if self.stage else 0

    @property
    def unsettled(self) -> int:
        return self.staged - (self.drain.settled if self.drain else 0)

    @property
    def closed(self) -> bool:
        """The stage head is closed first, and nothing is staged after that; sending stops with the drain head."""
        return self.drain is not None and self.drain.closed

    @property
    def pending(self) -> int:
        """Events that are still to be sent."""
        return 0 if self.closed else self.unsettled

    @property
    def cleared(self) -> int:
        """Events that nobody sends any more. What is in flight when a lane is closed still counts as sent."""
        return self.unsettled if self.closed else 0

    def leased(self, now_us: int) -> bool:
        return self.drain is not None and self.drain.cursor.lease_until_us > now_us

    @property
    def cursor(self) -> Cursor:
        """The lane in the form in which a live shard is looked at."""
        cursor = self.drain.cursor if self.drain else first_cursor(self.epoch, self.lane)
        tally = cursor.tally.plus(type(cursor.tally)())
        if self.stage is not None:
            tally.generated = self.stage.events
            tally.by_type = Counter(self.stage.by_type)
        return replace(cursor, tally=tally, progress=Progress(generated=self.pending))


def first_cursor(epoch: Epoch, lane: int) -> Cursor:
    """Of a lane that nobody has settled anything of."""
    return Cursor(
        session_id=epoch.session_id,
        shard=epoch.slot(lane),
        shards=epoch.lanes,
        lanes=epoch.lanes,
        owner="",
        lease_until_us=0,
        heartbeat_us=0,
        operation_id="",
    )
