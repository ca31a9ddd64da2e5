"""What the flows need of the outside world: one Protocol each, with one real adapter and one in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streaming.core.breaker import BreakerState
    from streaming.core.cursor import Cursor
    from streaming.core.dead_letter import DeadLetter, LetterOutline
    from streaming.core.event import Event
    from streaming.core.history import Hour
    from streaming.core.outcome import SendFailed, SendResult
    from streaming.core.session import Session
    from streaming.core.tally import DeadLetterTally
    from streaming.retail.disruption import Disruption
    from streaming.retail.live import BurstRequest

T = TypeVar("T")


class StorageUnavailableError(Exception):
    """The storage did not answer in time, or refused: nothing is known about the operation's effect."""


class ConflictError(Exception):
    """Somebody else wrote first: read again and decide anew."""


class ShardLostError(Exception):
    """The shard's cursor was written by somebody else: whatever is in memory about it is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned(Generic[T]):
    """A stored value and the version (ETag) that a conditional write must name."""

    value: T
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What every window reads, in one round trip."""

    session: Versioned[Session] | None = None
    """The active session, or the last one that ended."""
    config: Versioned[Mapping[str, object]] | None = None
    """The configuration keys that were stored; the others have their defaults."""
    breaker: Versioned[BreakerState] | None = None
    disruptions: Versioned[tuple[Disruption, ...]] | None = None
    """The troubles that an operator has caused, the ones that are over among them until they are cleared away."""


