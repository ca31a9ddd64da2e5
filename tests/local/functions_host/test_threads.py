"""Synchronous functions share a thread pool of the asked-for size; asynchronous ones answer meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from local.functions_host.settings import AppSettings
from local.functions_host.worker import _thread_count
from tests.local.functions_host.app_host import serving
from tests.local.functions_host.conditions import eventually

if TYPE_CHECKING:
    from tests.local.functions_host.app_host import AppFolder

_APP = """
    import threading

    go_on = threading.Event()

    @app.route(route="hold")
    def hold(req: func.HttpRequest) -> func.HttpResponse:
        mark("holding")
        go_on.wait()
        return func.HttpResponse("held")

    @app.route(route="free")
    async def free(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("free")

    @app.route(route="release")
    async def release(req: func.HttpRequest) -> func.HttpResponse:
        go_on.set()
        return func.HttpResponse("released")
"""


async def test_a_full_pool_makes_the_next_wait_and_no_asynchronous_function(bare_app: AppFolder) -> None:
    bare_app.write(_APP)
    bare_app.environment["PYTHON_THREADPOOL_THREAD_COUNT"] = "2"
    async with serving(bare_app) as host:
        holding = [asyncio.create_task(host.client.get("/hold")) for _ in range(3)]
        await eventually(lambda: len(bare_app.marks) == 2)
        assert (await host.client.get("/free")).text == "free"
        assert len(bare_app.marks) == 2
        await host.client.get("/release")
        assert [answer.text for answer in await asyncio.gather(*holding)] == ["held"] * 3
        assert len(bare_app.marks) == 3


@pytest.mark.parametrize(("text", "count"), [("3", 3), ("", None), ("0", None), ("many", None)])
def test_the_size_is_a_setting_and_otherwise_pythons_choice(text: str, count: int | None) -> None:
    assert _thread_count(AppSettings({"PYTHON_THREADPOOL_THREAD_COUNT": text})) == count
