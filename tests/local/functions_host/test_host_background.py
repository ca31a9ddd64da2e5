"""Timers, queues, several workers, reloading and the admin routes of a running host."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx

from tests.local.functions_host.app_host import serving
from tests.local.functions_host.conditions import eventually
from tests.processes import process_runs

if TYPE_CHECKING:
    from tests.local.functions_host.app_host import AppFolder

_QUEUES = {"queues": {"maxPollingInterval": "00:00:00.2"}}


async def test_a_request_goes_through_a_queue_to_a_poison_function(app: AppFolder) -> None:
    app.environment["QUEUE"] = f"work{uuid4().hex}"
    app.write(
        """
        @app.route(route="put", methods=["POST"])
        @app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
        def put(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
            out.set(req.get_body().decode())
            return func.HttpResponse(status_code=202)

        @app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
        async def work(msg: func.QueueMessage) -> None:
            mark(f"work {msg.get_body().decode()} {msg.dequeue_count}")
            if msg.get_body() == b"bad":
                raise ValueError("bad")

        @app.queue_trigger(arg_name="msg", queue_name="%QUEUE%-poison", connection="AzureWebJobsStorage")
        async def poison(msg: str) -> None:
            mark(f"poison {msg}")
        """,
        host={"queues": {**_QUEUES["queues"], "maxDequeueCount": 2}},
    )
    async with serving(app) as host:
        assert (await host.client.post("/put", content="good")).status_code == 202
        assert (await host.client.post("/put", content="bad")).status_code == 202
        await eventually(lambda: "poison bad" in app.marks)
        assert await host.stop() == 0
    assert sorted(app.marks) == ["poison bad", "work bad 1", "work bad 2", "work good 1"]


async def test_functions_are_run_by_hand_and_listed(app: AppFolder) -> None:
    app.write("""
        @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
        async def yearly(timer: func.TimerRequest) -> None:
            mark(f"yearly {timer.past_due}")

        @app.queue_trigger(arg_name="msg", queue_name="unused", connection="")
        async def work(msg: func.QueueMessage) -> None:
            mark(f"work {msg.get_body().decode()}")

        @app.route(route="page")
        async def page(req: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse("page")
    """)
    async with serving(app) as host:
        get, post = host.client.get, host.client.post
        assert (await post("/admin/functions/Yearly", json={"input": ""})).status_code == 202
        assert (await post("/admin/functions/work", json={"input": "by hand"})).status_code == 202
        assert (await post("/admin/functions/none", json={})).status_code == 404
        assert (await post("/admin/functions/page", json={})).status_code == 400
        assert (await post("/admin/functions/work", content="{")).status_code == 400
        await eventually(lambda: sorted(app.marks) == ["work by hand", "yearly False"])

        status = (await get("/admin/host/status")).json()
        assert status["state"] == "Running"
        assert status["errors"] == []
        listed = {function["name"]: function for function in (await get("/admin/functions")).json()}
        assert set(listed) == {"page", "work", "yearly"}
        assert listed["page"]["invoke_url_template"].endswith("/page")
        assert listed["yearly"]["config"]["bindings"][0]["schedule"] == "0 0 0 1 1 *"
        assert (await get("/admin/functions/work")).json() == listed["work"]


async def test_a_timer_ticks_and_stops_with_the_host(app: AppFolder) -> None:
    app.write(
        """
        @app.timer_trigger(arg_name="timer", schedule="%EVERY%")
        async def tick(timer: func.TimerRequest) -> None:
            logging.info("a tick, at level info")
            logging.debug("a tick, at level debug")
            mark("tick")
    """,
        settings={"Values": {"EVERY": "00:00:00.1", "LOG_LEVEL": "DEBUG"}},
    )
    log_file = app.path / "logs" / "host.log"
    async with serving(app, "--log-file", str(log_file)) as host:
        await eventually(lambda: len(app.marks) > 3)
        assert await host.stop() == 0
    assert "DEBUG   tick: a tick, at level debug" in host.log
    assert re.search(
        r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    tick: a tick, at level info$", host.log, re.MULTILINE
    )
    assert "a tick, at level info" in log_file.read_text()


_WORKERS_APP = """
    @app.route(route="pid", auth_level="anonymous")
    async def pid(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(str(os.getpid()), headers={"Connection": "close"})

    @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
    async def tick(timer: func.TimerRequest) -> None:
        mark(f"{os.getpid()} {int(time.time())}")
"""


async def _pid(client: httpx.AsyncClient) -> int:
    return int((await client.get("/pid", headers={"Connection": "close"})).text)


async def test_workers_share_the_port_and_a_timer_survives_its_worker(app: AppFolder) -> None:
    app.write(_WORKERS_APP)
    async with serving(app, "--workers", "2") as host:
        pids: set[int] = set()

        async def have_answered(workers: int) -> bool:
            pids.add(await _pid(host.client))
            return len(pids) == workers

        await eventually(lambda: have_answered(2))
        await eventually(lambda: len(app.marks) > 1)
        (holder,) = {int(line.split()[0]) for line in app.marks}
        os.kill(holder, signal.SIGKILL)
        await eventually(lambda: {int(line.split()[0]) for line in app.marks} - {holder})
        await host.logged("died")
        # Another one was started in its place.
        await eventually(lambda: have_answered(3))
        assert await host.stop() == 0
    # One worker may mark a late tick and the next one in the same second; two workers never share one.
    ticks = {tuple(line.split()) for line in app.marks}
    assert len({second for _, second in ticks}) == len(ticks)
    assert not any(process_runs(pid) for pid in pids)


async def test_workers_end_with_a_supervisor_that_was_killed(app: AppFolder) -> None:
    app.write(_WORKERS_APP)
    app.environment["MAX_WORKERS"] = "2"
    async with serving(app) as host:
        pids: set[int] = set()

        async def both_answer() -> bool:
            pids.add(await _pid(host.client))
            return len(pids) == 2

        await eventually(both_answer)
        await host.stop(signal.SIGKILL)
        await eventually(lambda: not any(process_runs(pid) for pid in pids))


async def test_changes_are_seen_and_a_broken_change_is_survived(bare_app: AppFolder) -> None:
    def write(text: str) -> None:
        bare_app.write(f"""
            @app.route(route="text", auth_level="anonymous")
            async def text(req: func.HttpRequest) -> func.HttpResponse:
                return func.HttpResponse({text})
        """)

    async def answers(text: str) -> bool:
        try:
            return (await host.client.get("/text")).text == text
        except httpx.TransportError:  # The worker that it was sent to has just been told to end.
            return False

    write("'first'")
    async with serving(bare_app, "--watch") as host:
        assert await answers("first")
        write("'second, and longer'")
        await eventually(lambda: answers("second, and longer"))
        write("'third' +")
        await host.logged("waiting for a change")
        write("'fourth'")
        await eventually(lambda: answers("fourth"))
        assert await host.stop() == 0
