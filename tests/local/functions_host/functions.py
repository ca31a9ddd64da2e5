"""Indexed functions and a runner for tests that need no process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import azure.functions as func

from local.functions_host.indexing import IndexedFunction, index_function
from local.functions_host.invocation import Invoker
from local.functions_host.outputs import OutputSender
from local.functions_host.running import FunctionRunner
from local.functions_host.settings import AppSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


def timer_function(
    call: Callable[[func.TimerRequest], Awaitable[None]], *, schedule: str = "* * * * * *"
) -> IndexedFunction:
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule=schedule)
    async def tick(timer: func.TimerRequest) -> None:
        await call(timer)

    return index_function(app.get_functions()[0])


def queue_function(call: Callable[[func.QueueMessage], Awaitable[None]], *, queue: str) -> IndexedFunction:
    app = func.FunctionApp()

    @app.queue_trigger(arg_name="msg", queue_name=queue, connection="")
    async def work(msg: func.QueueMessage) -> None:
        await call(msg)

    return index_function(app.get_functions()[0])


@asynccontextmanager
async def function_runner(
    connection: str = "", *, sent: Callable[[str], None] = lambda _: None
) -> AsyncIterator[FunctionRunner]:
    """``connection``: the storage that outputs go to."""
    outputs = OutputSender(AppSettings({"AzureWebJobsStorage": connection}), base64_encoded=True, sent=sent)
    with ThreadPoolExecutor(max_workers=2) as executor:
        try:
            yield FunctionRunner(invoker=Invoker(executor), outputs=outputs)
        finally:
            await outputs.close()
