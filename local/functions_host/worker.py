"""One worker process: loads the app, serves HTTP, fires timers, polls queues, and stops in good order."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import uvicorn

from local.functions_host.composition import compose
from local.functions_host.host_json import read_host_json
from local.functions_host.indexing import load_app
from local.functions_host.invocation import Invoker
from local.functions_host.listing import lines_of
from local.functions_host.logs import configure_logging, parse_level, rotate_log
from local.functions_host.options import StartupError
from local.functions_host.settings import AppSettings, read_local_settings
from local.functions_host.waiting import happens_within

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from local.functions_host.composition import Host
    from local.functions_host.options import HostOptions
    from local.functions_host.queues import QueueListener
    from local.functions_host.settings import LocalSettings
    from local.functions_host.timers import Timer

_log = logging.getLogger("host")

_REVIVAL_SECONDS = 1.0
"""A timer or listener that broke by a defect of the host starts again after this long."""
_ROTATION_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 120


class _HttpServer(uvicorn.Server):
    """uvicorn, without its own handling of signals, telling when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_worker(
    options: HostOptions,
    listening: socket.socket,
    *,
    number: int = 0,
    lifeline: socket.socket | None = None,
    ready: Callable[[], None],
) -> int:
    """Serve until SIGTERM, SIGINT, or the end of ``lifeline``. Returns the exit code.

    ``number`` tells workers of one host apart (0: the only one). Changes this process: environment, working
    folder, logging, signal handlers. Raises StartupError.
    """
    port = listening.getsockname()[1]
    local_settings = read_local_settings(options.settings_path)
    settings = _enter_app(options, local_settings, port)
    configure_logging(
        level=parse_level(settings.get("LOG_LEVEL")),
        log_file=options.log_file,
        worker=f"worker {number}" if number else "",
    )
    configuration = read_host_json(options.app_root / "host.json", settings)
    try:
        functions = load_app(options.app_root, script=settings.get("PYTHON_SCRIPT_FILE_NAME") or "function_app.py")
    except Exception as error:
        _log.exception("The app can't be loaded: importing it failed, so none of its functions exists")
        raise StartupError(f"{options.app_root} can't be loaded: {error}") from error
    executor = ThreadPoolExecutor(max_workers=_thread_count(settings), thread_name_prefix="function")
    invoker = Invoker(executor)
    base_url = f"http://localhost:{port}"

    async def serve() -> None:
        host = compose(
            functions,
            options=options,
            local_settings=local_settings,
            settings=settings,
            configuration=configuration,
            invoker=invoker,
            base_url=base_url,
        )
        if number <= 1:
            for line in lines_of(functions, base_url=base_url, route_prefix=configuration.route_prefix):
                _log.info(line)
        await _Serving(host, options=options, rotates=number <= 1).run(listening, lifeline, ready)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve())
    executor.shutdown(wait=False, cancel_futures=True)
    if invoker.busy_threads:
        _log.warning("Leaving %d synchronous function(s) that did not end in time", invoker.busy_threads)
        logging.shutdown()
        os._exit(0)  # Python would wait for their threads.
    return 0


class _Serving:
    """The life of a worker from ready to stopped."""

    def __init__(self, host: Host, *, options: HostOptions, rotates: bool) -> None:
        self._host = host
        self._options = options
        self._rotates = rotates
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Event()
        """The grace is over."""

    async def run(self, listening: socket.socket, lifeline: socket.socket | None, ready: Callable[[], None]) -> None:
        server = _HttpServer(
            uvicorn.Config(
                self._host.http,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=max(1, math.ceil(self._options.grace_seconds)),
            ),
            ready,
        )
        async with self._host.resources:
            self._listen_for_signals()
            serving = asyncio.create_task(server.serve([listening]))
            serving.add_done_callback(lambda _: self._stopping.set())
            tasks = [serving, *(asyncio.create_task(self._revive(part)) for part in self._host.background)]
            around = [asyncio.create_task(self._rotate())]
            if lifeline is not None:
                around.append(asyncio.create_task(self._stop_with(lifeline)))
            await self._stopping.wait()
            _log.info("Stopping: running functions have %g s to end", self._options.grace_seconds)
            server.should_exit = True
            await self._end([*tasks, asyncio.create_task(self._host.admin.finish())])
            await _cancel(around)
            if not serving.cancelled():
                serving.result()
        _log.info("Stopped")

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            (self._at_once if self._stopping.is_set() else self._stopping).set()

        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, stop)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for what runs, no longer than the grace; a second signal ends the grace."""
        ending = asyncio.create_task(_all(tasks))
        expiring = asyncio.create_task(happens_within(self._at_once, self._options.grace_seconds))
        await asyncio.wait([ending, expiring], return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            _log.warning("Some functions did not end in time: they are cancelled")
        await _cancel([*tasks, ending, expiring])

    async def _stop_with(self, lifeline: socket.socket) -> None:
        """The supervisor is gone: nobody waits for this worker, and another host may need the port."""
        lifeline.setblocking(False)
        with suppress(OSError):
            await asyncio.get_running_loop().sock_recv(lifeline, 1)
        self._at_once.set()
        self._stopping.set()

    async def _revive(self, part: Timer | QueueListener) -> None:
        while not self._stopping.is_set():
            try:
                await part.run(self._stopping)
            except Exception:  # noqa: BLE001  one broken part must not take the others along
                _log.exception("%s broke and is started again", part.function.name)
                await happens_within(self._stopping, _REVIVAL_SECONDS)

    async def _rotate(self) -> None:
        while self._rotates and self._options.log_file is not None:
            with suppress(OSError):  # Windows renames no file that is open.
                rotate_log(self._options.log_file)
            await asyncio.sleep(_ROTATION_SECONDS)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _enter_app(options: HostOptions, local_settings: LocalSettings, port: int) -> AppSettings:
    """Make this process the app's: its settings in the environment, its folder the working folder."""
    for name, value in local_settings.values.items():
        os.environ.setdefault(name, value)
    os.environ["WEBSITE_HOSTNAME"] = f"localhost:{port}"
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    os.environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    os.chdir(options.app_root)
    return AppSettings(os.environ)


def _thread_count(settings: AppSettings) -> int | None:
    """None is Python's own choice, as on the platform."""
    text = settings.get("PYTHON_THREADPOOL_THREAD_COUNT") or ""
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  not on every system
    except ImportError:
        return None
    return uvloop.new_event_loop
