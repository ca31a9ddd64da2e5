"""Sends what functions put out to queues, after they have returned."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from local.functions_host.bindings import QueueOutput
from local.functions_host.queue_message import encode_content, output_contents
from local.functions_host.storage import queue_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.functions.meta import Datum
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

    from local.functions_host.indexing import IndexedFunction
    from local.functions_host.settings import AppSettings


class OutputSender:
    """One per worker: its clients are made when first needed, and kept."""

    def __init__(self, settings: AppSettings, *, base64_encoded: bool, sent: Callable[[str], None]) -> None:
        self._settings = settings
        self._base64_encoded = base64_encoded
        self._sent = sent
        """Called with a queue's name after messages were sent to it: its listener needs no poll."""
        self._services: dict[str, QueueServiceClient] = {}
        self._queues: dict[tuple[str, str], QueueClient] = {}

    async def send(self, function: IndexedFunction, outputs: Mapping[str, Datum]) -> None:
        """Send the queue messages among ``outputs``, in order; a missing queue is made.

        Raises SettingMissingError, or whatever storage has to say: the invocation has then failed, and some of its
        messages may have been sent.
        """
        for output in function.outputs:
            if isinstance(output, QueueOutput) and output.parameter in outputs:
                queue = self._queue(output)
                for content in output_contents(outputs[output.parameter]):
                    text = encode_content(content, base64_encoded=self._base64_encoded)
                    await send_making_queue(queue, text)
                self._sent(queue.queue_name)

    def sent_to(self, queue_name: str) -> None:
        """Messages came into ``queue_name`` by other ways than `send`."""
        self._sent(queue_name)

    async def close(self) -> None:
        for service in self._services.values():
            await service.close()

    def _queue(self, output: QueueOutput) -> QueueClient:
        connection = self._settings.storage_connection(output.connection)
        name = self._settings.resolve(output.queue).lower()
        if (connection, name) not in self._queues:
            if connection not in self._services:
                self._services[connection] = queue_service(connection, retries=True)
            self._queues[connection, name] = self._services[connection].get_queue_client(name)
        return self._queues[connection, name]


async def send_making_queue(queue: QueueClient, text: str) -> None:
    """Put ``text`` into ``queue`` as it is; a missing queue is made."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text)
