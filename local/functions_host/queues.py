"""Feeds queue functions: polling, batches, invisibility, failures and poison messages as the platform has them."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceNotFoundError

from local.functions_host.invocation import Completed
from local.functions_host.outputs import send_making_queue
from local.functions_host.queue_message import (
    UndecodableMessageError,
    message_datum,
    message_metadata,
    poison_queue_of,
)
from local.functions_host.storage import StorageError, reason
from local.functions_host.waiting import happens_within

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

    from local.functions_host.host_json import QueueOptions
    from local.functions_host.indexing import IndexedFunction
    from local.functions_host.running import FunctionRunner

_log = logging.getLogger("host.queues")

INVISIBLE_SECONDS = 600.0


@dataclass(slots=True, kw_only=True)
class QueueListener:
    """One queue function. Several workers may listen to the same queue."""

    function: IndexedFunction
    queue_name: str
    service: QueueServiceClient
    options: QueueOptions
    runner: FunctionRunner
    invisible_seconds: float = INVISIBLE_SECONDS
    """How long a message is hidden while it is processed."""
    renew_seconds: float | None = None
    """How often it is hidden again; None: at half-life."""
    first_pause_seconds: float = 0.1
    """The pause after a poll that found nothing; it doubles up to the largest of ``options``."""
    _in_process: set[asyncio.Task[None]] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _unreachable: bool = False

    def wake(self) -> None:
        """There are messages: poll now."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until ``stopping`` is set, then wait for the messages in process.

        Cancelled, it gives them back.
        """
        queue = self.service.get_queue_client(self.queue_name)
        relaying = asyncio.create_task(self._end_waits(stopping))
        try:
            await self._poll(queue, stopping)
            await asyncio.gather(*self._in_process)
        finally:
            relaying.cancel()
            for task in self._in_process:
                task.cancel()
            await asyncio.gather(relaying, *self._in_process, return_exceptions=True)

    async def _end_waits(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._wake.set()
        self._room.set()

    async def _poll(self, queue: QueueClient, stopping: asyncio.Event) -> None:
        pause = self.first_pause_seconds
        while not stopping.is_set():
            if len(self._in_process) > self.options.new_batch_threshold:
                self._room.clear()
                await self._room.wait()
                continue
            self._wake.clear()
            messages = await self._receive(queue)
            if stopping.is_set():
                await asyncio.gather(*(self._hand_back(queue, message, 0) for message in messages))
                return
            for message in messages:
                task = asyncio.create_task(self._process(queue, message))
                self._in_process.add(task)
                task.add_done_callback(self._done)
            if messages:
                pause = self.first_pause_seconds
            else:
                if await happens_within(self._wake, pause):
                    pause = self.first_pause_seconds
                    continue
                # Spread, so that workers don't poll in step.
                spread = random.uniform(0.8, 1.2)  # noqa: S311  no secret hangs on it
                pause = min(pause * 2 * spread, self.options.max_polling_interval_seconds)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._in_process.discard(task)
        self._room.set()

    async def _receive(self, queue: QueueClient) -> list[QueueMessage]:
        """One batch; none when the queue is empty, missing, or out of reach."""
        # Shielded by construction: nothing cancels a poll but the end of the grace. A message received by a request
        # that was given up would stay hidden.
        size = self.options.batch_size
        pages = queue.receive_messages(
            messages_per_page=size, max_messages=size, visibility_timeout=int(max(1, self.invisible_seconds))
        ).by_page()
        messages: list[QueueMessage] = []
        try:
            async for page in pages:
                messages = [message async for message in page]
                break
        except ResourceNotFoundError:
            pass  # The queue is not there yet: as good as empty.
        except StorageError as error:
            if not self._unreachable:
                _log.warning("%s can't be polled, retrying: %s", self.queue_name, reason(error))
            self._unreachable = True
            return []
        if self._unreachable:
            _log.info("%s can be polled again", self.queue_name)
        self._unreachable = False
        return messages

    async def _process(self, queue: QueueClient, message: QueueMessage) -> None:
        renewing = asyncio.create_task(self._renew(queue, message))
        try:
            succeeded = await self._invoke(message)
        except UndecodableMessageError as error:
            _log.error("%s: message %s is not base64 (%s)", self.queue_name, message.id, error)
            await self._give_up(queue, message)
        except asyncio.CancelledError:
            await self._hand_back(queue, message, 0)
            raise
        else:
            if succeeded:
                await self._delete(queue, message)
            elif (message.dequeue_count or 0) >= self.options.max_dequeue_count and self._poison_name:
                await self._give_up(queue, message)
            else:
                await self._hand_back(queue, message, self.options.visibility_timeout_seconds)
        finally:
            renewing.cancel()

    @property
    def _poison_name(self) -> str | None:
        return poison_queue_of(self.queue_name)

    async def _invoke(self, message: QueueMessage) -> bool:
        """Whether the function succeeded. Raises UndecodableMessageError."""
        if (message.dequeue_count or 0) > self.options.max_dequeue_count and self._poison_name:
            return False  # Its last worker died with it: once more is too often.
        outcome = await self.runner.run(
            self.function,
            message_datum(message.content, base64_encoded=self.options.base64),
            metadata=message_metadata(message),
            occasion=f"message {message.id}, attempt {message.dequeue_count}",
        )
        return isinstance(outcome, Completed)

    async def _renew(self, queue: QueueClient, message: QueueMessage) -> None:
        while True:
            await asyncio.sleep(self.renew_seconds or self.invisible_seconds / 2)
            with suppress(StorageError):
                renewed = await queue.update_message(message, visibility_timeout=int(self.invisible_seconds))
                message.pop_receipt = renewed.pop_receipt

    async def _delete(self, queue: QueueClient, message: QueueMessage) -> None:
        try:
            await queue.delete_message(message)
        except ResourceNotFoundError:
            pass  # Somebody else has dealt with it.
        except StorageError as error:
            _log.warning("%s: message %s can't be deleted: %s", self.queue_name, message.id, reason(error))

    async def _hand_back(self, queue: QueueClient, message: QueueMessage, delay_seconds: float) -> None:
        try:
            await queue.update_message(message, visibility_timeout=int(delay_seconds))
        except ResourceNotFoundError:
            pass  # Somebody else has dealt with it.
        except StorageError as error:
            _log.warning("%s: message %s can't be handed back: %s", self.queue_name, message.id, reason(error))

    async def _give_up(self, queue: QueueClient, message: QueueMessage) -> None:
        """Copy the message to the poison queue, then delete it. It comes again when the copy fails."""
        if self._poison_name is None:
            await self._delete(queue, message)
            return
        poison = self.service.get_queue_client(self._poison_name)
        try:
            await send_making_queue(poison, message.content)
        except StorageError as error:
            _log.warning("message %s can't be moved to %s: %s", message.id, self._poison_name, reason(error))
            return
        _log.warning("message %s of %s was moved to %s", message.id, self.queue_name, self._poison_name)
        await self._delete(queue, message)
        self.runner.outputs.sent_to(self._poison_name)
