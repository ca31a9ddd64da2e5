"""What a running stack looks like: a live panel on a terminal, plain lines without one."""

from __future__ import annotations

import sys
import termios
from collections import deque
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rich.console import RenderableType

    from local.stack.services import Services
    from local.stack.stream import Snapshot

_BARS: Final = "▁▂▃▄▅▆▇█"
_SPARKLINE_SECONDS: Final = 40
_SMOOTHED_SAMPLES: Final = 5
"""Counts grow once per window of about a second, which is as often as they are read: one sample alone jumps."""
_EVENTS_SHOWN: Final = 8
_LOCAL_FLAGS: Final = 3
"""Where termios keeps them."""
_STATUS_COLORS: Final = {"running": "green", "paused": "yellow", "starting": "yellow", "error": "red"}
_BREAKER_COLORS: Final = {"closed": "green", "half_open": "yellow", "open": "red"}


class RateMeter:
    """Events per second, out of a total that is read now and then."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque(maxlen=_SMOOTHED_SAMPLES + 1)
        self.rates: deque[float] = deque(maxlen=_SPARKLINE_SECONDS)

    def read(self, total: int, *, monotonic_seconds: float) -> None:
        if self._readings and total < self._readings[-1][1]:
            self._readings.clear()  # A new session counts from zero.
        self._readings.append((monotonic_seconds, total))
        (since, before), (now, after) = self._readings[0], self._readings[-1]
        if now > since:
            self.rates.append((after - before) / (now - since))

    @property
    def events_per_second(self) -> float:
        return self.rates[-1] if self.rates else 0.0


def sparkline(values: Iterable[float]) -> str:
    """One bar a value, the tallest for the largest; the lowest for zero."""
    values = list(values)
    largest = max(values, default=0.0)
    if largest <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[round(value / largest * (len(_BARS) - 1))] for value in values)


def breaker_state(status: Mapping[str, Any]) -> str:
    breaker = status.get("circuit_breaker")
    return str(breaker.get("state", "-") if isinstance(breaker, dict) else breaker or "-")


class PlainScreen:
    """Lines for a log, a pipe or a test: what happened, when everything is ready, and the totals now and then."""

    show_every_seconds = 5.0

    def __init__(self, output: TextIO = sys.stdout) -> None:
        self._output = output
        self._concerns: frozenset[str] = frozenset()
        """The checks that were not well the last time: said once is enough, though the numbers change."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def say(self, text: str) -> None:
        print(text, file=self._output, flush=True)

    def ready(self, services: Services) -> None:
        self.say(f"ready: {services.url} (API and dashboard), hub at {services.hub_address}")
        self.say(f"log: {_short(services.host_log)}")
        if services.keys_file:
            self.say(f"keys: {_short(services.keys_file)} (send one as x-functions-key)")

    def show(self, snapshot: Snapshot, *, monotonic_seconds: float) -> None:
        del monotonic_seconds  # Nothing moves here.
        self.say(status_line(snapshot))
        for check, concern in snapshot.concerns.items():
            if check not in self._concerns:
                self.say(f"health: {concern}")
        self._concerns = frozenset(snapshot.concerns)


def status_line(snapshot: Snapshot) -> str:
    if snapshot.problem is not None:
        return f"status: unknown, {snapshot.problem}"
    status, statistics = snapshot.status, snapshot.statistics
    return (
        f"status: {status.get('status')}, {status.get('events_sent', 0)} events sent, "
        f"{status.get('events_per_second', 0):.1f}/s, {statistics.get('events_failed', 0)} failed, "
        f"breaker {breaker_state(status)}"
    )


