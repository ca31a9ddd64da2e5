"""The local stack from the outside: its command line, its processes, its HTTP interface, its event hub."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.paths import ROOT
from local.stack.ports import free_ports, is_free
from tests.e2e.delivered import ask
from tests.processes import process_runs
from tests.stack_process import StackProcess, run_cli, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_one_command_streams_events_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "REALTIME_BATCH_TIMEOUT_MS", "10000"
    )  # Nothing fails or comes twice because the machine is slow.
    with StackProcess(tmp_path) as stack:
        assert (
            f"ready: http://localhost:{stack.port} (API and dashboard), hub at localhost:{stack.hub_port}"
            in stack.output.splitlines()
        )
        wait_until(lambda: stack.status().get("status") == "running", "a stream that runs")
        consumed = run_cli(
            *("consume", "--hub-port", str(stack.hub_port), "--from", "earliest", "--max", "50", "--json")
        )
        assert consumed.returncode == 0, consumed.stderr
        events = [json.loads(line) for line in consumed.stdout.splitlines()]
        assert len({event["trace_id"] for event in events}) == 50
        stack.wait_for_line(r"status: running, \d+ events sent, [\d.]+/s, 0 failed, breaker closed")
        children = stack.children()
        assert len(children) == 3
        assert stack.stop() == 0
    assert not [pid for pid in children if process_runs(pid)]
    assert is_free(stack.port)
    assert is_free(stack.hub_port)


def test_a_second_start_goes_on_with_the_session_of_the_first(tmp_path: Path) -> None:
    with StackProcess(tmp_path) as first:
        wait_until(lambda: first.status().get("events_sent", 0) > 0, "the first events")
        before = ask(first, "GET", "/api/stream/status")
    with StackProcess(tmp_path) as second:
        wait_until(lambda: second.status().get("events_sent", 0) > before["events_sent"], "more events")
        assert ask(second, "GET", "/api/stream/status")["session_id"] == before["session_id"]


def test_no_stream_is_started_when_none_is_wanted(tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream") as stack:
        assert ask(stack, "GET", "/api/stream/status")["status"] == "stopped", stack.output


@pytest.mark.parametrize(
    ("child", "name", "how"),
    [
        ("functions_host", "functions host", signal.SIGKILL),
        ("event_hubs", "event hub", signal.SIGKILL),
        # By SIGTERM: a SIGKILL would lose what it has not written yet, the stream's session among it.
        ("azurite", r"storage \(Azurite\)", signal.SIGTERM),
    ],
)
def test_a_part_that_ends_comes_back_and_the_stream_goes_on(
    child: str, name: str, how: signal.Signals, tmp_path: Path
) -> None:
    with StackProcess(tmp_path) as stack:
        wait_until(lambda: stack.status().get("events_sent", 0) > 0, "the first events")
        before = ask(stack, "GET", "/api/stream/status")
        stack.end_child(child, how)
        stack.wait_for_line(rf"the {name} (was killed by SIGKILL|ended)")
        stack.wait_for_line(rf"the {name} is back")
        sent = max(before["events_sent"], stack.status().get("events_sent", 0))
        wait_until(lambda: stack.status().get("events_sent", 0) > sent, "more events")
        assert ask(stack, "GET", "/api/stream/status")["session_id"] == before["session_id"]


def test_a_kill_of_the_stack_itself_leaves_no_process_and_the_next_start_works(tmp_path: Path) -> None:
    stack = StackProcess(tmp_path)
    stack.start()
    wait_until(lambda: stack.status().get("events_sent", 0) > 0, "events")
    children = stack.children()
    stack.kill()
    with stack:
        assert not [pid for pid in children if process_runs(pid)]
        assert ask(stack, "GET", "/api/stream/status")["is_streaming"]


def test_two_that_start_at_once_have_a_hub_each(tmp_path: Path) -> None:
    first, second = (StackProcess(tmp_path / name) for name in ("first", "second"))
    first.launch()
    try:
        with second:
            first.wait_for_line(r"ready: ")
            for stack in (first, second):
                wait_until(lambda stack=stack: stack.status().get("events_sent", 0) > 0, "events")  # type: ignore[misc]  # a lambda's default
    finally:
        first.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_before_anything_was_started_is_heard_at_once(number: signal.Signals, tmp_path: Path) -> None:
    """Here it waits for a data folder; an installation, which takes a while too, is interrupted alike."""
    with (tmp_path / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stack = StackProcess(tmp_path)
        stack.launch()
        stack.wait_for_line("an earlier stack was killed: waiting")
        assert stack.stop(number) == 0
    assert stack.output.splitlines()[1:] == ["stopped before anything was started."]


def test_an_interruption_while_it_is_loading_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise KeyboardInterrupt\n")
    done = subprocess.run(
        [sys.executable, "-m", "local", "up"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_what_is_in_the_way_is_said_in_one_line(tmp_path: Path) -> None:
    with StackProcess(tmp_path / "first", "--no-stream") as running:
        again = run_cli("up", "--data", str(running.data), "--port", "0", "--hub-port", "0")
        assert_one_line(again, f"error: Retail Stream already runs at http://localhost:{running.port} ", "--data DIR")

        answers: list[subprocess.CompletedProcess[str]] = []

        def is_known() -> bool:
            command = ("up", "--data", str(tmp_path / "second"), "--port", str(running.port), "--hub-port", "0")
            answers.append(run_cli(*command))
            return "taken by another program" not in answers[-1].stderr  # As what doesn't answer at once is said to be.

        wait_until(is_known, "the host to answer")
        assert_one_line(answers[-1], "error: Retail Stream already runs at", "--port PORT")

        hub_taken = run_cli(
            *("up", "--data", str(tmp_path / "second"), "--port", "0", "--hub-port", str(running.hub_port))
        )
        assert_one_line(hub_taken, f"error: port {running.hub_port} (for the event hub) is taken", "--hub-port PORT")


def assert_one_line(done: subprocess.CompletedProcess[str], start: str, end: str) -> None:
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(start)
    assert end in line


def test_a_stack_whose_reader_has_gone_stops_in_order(tmp_path: Path) -> None:
    """`make run | grep -m 1 ready`: nobody looks any more."""
    port, hub_port = free_ports(2)
    command = f"{sys.executable} -m local up --data {tmp_path} --port {port} --hub-port {hub_port} --no-stream"
    shell = subprocess.run(  # noqa: S602  (the pipe is what is tested)
        # Not `head -4`: a warning of the host's may come before.
        f"({command}; echo exit $? >&2) | grep -m 1 ^ready:",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.stdout.splitlines()[-1].startswith("ready: ")
    assert shell.stderr == "exit 0\n"
    assert is_free(port)
    assert is_free(hub_port)
