"""A child starts, is watched, and ends with everything that it started itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from local.errors import LocalError
from local.stack.child import Child, ChildSpec
from tests.processes import process_runs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

_WAITS_FOR_SIGTERM = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("up", flush=True)
open(sys.argv[1], "w").close()
signal.sigwait([signal.SIGTERM])
print("down", flush=True)
"""

_IGNORES_SIGTERM_WITH_A_GRANDCHILD = """
import signal, subprocess, sys, pathlib
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
part = pathlib.Path(sys.argv[1] + ".part")
part.write_text(str(grandchild.pid))
part.rename(sys.argv[1])
grandchild.wait()
"""


def _exists(path: Path) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return path.exists()  # noqa: ASYNC240  (a moment)

    return ready


def _child(program: str, flag: Path, *, on_line: Callable[[str], None] = print, **more: Any) -> Child:
    spec = ChildSpec(name="child", command=(sys.executable, "-c", program, str(flag)), ready=_exists(flag), **more)
    return Child(spec, on_line=on_line)


async def test_it_is_started_when_it_is_ready_and_stopped_when_it_has_ended(tmp_path: Path) -> None:
    lines: list[str] = []
    child = _child(_WAITS_FOR_SIGTERM, tmp_path / "flag", on_line=lines.append)
    await child.start()
    pid = child.pid
    assert pid is not None
    assert process_runs(pid)
    await child.stop()
    assert not process_runs(pid)
    assert lines == ["up", "down"]


async def test_one_that_ends_before_it_is_ready_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    child = _child("print('the reason'); raise SystemExit(3)", tmp_path / "never")
    with pytest.raises(LocalError, match=r"child ended with exit code 3 before it was ready\n  \| the reason"):
        await child.start()
    assert child.pid is None


async def test_one_that_has_ended_is_not_ready_though_somebody_else_answers_in_its_place(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    child = _child("", flag)

    async def ready() -> bool:
        assert child.pid is not None
        await asyncio.to_thread(os.waitid, os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        return True

    child.spec = replace(child.spec, ready=ready)
    with pytest.raises(LocalError, match="child ended with exit code 0 before it was ready"):
        await child.start()


async def test_one_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    child = _child("import signal; signal.pause()", tmp_path / "never", start_seconds=0.0)
    with pytest.raises(LocalError, match="was not ready in 0 s"):
        await child.start()
    assert child.pid is None


async def test_a_kill_from_outside_is_noticed_and_it_starts_again(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    child = _child(_WAITS_FOR_SIGTERM, flag)
    await child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert (await child.ended()).splitlines()[0] == "the child was killed by SIGKILL"
    await child.start()
    assert child.pid not in (None, first)
    await child.stop()


async def test_what_ignores_a_stop_is_killed_with_its_own_children(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    child = _child(_IGNORES_SIGTERM_WITH_A_GRANDCHILD, flag, stop_seconds=0.0)
    await child.start()
    grandchild = int(flag.read_text())
    assert process_runs(grandchild)
    await child.stop()
    while process_runs(grandchild):
        pass


async def test_output_may_go_to_a_file(tmp_path: Path) -> None:
    output = tmp_path / "logs" / "child.log"
    child = _child(_WAITS_FOR_SIGTERM, tmp_path / "flag", output=output)
    await child.start()
    await child.stop()
    assert output.read_text() == "up\ndown\n"


async def test_a_very_long_line_holds_nothing_up(tmp_path: Path) -> None:
    lines: list[str] = []
    child = _child("print('x' * 5_000_000)" + _WAITS_FOR_SIGTERM, tmp_path / "flag", on_line=lines.append)
    await child.start()
    await child.stop()
    assert lines[-2:] == ["up", "down"]