class LiveScreen:
    """A panel that stays at the bottom of the terminal; what happens scrolls above it."""

    show_every_seconds = 1.0

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._meter = RateMeter()
        self._services: Services | None = None
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._quiet = ExitStack()

    def __enter__(self) -> Self:
        self._quiet.enter_context(_without_echo())
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()
        self._quiet.close()

    def say(self, text: str) -> None:
        self._console.print(Text(text, style="dim"))

    def ready(self, services: Services) -> None:
        self._services = services

    def show(self, snapshot: Snapshot, *, monotonic_seconds: float) -> None:
        if self._services is None:
            return
        if snapshot.problem is None:
            self._meter.read(int(snapshot.status.get("events_sent", 0)), monotonic_seconds=monotonic_seconds)
        self._live.update(panel(self._services, snapshot, self._meter), refresh=True)


@contextmanager
def _without_echo() -> Iterator[None]:
    """Keep what is typed, and the ^C, out of the panel."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    silent = list(before)
    silent[_LOCAL_FLAGS] = before[_LOCAL_FLAGS] & ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def panel(services: Services, snapshot: Snapshot, meter: RateMeter) -> RenderableType:
    """The whole view of one moment."""
    body: RenderableType
    if snapshot.problem is not None:
        body = Text(f"no status: {snapshot.problem}", style="red")
    else:
        body = Group(_totals(snapshot, meter), Text(), _events(snapshot.events))
    return Panel(
        Group(_addresses(services, snapshot), Text(), body),
        title="Retail Stream",
        subtitle="Ctrl-C stops everything",
        padding=(1, 2),
        width=None,
    )


def _addresses(services: Services, snapshot: Snapshot) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    state = str(snapshot.status.get("status", "-"))
    breaker = breaker_state(snapshot.status)
    grid.add_row(
        "stream",
        Text.assemble(
            (state, _STATUS_COLORS.get(state, "")),
            f" for {_duration(snapshot.status.get('uptime_seconds') or 0)}, breaker ",
            (breaker, _BREAKER_COLORS.get(breaker, "")),
        ),
    )
    if fault := snapshot.status.get("fault"):
        grid.add_row("", Text(str(fault), style="red"))
    for concern in snapshot.concerns.values():
        grid.add_row("health", Text(concern, style="yellow"))
    grid.add_row("API, dashboard", Text(services.url, style="bold cyan"))
    grid.add_row("event hub", f"{services.hub_address}/{services.hub_name}")
    if services.keys_file:
        grid.add_row("keys", f"{_short(services.keys_file)} (x-functions-key)")
    if services.control_url:
        grid.add_row("faults", f"{services.control_url}/faults")
    grid.add_row("log", _short(services.host_log))
    return grid


def _totals(snapshot: Snapshot, meter: RateMeter) -> Table:
    status, statistics = snapshot.status, snapshot.statistics
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    configured = status.get("configured_events_per_second")
    aim = f" of {configured:,.0f}" if isinstance(configured, int | float) else ""
    grid.add_row(
        "events/s",
        Text.assemble((f"{meter.events_per_second:,.1f}", "bold"), aim, "  ", (sparkline(meter.rates), "green")),
    )
    failed = int(statistics.get("events_failed", 0))
    grid.add_row(
        "sent",
        Text.assemble(
            (f"{int(status.get('events_sent', 0)):,}", "bold"),
            f" events, {int(statistics.get('batches_sent', 0)):,} batches, ",
            f"{_bytes(int(statistics.get('bytes_sent', 0)))}, ",
            (f"{failed:,} failed", "red" if failed else ""),
            f", {int(statistics.get('events_pending', 0)):,} pending",
        ),
    )
    return grid


def _events(events: Iterable[Mapping[str, Any]]) -> RenderableType:
    rows = list(events)[:_EVENTS_SHOWN]
    if not rows:
        return Text("no events yet", style="dim")
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for event in rows:
        table.add_row(
            str(event.get("timestamp", "")).partition("T")[2].rstrip("Z"),
            str(event.get("event_type", "")),
            Text(describe_payload(event.get("payload"))),
        )
    return table


def describe_payload(payload: object) -> str:
    """A payload in one line, without braces and quotes; nothing for what is null."""
    if not isinstance(payload, dict):
        return ""
    return "  ".join(f"{name}={value}" for name, value in payload.items() if value is not None)


def _short(path: Path) -> str:
    """As a person here would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004  (the next unit)
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
