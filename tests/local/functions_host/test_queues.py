"""Queue functions and output bindings on real queues."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from azure.functions.meta import Datum
from azure.storage.queue.aio import QueueServiceClient

from local.functions_host.bindings import QueueOutput
from local.functions_host.host_json import QueueOptions
from local.functions_host.queue_message import encode_content, poison_queue_of
from local.functions_host.queues import QueueListener
from tests.local.functions_host.conditions import eventually
from tests.local.functions_host.functions import function_runner, queue_function

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import azure.functions as func
    from azure.storage.queue.aio import QueueClient

    from local.azurite import Azurite

_OPTIONS = QueueOptions(max_polling_interval_seconds=0.2)


@dataclass(slots=True, kw_only=True)
class Scene:
    """A queue of its own, and what its function has seen."""

    service: QueueServiceClient
    connection: str
    name: str = field(default_factory=lambda: f"q{uuid4().hex}")
    seen: list[str] = field(default_factory=list)
    attempts: list[int | None] = field(default_factory=list)

    @property
    def queue(self) -> QueueClient:
        return self.service.get_queue_client(self.name)

    @property
    def poison(self) -> QueueClient:
        return self.service.get_queue_client(f"{self.name}-poison")

    async def put(self, *texts: str) -> None:
        for text in texts:
            await self.queue.send_message(base64.b64encode(text.encode()).decode())

    async def is_empty(self) -> bool:
        """No message at all, hidden ones included."""
        return (await self.queue.get_queue_properties()).approximate_message_count == 0

    @asynccontextmanager
    async def listening(
        self,
        work: Callable[[func.QueueMessage], Awaitable[None]] | None = None,
        *,
        options: QueueOptions = _OPTIONS,
        invisible_seconds: float = 600.0,
        renew_seconds: float | None = None,
        first_pause_seconds: float = 0.1,
    ) -> AsyncIterator[tuple[QueueListener, asyncio.Event]]:
        async def note(message: func.QueueMessage) -> None:
            self.attempts.append(message.dequeue_count)
            self.seen.append(message.get_body().decode())
            if work is not None:
                await work(message)

        stopping = asyncio.Event()
        async with function_runner(self.connection) as runner:
            listener = QueueListener(
                function=queue_function(note, queue=self.name),
                queue_name=self.name,
                service=self.service,
                options=options,
                runner=runner,
                invisible_seconds=invisible_seconds,
                renew_seconds=renew_seconds,
                first_pause_seconds=first_pause_seconds,
            )
            running = asyncio.create_task(listener.run(stopping))
            try:
                yield listener, stopping
            finally:
                stopping.set()
                await running


@pytest.fixture
async def scene(azurite: Azurite) -> AsyncIterator[Scene]:
    async with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        yield Scene(service=service, connection=azurite.connection_string)


async def test_messages_are_handled_and_deleted(scene: Scene) -> None:
    await scene.queue.create_queue()
    await scene.put("grüße", "two", "three")
    async with scene.listening():
        await eventually(scene.is_empty)
    assert sorted(scene.seen) == ["grüße", "three", "two"]
    assert scene.attempts == [1, 1, 1]


async def test_a_missing_queue_is_no_error_and_is_listened_to_once_it_exists(scene: Scene) -> None:
    async with scene.listening():
        await scene.queue.create_queue()
        await scene.put("late")
        await eventually(lambda: scene.seen == ["late"])


async def test_a_failing_message_ends_in_the_poison_queue_as_it_was(scene: Scene) -> None:
    async def fail(message: func.QueueMessage) -> None:
        raise ValueError(f"no {message.id}")

    await scene.queue.create_queue()
    await scene.put("bad")
    async with scene.listening(fail, options=replace(_OPTIONS, max_dequeue_count=3)):
        await eventually(scene.is_empty)
    assert scene.attempts == [1, 2, 3]
    (poisoned,) = [message async for message in scene.poison.receive_messages()]
    assert base64.b64decode(poisoned.content) == b"bad"


async def test_a_message_that_took_its_last_worker_down_is_not_tried_again(scene: Scene) -> None:
    await scene.queue.create_queue()
    await scene.put("deadly")
    for _ in range(2):  # Two workers that died with it.
        (message,) = [message async for message in scene.queue.receive_messages(visibility_timeout=60)]
        await scene.queue.update_message(message, visibility_timeout=0)
    async with scene.listening(options=replace(_OPTIONS, max_dequeue_count=2)):
        await eventually(scene.is_empty)
    assert scene.seen == []
    assert [message async for message in scene.poison.receive_messages()]


async def test_what_is_not_base64_goes_to_the_poison_queue_untouched(scene: Scene) -> None:
    await scene.queue.create_queue()
    await scene.queue.send_message("plain text!")
    async with scene.listening():
        await eventually(scene.is_empty)
    assert scene.seen == []
    (poisoned,) = [message async for message in scene.poison.receive_messages()]
    assert poisoned.content == "plain text!"


async def test_without_base64_text_is_taken_as_it_is(scene: Scene) -> None:
    await scene.queue.create_queue()
    await scene.queue.send_message("plain text!")
    async with scene.listening(options=replace(_OPTIONS, base64=False)):
        await eventually(scene.is_empty)
    assert scene.seen == ["plain text!"]


async def test_a_failed_message_stays_away_for_the_visibility_timeout(scene: Scene) -> None:
    async def fail(message: func.QueueMessage) -> None:
        if message.get_body() == b"again":
            raise ValueError("as asked for")

    await scene.queue.create_queue()
    await scene.put("again")
    hour = replace(_OPTIONS, batch_size=1, new_batch_threshold=0, visibility_timeout_seconds=3600)
    async with scene.listening(fail, options=hour):
        await eventually(lambda: scene.seen)
        await scene.put("next")
        await eventually(lambda: "next" in scene.seen)
    assert scene.seen == ["again", "next"]
    assert not await scene.is_empty()
    assert not [message async for message in scene.queue.receive_messages()]


async def test_no_more_messages_are_taken_than_fit(scene: Scene) -> None:
    running, most, go_on = 0, 0, asyncio.Event()

    async def work(message: func.QueueMessage) -> None:
        nonlocal running, most
        del message
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1

    await scene.queue.create_queue()
    await scene.put(*(str(number) for number in range(12)))
    # A batch of 4, and another one when no more than 2 are left: never more than 6.
    async with scene.listening(work, options=replace(_OPTIONS, batch_size=4, new_batch_threshold=2)):
        await eventually(lambda: running == 4)
        go_on.set()
        await eventually(scene.is_empty)
    assert len(scene.seen) == 12
    assert most <= 6


async def test_batch_size_one_without_threshold_means_one_at_a_time(scene: Scene) -> None:
    running, overlapped = 0, False

    async def work(message: func.QueueMessage) -> None:
        nonlocal running, overlapped
        del message
        overlapped |= running > 0
        running += 1
        await asyncio.sleep(0)
        running -= 1

    await scene.queue.create_queue()
    await scene.put(*"abcdef")
    async with scene.listening(work, options=replace(_OPTIONS, batch_size=1, new_batch_threshold=0)):
        await eventually(scene.is_empty)
    assert not overlapped
    assert len(scene.seen) == 6


async def test_a_message_in_work_stays_hidden_by_renewal(scene: Scene) -> None:
    """Renewed so often that a slow machine renews in time."""
    done = asyncio.Event()

    async def work(message: func.QueueMessage) -> None:
        assert message.time_next_visible is not None
        # Work until well after the message would have shown again.
        shown_again = message.time_next_visible + timedelta(seconds=1)
        await eventually(lambda: datetime.now(UTC) > shown_again)
        done.set()

    await scene.queue.create_queue()
    await scene.put("slow")
    async with scene.listening(work, invisible_seconds=8, renew_seconds=0.5):
        await eventually(done.is_set)
        await eventually(scene.is_empty)
    assert scene.attempts == [1]


async def test_a_stop_lets_running_messages_end_and_takes_no_more(scene: Scene) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def work(message: func.QueueMessage) -> None:
        del message
        started.set()
        await go_on.wait()

    await scene.queue.create_queue()
    await scene.put("first")
    async with scene.listening(work) as (_, stopping):
        await started.wait()
        stopping.set()
        await scene.put("second")
        go_on.set()
    assert scene.seen == ["first"]
    (left,) = [message async for message in scene.queue.receive_messages()]
    assert base64.b64decode(left.content) == b"second"


async def test_a_cancelled_message_is_handed_back_at_once(scene: Scene) -> None:
    started = asyncio.Event()

    async def hang(message: func.QueueMessage) -> None:
        del message
        started.set()
        await asyncio.Event().wait()

    await scene.queue.create_queue()
    await scene.put("unfinished")
    async with function_runner() as runner:
        running = asyncio.create_task(
            QueueListener(
                function=queue_function(hang, queue=scene.name),
                queue_name=scene.name,
                service=scene.service,
                options=_OPTIONS,
                runner=runner,
            ).run(asyncio.Event())
        )
        await started.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    (left,) = [message async for message in scene.queue.receive_messages()]
    assert base64.b64decode(left.content) == b"unfinished"


async def test_waking_a_listener_saves_the_wait_for_its_poll(scene: Scene) -> None:
    await scene.queue.create_queue()
    await scene.put("first")
    async with scene.listening(first_pause_seconds=3600) as (listener, _):
        await eventually(scene.is_empty)
        # The poll after the first message finds nothing well before these answers are here.
        assert all([await scene.is_empty() for _ in range(10)])
        await scene.put("hint")
        listener.wake()
        await eventually(lambda: scene.seen == ["first", "hint"])


async def test_listening_outlives_a_storage_outage(azurite: Azurite, scene: Scene) -> None:
    await scene.queue.create_queue()
    async with scene.listening():
        await scene.put("before")
        await eventually(scene.is_empty)
        azurite.stop()
        azurite.start()
        await scene.put("after")
        await eventually(lambda: scene.seen == ["before", "after"])


@pytest.mark.parametrize(
    ("output", "messages"),
    [
        (Datum("text", "string"), [b"text"]),
        (Datum(b"\x00\xff", "bytes"), [b"\x00\xff"]),
        (Datum('["one", {"id": null, "body": "two"}, {"a": 1}]', "json"), [b"one", b"two", b'{"a": 1}']),
        (Datum('{"id": "x", "body": "alone"}', "json"), [b"alone"]),
        (Datum("[]", "json"), []),
    ],
)
async def test_outputs_make_their_queue_and_come_in_order(scene: Scene, output: Datum, messages: list[bytes]) -> None:
    async def nothing(message: func.QueueMessage) -> None:
        del message

    named: list[str] = []
    function = replace(
        queue_function(nothing, queue="unused"),
        outputs=(QueueOutput(parameter="out", queue=scene.name.upper(), connection=""),),
    )
    async with function_runner(scene.connection, sent=named.append) as runner:
        await runner.outputs.send(function, {"out": output})
    assert named == [scene.name]
    if not messages:
        return
    received = [message async for message in scene.queue.receive_messages(messages_per_page=32)]
    assert [base64.b64decode(message.content) for message in received] == messages


def test_a_message_over_64_kb_is_refused() -> None:
    assert len(encode_content(b"x" * 49_152, base64_encoded=True)) == 65_536
    with pytest.raises(ValueError, match="64 KB"):
        encode_content(b"x" * 49_153, base64_encoded=True)
    with pytest.raises(ValueError, match="64 KB"):
        encode_content("ü".encode() * 40_000, base64_encoded=False)


def test_poison_queues_have_none_of_their_own() -> None:
    assert poison_queue_of("work") == "work-poison"
    assert poison_queue_of("work-poison") is None
    assert poison_queue_of("w" * 60) is None
