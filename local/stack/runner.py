"""Run a stack until somebody stops it: start in order, keep alive, show, stop in order."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from local.errors import LocalError
from local.stack.data_folder import claimed
from local.stack.services import plan_services
from local.stack.stream import StreamApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.stack.child import Child
    from local.stack.options import StackOptions
    from local.stack.services import Services
    from local.stack.stream import Snapshot

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FIRST_RESTART_SECONDS: Final = 0.5
_LONGEST_RESTART_SECONDS: Final = 15.0
_STEADY_SECONDS: Final = 30.0
"""A process that ran this long had started well: what ends it now is a new matter."""


class Screen(Protocol):
    """Where a person sees what the stack does."""

    @property
    def show_every_seconds(self) -> float:
        """How often it wants to know how the stream does."""

    def say(self, text: str) -> None:
        """Something happened: one line, or several."""

    def ready(self, services: Services) -> None:
        """Everything runs."""

    def show(self, snapshot: Snapshot, *, monotonic_seconds: float) -> None:
        """How the stream does."""


class _Audience:
    """A screen that may go away (a closed terminal, a pipe whose reader has ended): then the stack is to stop."""

    def __init__(self, screen: Screen, stop: asyncio.Event) -> None:
        self._screen = screen
        self._stop = stop
        self.show_every_seconds = screen.show_every_seconds

    def say(self, text: str) -> None:
        self._tell(lambda: self._screen.say(text))

    def warn(self, text: str) -> None:
        """Hand on a warning of a child, unless it is about being stopped."""
        if not self._stop.is_set():
            self.say(text)

    def ready(self, services: Services) -> None:
        self._tell(lambda: self._screen.ready(services))

    def show(self, snapshot: Snapshot, *, monotonic_seconds: float) -> None:
        self._tell(lambda: self._screen.show(snapshot, monotonic_seconds=monotonic_seconds))

    def _tell(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError:
            self._stop.set()


def run_stack(options: StackOptions, screen: Screen) -> None:
    """Return when the stack was asked to stop, by Ctrl-C, SIGTERM or a closed terminal, and nothing is left of it.

    A second signal ends it without waiting for what is under way. Raises LocalError when it can't start.
    """
    stop = asyncio.Event()
    audience = _Audience(screen, stop)
    with ExitStack() as held:
        try:
            with _interruptible():
                lock = held.enter_context(claimed(options.data, url=options.url, report=audience.say))
                services = plan_services(options, keeps_open=(lock,), say=audience.say, warn=audience.warn)
        except KeyboardInterrupt:
            audience.say("stopped before anything was started.")
            return
        asyncio.run(_run(services, options, audience, stop))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end what blocks (an installation takes a while), as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _run(services: Services, options: StackOptions, audience: _Audience, stop: asyncio.Event) -> None:
    loop, hurry = asyncio.get_running_loop(), asyncio.Event()

    def interrupted() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupted)
    try:
        serving = asyncio.create_task(_serve(services, options, audience))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            audience.say("stopping …")
        await _cancel(serving, stopped)
        await _stop(services, hurry)
        if not serving.cancelled():
            serving.result()
        audience.say(f"stopped. The data stay in {options.data}, and the next start goes on from there.")
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _serve(services: Services, options: StackOptions, screen: _Audience) -> None:
    for child in services.in_order:
        screen.say(f"starting the {child.name}")
        await child.start()
    async with StreamApi(options.url, key=services.read_key()) as api:
        if options.stream:
            screen.say("starting a stream")
        if options.stream and (why := await api.start()):
            screen.say(f"the stream was not started: {why}")
        screen.ready(services)
        async with asyncio.TaskGroup() as tasks:
            for child in services.in_order:
                tasks.create_task(_keep_alive(child, screen))
            tasks.create_task(_show(api, screen))


async def _show(api: StreamApi, screen: _Audience) -> None:
    while True:
        screen.show(await api.snapshot(), monotonic_seconds=time.monotonic())
        await asyncio.sleep(screen.show_every_seconds)


async def _keep_alive(child: Child, screen: _Audience) -> None:
    """Start ``child`` again whenever it ends, sooner after a long run than after a short one."""
    delay_seconds = _FIRST_RESTART_SECONDS
    while True:
        started = time.monotonic()
        screen.say(await child.ended())
        if time.monotonic() - started > _STEADY_SECONDS:
            delay_seconds = _FIRST_RESTART_SECONDS
        back = False
        while not back:
            screen.say(f"starting the {child.name} again in {delay_seconds:g} s")
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(delay_seconds * 2, _LONGEST_RESTART_SECONDS)
            try:
                await child.start()
            except LocalError as problem:
                screen.say(str(problem))
            else:
                back = True
        screen.say(f"the {child.name} is back")


async def _cancel(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _stop(services: Services, hurry: asyncio.Event) -> None:
    """The host first, which commits what it has sent; then the hub; the storage last, which all of them write to.

    In a hurry the first two are killed. The storage is always asked: a kill would lose its last writes.
    """
    *others, storage = reversed(services.in_order)
    orderly = asyncio.create_task(_stop_each(others))
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait({orderly, hurried}, return_when=asyncio.FIRST_COMPLETED)
    await _cancel(orderly, hurried)
    for child in others:
        await child.kill()
    await storage.stop()


async def _stop_each(children: list[Child]) -> None:
    for child in children:
        await child.stop()
