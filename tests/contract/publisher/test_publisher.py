"""What every publisher must do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streaming.core.event import Event
from streaming.core.outcome import ErrorCategory, SendFailed, Sent
from tests.contract.publisher.hubs import PATIENCE_SECONDS, Trouble

if TYPE_CHECKING:
    from tests.contract.publisher.hubs import Hub

LONG = PATIENCE_SECONDS
"""A timeout that no test reaches."""
SHORT = 2.0
"""A timeout that only trouble reaches."""


def events(name: str, count: int = 3, body_bytes: int = 100) -> list[Event]:
    body = b'{"padding":"' + b"x" * body_bytes + b'"}'
    return [Event("receipt_created", f"{name}-{number}", f"store_{number}", body) for number in range(count)]


def ids(*batches: list[Event]) -> list[str]:
    return [event.trace_id for batch in batches for event in batch]


async def test_batches_of_a_partition_arrive_in_order(hub: Hub) -> None:
    first, second = events("first"), events("second")
    assert await hub.publisher.send(first, partition=1, timeout_seconds=LONG) == Sent()
    assert await hub.publisher.send(second, partition=1, timeout_seconds=LONG) == Sent()
    assert await hub.trace_ids(1, 6) == ids(first, second)


async def test_partitions_are_sent_to_at_the_same_time_and_kept_apart(hub: Hub) -> None:
    batches = [events(f"lane{partition}") for partition in range(4)]
    results = await asyncio.gather(
        *(hub.publisher.send(batch, partition=lane, timeout_seconds=LONG) for lane, batch in enumerate(batches))
    )
    assert results == [Sent()] * 4
    for partition, batch in enumerate(batches):
        assert await hub.trace_ids(partition, 3) == ids(batch)


async def test_two_sends_to_one_partition_take_turns(hub: Hub) -> None:
    first, second = events("first", 50), events("second", 50)
    results = await asyncio.gather(
        hub.publisher.send(first, partition=0, timeout_seconds=LONG),
        hub.publisher.send(second, partition=0, timeout_seconds=LONG),
    )
    assert list(results) == [Sent(), Sent()]
    assert await hub.trace_ids(0, 100) == ids(first, second)


async def test_the_hub_tells_how_many_partitions_it_has(hub: Hub) -> None:
    assert await hub.publisher.partition_count() == 4


async def test_links_that_are_opened_beforehand_send_as_others_do(hub: Hub) -> None:
    await hub.publisher.warm(range(4))
    await hub.publisher.warm(range(4))
    assert await hub.publisher.send(events("a"), partition=3, timeout_seconds=LONG) == Sent()
    assert await hub.trace_ids(3, 3) == ids(events("a"))


async def test_throttling_is_told_with_the_services_wish_and_the_next_attempt_succeeds(hub: Hub) -> None:
    hub.trouble(Trouble.THROTTLED)
    result = await hub.publisher.send(events("a"), partition=0, timeout_seconds=LONG)
    assert isinstance(result, SendFailed)
    assert (result.category, result.retry_after_seconds) == (ErrorCategory.THROTTLING, 4.0)
    assert result.reached_hub
    assert await hub.publisher.send(events("b"), partition=0, timeout_seconds=LONG) == Sent()
    assert await hub.trace_ids(0, 3) == ids(events("b"))


async def test_a_lost_batch_is_not_stored_and_the_next_attempt_succeeds(hub: Hub) -> None:
    hub.trouble(Trouble.LOST_BEFORE_STORING)
    result = await hub.publisher.send(events("a"), partition=0, timeout_seconds=LONG)
    assert isinstance(result, SendFailed)
    assert result.category is ErrorCategory.CONNECTION_ERROR
    assert await hub.publisher.send(events("a"), partition=0, timeout_seconds=LONG) == Sent()
    assert await hub.trace_ids(0, 3) == ids(events("a"))


async def test_a_lost_answer_is_a_failure_and_one_attempt_stores_once(hub: Hub) -> None:
    hub.trouble(Trouble.LOST_AFTER_STORING)
    result = await hub.publisher.send(events("a"), partition=0, timeout_seconds=LONG)
    assert isinstance(result, SendFailed)
    assert result.category is ErrorCategory.CONNECTION_ERROR
    assert await hub.trace_ids(0, 3) == ids(events("a"))


async def test_a_silent_hub_ends_in_a_timeout_and_the_next_attempt_succeeds(hub: Hub) -> None:
    assert await hub.publisher.send(events("warm"), partition=0, timeout_seconds=LONG) == Sent()
    hub.trouble(Trouble.NO_ANSWER)
    result = await hub.publisher.send(events("a"), partition=0, timeout_seconds=SHORT)
    assert isinstance(result, SendFailed)
    assert result.category is ErrorCategory.CONNECTION_TIMEOUT
    assert result.reached_hub
    assert await hub.publisher.send(events("b"), partition=0, timeout_seconds=LONG) == Sent()
    assert await hub.trace_ids(0, 9) == ids(events("warm"), events("a"), events("b"))


@pytest.mark.parametrize("trouble", Trouble)
async def test_trouble_in_one_partition_leaves_the_others_alone(hub: Hub, trouble: Trouble) -> None:
    for partition in range(4):
        assert await hub.publisher.send(events("warm"), partition=partition, timeout_seconds=LONG) == Sent()
    hub.trouble(trouble, times=1, partition=2)
    results = await asyncio.gather(
        *(
            hub.publisher.send(
                events(f"{partition}"), partition=partition, timeout_seconds=SHORT if partition == 2 else LONG
            )
            for partition in range(4)
        )
    )
    assert [isinstance(result, Sent) for result in results] == [True, True, False, True]
    for partition in (0, 1, 3):
        assert await hub.trace_ids(partition, 6) == ids(events("warm"), events(f"{partition}"))


async def test_a_batch_that_fills_the_limit_to_the_byte_is_taken_and_one_more_byte_is_not(hub: Hub) -> None:
    await hub.publisher.partition_count()
    limit = hub.publisher.max_batch_bytes
    small = events("small", 2)
    room = limit - sum(map(hub.publisher.encoded_size, small))
    filler = Event("receipt_created", "filler", "store_1", b"x" * room)
    filler = filler._replace(body=b"x" * (room - (hub.publisher.encoded_size(filler) - room)))
    assert sum(map(hub.publisher.encoded_size, [*small, filler])) == limit

    larger = filler._replace(body=filler.body + b"x")
    result = await hub.publisher.send([*small, larger], partition=0, timeout_seconds=LONG)
    assert isinstance(result, SendFailed)
    assert result.category is ErrorCategory.MESSAGE_TOO_LARGE
    assert await hub.publisher.send([*small, filler], partition=0, timeout_seconds=LONG) == Sent()
    assert await hub.trace_ids(0, 3) == [*ids(small), "filler"]


async def test_an_event_that_cant_be_encoded_is_told_as_a_value(hub: Hub) -> None:
    broken = Event("receipt_created", "\ud800", "store_1", b"{}")
    result = await hub.publisher.send([broken], partition=0, timeout_seconds=LONG)
    assert isinstance(result, SendFailed)
    assert result.category is ErrorCategory.SERIALIZATION
    assert await hub.publisher.send(events("a"), partition=0, timeout_seconds=LONG) == Sent()


async def test_nothing_to_send_is_sent_without_asking_the_hub(hub: Hub) -> None:
    hub.trouble(Trouble.THROTTLED)
    assert await hub.publisher.send([], partition=0, timeout_seconds=LONG) == Sent()
    assert isinstance(await hub.publisher.send(events("a"), partition=0, timeout_seconds=LONG), SendFailed)


async def test_a_partition_that_the_hub_does_not_have_is_not_found(hub: Hub) -> None:
    result = await hub.publisher.send(events("a"), partition=9, timeout_seconds=LONG)
    assert isinstance(result, SendFailed)
    assert result.category is ErrorCategory.NOT_FOUND


async def test_a_send_that_is_cancelled_ends_and_leaves_the_publisher_usable(hub: Hub) -> None:
    assert await hub.publisher.send(events("warm"), partition=0, timeout_seconds=LONG) == Sent()
    hub.trouble(Trouble.NO_ANSWER)
    sending = asyncio.create_task(hub.publisher.send(events("a"), partition=0, timeout_seconds=LONG))
    await hub.trace_ids(0, 3)
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await hub.publisher.send(events("b"), partition=0, timeout_seconds=LONG) == Sent()


async def test_after_closing_the_next_send_opens_again(hub: Hub) -> None:
    assert await hub.publisher.send(events("a"), partition=0, timeout_seconds=LONG) == Sent()
    await hub.publisher.close()
    await hub.publisher.close()
    assert await hub.publisher.send(events("b"), partition=0, timeout_seconds=LONG) == Sent()
    assert await hub.trace_ids(0, 6) == ids(events("a"), events("b"))
