from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import azure.functions as func

from local.functions_host.composition import compose, host_id_of
from local.functions_host.host_json import HostConfiguration, QueueOptions
from local.functions_host.indexing import index_function
from local.functions_host.invocation import Invoker
from local.functions_host.options import HostOptions
from local.functions_host.queues import QueueListener
from local.functions_host.settings import AppSettings, LocalSettings
from tests.local.functions_host.functions import queue_function

if TYPE_CHECKING:
    from pathlib import Path

    from local.functions_host.composition import Host
    from local.functions_host.indexing import IndexedFunction

_STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}


async def _ignore(message: func.QueueMessage) -> None:
    del message


def _timer(schedule: str) -> IndexedFunction:
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule=schedule)
    async def tick(timer: func.TimerRequest) -> None:
        del timer

    return index_function(app.get_functions()[0])


def _compose(folder: Path, functions: list[IndexedFunction], settings: dict[str, str]) -> Host:
    return compose(
        functions,
        options=HostOptions(app_root=folder),
        local_settings=LocalSettings(),
        settings=AppSettings(settings),
        configuration=HostConfiguration(queues=QueueOptions()),
        invoker=Invoker(ThreadPoolExecutor(max_workers=1)),
        base_url="http://localhost:1",
    )


async def test_an_output_wakes_the_listener_of_its_queue_and_no_other(tmp_path: Path) -> None:
    functions = [queue_function(_ignore, queue="%MINE%"), queue_function(_ignore, queue="other")]
    host = _compose(tmp_path, functions, {**_STORAGE, "MINE": "Mine"})
    async with host.resources:
        mine, other = (part for part in host.background if isinstance(part, QueueListener))
        assert mine.queue_name == "mine"  # Storage knows lower case only.
        mine.runner.outputs.sent_to("mine")
        assert mine._wake.is_set()
        assert not other._wake.is_set()


async def test_what_can_not_be_served_is_in_error_and_what_is_disabled_is_not_started(tmp_path: Path) -> None:
    broken = _compose(tmp_path, [_timer("99 * * * * *")], _STORAGE)
    async with broken.resources:
        assert broken.background == ()
    # Without a storage connection there is no lease.
    assert _compose(tmp_path, [_timer("* * * * * *")], {}).background == ()
    disabled = {**_STORAGE, "AzureWebJobs.tick.Disabled": "1"}
    assert _compose(tmp_path, [_timer("* * * * * *")], disabled).background == ()
    served = _compose(tmp_path, [_timer("* * * * * *")], _STORAGE)
    async with served.resources:
        assert len(served.background) == 1


async def test_a_schedule_that_is_none_is_named_with_its_setting(tmp_path: Path) -> None:
    host = _compose(tmp_path, [_timer("%WHEN%")], {**_STORAGE, "WHEN": "soon"})
    async with host.resources:
        assert host.admin._status()["errors"] == [
            "tick: its schedule %WHEN%: 'soon' is no schedule: five or six fields, or hh:mm:ss"
        ]


def test_locks_of_two_apps_and_of_one_app_twice(tmp_path: Path) -> None:
    settings = AppSettings({})
    assert host_id_of(tmp_path / "a", settings) == host_id_of(tmp_path / "a", settings)
    assert host_id_of(tmp_path / "a", settings) != host_id_of(tmp_path / "b", settings)
    assert host_id_of(tmp_path, AppSettings({"AzureFunctionsWebHost__hostid": "Mine"})) == "mine"
