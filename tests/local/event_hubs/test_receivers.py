"""Who may read a partition, held against the rules in one sentence: the highest epoch wins, the later of equals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.amqp.errors import AmqpError, Condition, LinkRefused
from local.event_hubs.receivers import Receivers, Seat

SEAT = Seat("hub", "$Default", "0")


class Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.error: AmqpError | None = None

    def detach(self, error: AmqpError) -> None:
        self.error = error


def _admit(receivers: Receivers, reader: Reader, epoch: int | None, seat: Seat = SEAT) -> str | None:
    """The condition of the refusal, or None."""
    try:
        receivers.admit(seat, reader, epoch)
    except LinkRefused as refusal:
        return refusal.condition
    return None


@given(st.lists(st.none() | st.integers(0, 3), max_size=10))
def test_the_highest_epoch_holds_the_partition(epochs: list[int | None]) -> None:
    receivers, holder, highest = Receivers(max_without_epoch=100), None, None
    for number, epoch in enumerate(epochs):
        reader = Reader(str(number))
        condition = _admit(receivers, reader, epoch)
        beaten = highest is not None and (epoch is None or epoch < highest)
        assert condition == (Condition.LINK_STOLEN if beaten else None)
        if epoch is not None and not beaten:
            if holder is not None:
                assert holder.error is not None
                assert holder.error.condition == Condition.LINK_STOLEN
            holder, highest = reader, epoch
    assert holder is None or holder.error is None


def test_an_epoch_turns_out_readers_without_one() -> None:
    receivers, plain = Receivers(max_without_epoch=5), [Reader("a"), Reader("b")]
    for reader in plain:
        assert _admit(receivers, reader, None) is None
    assert _admit(receivers, Reader("owner"), 0) is None
    assert all(reader.error and reader.error.condition == Condition.LINK_STOLEN for reader in plain)


def test_readers_without_an_epoch_are_limited_per_group_and_partition() -> None:
    receivers, first = Receivers(max_without_epoch=1), Reader("first")
    assert _admit(receivers, first, None) is None
    assert _admit(receivers, Reader("second"), None) == Condition.RESOURCE_LIMIT_EXCEEDED
    assert _admit(receivers, Reader("other group"), None, Seat("hub", "g", "0")) is None
    assert _admit(receivers, Reader("other partition"), None, Seat("hub", "$Default", "1")) is None
    receivers.leave(SEAT, first)
    receivers.leave(SEAT, first)
    assert _admit(receivers, Reader("third"), None) is None
