"""HTTP functions of a running host."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import pytest

from local.functions_host.http_message import MAX_BODY_BYTES
from tests.local.functions_host.app_host import serving, started
from tests.local.functions_host.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.local.functions_host.app_host import AppFolder

_HTTP_APP = """
    @app.route(route="echo/{name?}", methods=["GET", "POST"], auth_level="anonymous")
    async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return func.HttpResponse(json.dumps({
            "method": req.method, "params": dict(req.params), "route": dict(req.route_params),
            "header": req.headers.get("X-Thing"), "body": req.get_body().decode(),
            "trace": context.trace_context.trace_parent, "function": context.function_name, "cwd": os.getcwd(),
            "hostname": os.environ["WEBSITE_HOSTNAME"], "environment": os.environ["AZURE_FUNCTIONS_ENVIRONMENT"],
            "url": req.url, "setting": os.environ.get("OF_THE_FILE"),
        }), mimetype="application/json")

    @app.route(route="echo/special", methods=["GET"])
    def a_special(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(threading.current_thread().name)

    @app.route(route="broken")
    async def broken(req: func.HttpRequest) -> func.HttpResponse:
        raise ValueError("no secret in the body")

    @app.route(route="strict", auth_level="admin")
    async def strict(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("in")

    @app.route(route="keyed", auth_level="function")
    async def keyed(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("in")

    @app.route(route="{ignored:maxlength(0)?}", methods=["GET"], auth_level="anonymous")
    async def root(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("<p>page</p>", mimetype="text/html")

    @app.route(route="off")
    async def off(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("never")

    @app.route(route="admin/mine")
    async def shadowing(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("never")
"""


async def test_requests_reach_their_functions_as_on_the_platform(bare_app: AppFolder) -> None:
    bare_app.write(
        _HTTP_APP,
        settings={
            "Values": {"AzureWebJobs.off.Disabled": "false", "OF_THE_FILE": "seen"},
            "Host": {"CORS": "http://page.example"},
        },
    )
    # The environment wins over the file.
    bare_app.environment["AzureWebJobs.off.Disabled"] = "true"
    async with serving(bare_app) as host:
        get, post = host.client.get, host.client.post

        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        answer = await post("/ECHO/bob?a=1&a=2&b=", headers={"X-Thing": "one", "traceparent": trace}, content=b"hello")
        seen = answer.json()
        assert answer.headers["content-type"] == "application/json"
        assert seen["method"] == "POST"
        assert seen["params"] == {"a": "1,2"}
        assert seen["route"] == {"name": "bob"}
        assert seen["body"] == "hello"
        assert seen["header"] == "one"
        assert seen["trace"] == trace
        assert seen["function"] == "echo"
        assert seen["environment"] == "Development"
        assert seen["setting"] == "seen"
        assert seen["cwd"] == str(bare_app.path.resolve())
        assert seen["hostname"] == f"localhost:{host.client.base_url.port}"
        assert seen["url"].endswith("/ECHO/bob?a=1&a=2&b=")

        # The first by function name wins.
        assert (await get("/echo/special")).text.startswith("function")
        assert (await get("/echo")).json()["route"] == {}
        assert (await get("/")).text == "<p>page</p>"
        assert (await get("/nothing")).status_code == 404
        assert (await host.client.delete("/echo")).status_code == 404
        assert (await get("/off")).status_code == 404
        assert (await get("/admin/mine")).status_code == 404

        failed = await get("/broken")
        assert (failed.status_code, failed.content) == (500, b"")
        await host.logged("no secret in the body")

        async def chunks() -> AsyncIterator[bytes]:
            yield b"unannounced"

        assert (await post("/echo", content=chunks())).json()["body"] == ""

        granted = await get("/", headers={"Origin": "http://page.example"})
        assert granted.headers["access-control-allow-origin"] == "http://page.example"
        refused = await get("/", headers={"Origin": "http://other.example"})
        assert "access-control-allow-origin" not in refused.headers
        preflight = await host.client.options(
            "/echo", headers={"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}
        )
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-methods"] == "POST"

        assert (await get("/strict")).text == "in"  # Nobody asked for --auth.
        assert await host.stop() == 0
    assert "Traceback" in host.log
    assert "conflicts" in host.log


async def test_a_body_over_the_limit_is_refused(bare_app: AppFolder) -> None:
    bare_app.write(_HTTP_APP)
    async with serving(bare_app) as host:
        reader, writer = await asyncio.open_connection("127.0.0.1", host.client.base_url.port)
        writer.write(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        writer.close()
        await writer.wait_closed()


async def test_keys_are_enforced_when_asked_for(bare_app: AppFolder) -> None:
    bare_app.write(_HTTP_APP)
    data = bare_app.path / "data"
    async with serving(bare_app, "--auth", "--data", str(data)) as host:
        get = host.client.get
        keys = json.loads((data / "host-keys.json").read_text())
        master, default = keys["masterKey"], keys["functionKeys"]["default"]

        assert (await get("/echo")).status_code == 200
        assert (await get("/keyed")).status_code == 401
        assert (await get("/keyed", headers={"x-functions-key": "wrong"})).status_code == 401
        assert (await get("/keyed", headers={"x-functions-key": default})).status_code == 200
        assert (await get("/keyed", params={"code": default})).status_code == 200
        assert (await get("/strict", params={"code": default})).status_code == 401
        assert (await get("/strict", params={"code": master})).status_code == 200
        assert (await get("/admin/host/status")).status_code == 401
        assert (await get("/admin/host/status", headers={"x-functions-key": master})).status_code == 200
    assert master not in host.log
    assert default not in host.log


async def test_keys_may_come_with_the_settings(bare_app: AppFolder) -> None:
    bare_app.write(
        _HTTP_APP,
        settings={"Host": {"Keys": {"masterKey": "m", "functions": {"Keyed": {"mine": "k"}}}}},
    )
    async with serving(bare_app, "--auth") as host:
        assert (await host.client.get("/keyed", params={"code": "k"})).status_code == 200
        assert (await host.client.get("/keyed", params={"code": "m"})).status_code == 200
        assert (await host.client.get("/keyed", params={"code": "x"})).status_code == 401
    assert not (bare_app.path / ".local").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_lets_requests_end(bare_app: AppFolder, number: signal.Signals) -> None:
    bare_app.write("""
        go_on = marks.with_name("go on")

        @app.route(route="slow")
        async def slow(req: func.HttpRequest) -> func.HttpResponse:
            mark("started")
            while not go_on.exists():
                await asyncio.sleep(0.01)
            return func.HttpResponse("done")
    """)
    async with serving(bare_app) as host:
        answering = asyncio.create_task(host.client.get("/slow"))
        await eventually(lambda: bare_app.marks == ["started"])
        host.process.send_signal(number)
        await host.logged("Stopping")
        (bare_app.path / "go on").touch()
        assert (await answering).text == "done"
        assert await host.process.wait() == 0


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_what_does_not_end_within_the_grace_is_left(bare_app: AppFolder, kind: str) -> None:
    wait = "await asyncio.Event().wait()" if kind == "async def" else "threading.Event().wait()"
    bare_app.write(f"""
        @app.route(route="hang")
        {kind} hang(req: func.HttpRequest) -> func.HttpResponse:
            mark("started")
            {wait}
    """)
    async with serving(bare_app, "--grace", "0.2") as host:
        answering = asyncio.create_task(host.client.get("/hang"))
        await eventually(lambda: bare_app.marks == ["started"])
        assert await host.stop() == 0
        await asyncio.gather(answering, return_exceptions=True)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise RuntimeError('broken at import')", "broken at import"),
        ("del app", "Could not find top level function app"),
        ("other = func.FunctionApp()", "More than one FunctionApp"),
        (
            """
            @app.route(route="x")
            async def odd(req: func.HttpRequest, extra: str) -> func.HttpResponse: ...
            """,
            "cannot load the odd function",
        ),
        (
            """
            @app.blob_trigger(arg_name="blob", path="a/{b}", connection="C")
            async def odd(blob: func.InputStream) -> None: ...
            """,
            "--host func",
        ),
    ],
)
async def test_an_app_that_can_not_be_loaded_ends_the_host_with_the_reason(
    bare_app: AppFolder, code: str, told: str
) -> None:
    bare_app.write(code)
    async with started(bare_app) as host:
        assert await host.process.wait() == 2
    assert told in host.log


async def test_a_taken_port_is_told_in_one_line(bare_app: AppFolder) -> None:
    bare_app.write("")
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with started(bare_app, "--port", str(port)) as host:
            assert await host.process.wait() == 2
        assert f"Port {port} is taken" in host.log
        assert "Traceback" not in host.log


async def test_storage_being_down_leaves_http_alone_and_timers_say_so(bare_app: AppFolder) -> None:
    bare_app.write("""
        @app.route(route="alive", auth_level="anonymous")
        async def alive(req: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse("yes")

        @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
        async def tick(timer: func.TimerRequest) -> None:
            mark("tick")
    """)
    port = await _free_port()
    bare_app.environment["AzureWebJobsStorage"] = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;"
        f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;QueueEndpoint=http://127.0.0.1:{port}/devstoreaccount1"
    )
    async with serving(bare_app) as host:
        await host.logged("timers need it for their lease; retrying")
        assert (await host.client.get("/alive")).text == "yes"
        assert await host.stop() == 0
    assert bare_app.marks == []


async def _free_port() -> int:
    """A port where nothing listens."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_a_function_whose_settings_are_missing_is_in_error_alone(bare_app: AppFolder) -> None:
    bare_app.write("""
        @app.route(route="fine", auth_level="anonymous")
        async def fine(req: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse("yes")

        @app.timer_trigger(arg_name="timer", schedule="%NOT_THERE%")
        async def tick(timer: func.TimerRequest) -> None: ...
    """)
    bare_app.environment["AzureWebJobsStorage"] = "UseDevelopmentStorage=true"
    async with serving(bare_app) as host:
        assert (await host.client.get("/fine")).text == "yes"
        (error,) = (await host.client.get("/admin/host/status")).json()["errors"]
    assert "NOT_THERE" in error