class ControlStore(Protocol):
    """The stream's own rows. Raises ``StorageUnavailableError``, within 4 seconds, when storage is away."""

    async def read(self) -> Control:
        """Session, configuration, breaker and disruptions: one range of keys, one round trip."""

    async def save_session(self, session: Session, *, version: str | None) -> str:
        """Write the session row and, in the same transaction, its row in the index of sessions.

        ``version`` None means that no session row exists yet. Returns the new version. Raises ``ConflictError``.
        """

    async def save_config(self, keys: Mapping[str, object], *, version: str | None) -> str:
        """Replace the stored configuration keys. As ``save_session``."""

    async def save_breaker(self, state: BreakerState, *, version: str | None) -> str:
        """Replace the breaker's row. As ``save_session``."""

    async def save_disruptions(self, disruptions: Sequence[Disruption], *, version: str | None) -> str:
        """Replace the list of disruptions. As ``save_session``."""

    async def session(self, session_id: str) -> Session | None:
        """A session of the index, as of its last write."""

    async def session_ids(self) -> list[str]:
        """Every session's id, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShard:
    """All that a new owner needs to go on exactly where the last commit left off."""

    cursor: Versioned[Cursor]
    checkpoint: bytes | None
    """The retail world at the start of the front window; None at the very beginning."""
    recent: tuple[bytes, ...]
    """The last envelopes sent, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCommit:
    """One write of a shard, all of it or nothing. None leaves what is stored as it is."""

    cursor: Cursor
    version: str
    """The version of the cursor that it replaces."""
    checkpoint: bytes | None = None
    recent: tuple[bytes, ...] | None = None
    ended_hour: Hour | None = None
    """An hour that has just ended: its minutes go to a row of their own, in a ring of ``HISTORY_HOURS``."""
    dead_letters: tuple[DeadLetter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a shard stands, for those who look at it: its owner's counts, and what became of its dead letters."""

    cursor: Versioned[Cursor]
    resolved: Versioned[DeadLetterTally] | None = None
    """None as long as no dead letter was sent again, cleared or evicted."""
    outbox_cleared: int = 0
    """Events of an outbox lane that were cleared away before they were sent."""

    @property
    def in_dlq(self) -> int:
        """Events in the shard's dead letters, by the counts."""
        tally, resolved = self.cursor.value.tally, self.resolved
        buried = tally.dead_lettered - tally.discarded
        return buried if resolved is None else buried - resolved.value.total


class ShardStore(Protocol):
    """The shards' partitions, one for each session and slot. Raises ``StorageUnavailableError`` like ControlStore.

    ``shard`` is a slot (``Cursor.slot``): the shard's number among all that its session ever had.
    """

    async def load(self, session_id: str, shard: int) -> StoredShard | None:
        """Everything of a shard that its owner needs, in one range of keys."""

    async def create(self, cursor: Cursor, checkpoint: bytes | None = None) -> str:
        """Write the first version of a shard: its cursor and the world that it begins with, in one transaction.

        Returns the version. A shard that is there with this ``operation_id`` is this very one; raises ``ConflictError``
        when there is another one.
        """

    async def commit(self, commit: ShardCommit) -> str:
        """Write ``commit`` in one entity-group transaction under the cursor's version; returns the new version.

        Exactly once, also when an answer is lost: on a timeout or a conflict the cursor is read again, and its
        ``operation_id`` tells whether this very commit is already there (its version is returned) or somebody else's
        (raises ``ShardLostError``). After ``StorageUnavailableError`` the same commit may be tried again, unchanged.

        A commit holds at most 80 dead letters and 3 MiB in all; the caller splits what is larger.
        """

    async def cursor(self, session_id: str, shard: int) -> Cursor | None:
        """The committed cursor alone: one point read, for observers."""

    async def standings(self, session_id: str) -> tuple[Standing, ...]:
        """Where each shard of a session stands, in the order of slots: one round trip."""

    async def recent(self, session_id: str, shard: int) -> tuple[bytes, ...]:
        """The last envelopes sent, oldest first."""

    async def hours(self, session_id: str, shard: int) -> list[Hour]:
        """The ended hours that are still kept; the one being filled is in the cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One shard's dead letters, without their events."""

    standing: Standing
    """Read before the letters: a change that names its version can't be based on letters that were older."""
    outlines: tuple[LetterOutline, ...]
    """Oldest first."""

    @property
    def session_id(self) -> str:
        return self.standing.cursor.value.session_id

    @property
    def shard(self) -> int:
        """The slot."""
        return self.standing.cursor.value.slot


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterChange:
    """One write to a shard's dead letters and the counts of what became of them, all of it or nothing."""

    session_id: str
    shard: int
    version: str | None
    """The version of the counts that it replaces; None: there are none yet."""
    resolved: DeadLetterTally
    """The counts from now on."""
    operation_id: str
    """Names this write, so that it can be recognized when its answer was lost."""
    removed: tuple[LetterOutline, ...] = ()
    """Letters that go."""
    written: tuple[DeadLetter, ...] = ()
    """Letters as they are from now on; one that is also in ``removed`` is replaced."""


class DeadLetterStore(Protocol):
    """The dead letters of all shards. Their owners add to them with ``ShardStore.commit``; all else happens here.

    Raises ``StorageUnavailableError`` like ControlStore.
    """

    async def shelves(self, session_id: str) -> tuple[Shelf, ...]:
        """The letters of each shard of a session, in the order of shards; without events: two round trips."""

    async def audit(self, session_id: str) -> tuple[Shelf, ...]:
        """As ``shelves``, of one moment: between the counts and the letters nothing was written."""

    async def letters(self, outlines: Sequence[LetterOutline]) -> list[DeadLetter]:
        """These letters of one shard, with their events, oldest first; without those that have gone.

        Meant for runs of neighbours, some thousand events at a time: all that lies between them is read as well.
        """

    async def change(self, change: LetterChange) -> str:
        """Write ``change`` in one entity-group transaction; the shard's cursor is not touched.

        Returns the new version of the counts.

        Exactly once, also when an answer is lost, as with ``ShardStore.commit``. Raises ``ConflictError`` when somebody
        else has changed the shard's letters since ``version``: read again and decide anew. A change takes at most 90
        rows and 3 MiB; the caller splits what is larger.
        """


class RateLimitStore(Protocol):
    """When limited calls were allowed, for all instances. Raises ``StorageUnavailableError`` like ControlStore."""

    async def calls(self, name: str) -> Versioned[tuple[int, ...]] | None:
        """The instants of the last minute's allowed calls, oldest first, or more."""

    async def save_calls(self, name: str, calls_us: Sequence[int], *, version: str | None) -> str:
        """Replace them; ``version`` None: there are none yet. Returns the new version. Raises ``ConflictError``."""


class Publisher(Protocol):
    """Sends batches to the event hub. One per process, kept warm."""

    @property
    def max_batch_bytes(self) -> int:
        """The largest batch the hub takes, in encoded bytes: what the link announced, else 1 MiB less headroom."""

    def encoded_size(self, event: Event) -> int:
        """The bytes that ``event`` takes in an encoded batch, framing included. Pure and cheap."""

    async def partition_count(self) -> int | SendFailed:
        """How many partitions the hub has, or why that can't be told."""

    async def warm(self, partitions: Iterable[int]) -> None:
        """Open the links to ``partitions``, so that the first sends need not; where one is open this costs nothing.

        Returns within two seconds, whether the hub has let it or not, and never raises for anything the hub or the
        network did. Sends may go on meanwhile.
        """

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendResult:
        """Send ``events`` as one batch to ``partition``, in one attempt.

        Returns within ``timeout_seconds`` plus a moment, whatever the hub does; never raises for anything the hub
        or the network did. The batch was stored wholly or not at all; after a failure it may have been stored.
        """

    async def close(self) -> None:
        """Close the connection. The next send opens a new one."""


class Generator(Protocol):
    """One shard's retail world, making the events of its bursts: a pure function with a memory."""

    @property
    def events_affected(self) -> Mapping[str, int]:
        """By the id of a disruption, how many events it has changed, held back or caused so far."""

    def burst(self, request: BurstRequest) -> list[Event]:
        """The next burst's events. Bursts must be asked for in order."""

    def snapshot(self) -> bytes:
        """A compact checkpoint: a generator restored from it goes on identically."""


class GeneratorFactory(Protocol):
    """Makes a shard's generator, anew or from a checkpoint."""

    def __call__(self, session: Session, *, shard: int, shards: int, checkpoint: bytes | None) -> Generator: ...


class Dealer(Protocol):
    """Deals a session's world out anew: a pure function, beside whatever else is going on, since it takes a while."""

    async def __call__(
        self, session: Session, checkpoints: Sequence[bytes | None], shards: int
    ) -> Sequence[bytes | None]:
        """The checkpoints of ``shards`` shards, from those of all shards before, in order. None: at its beginning."""
