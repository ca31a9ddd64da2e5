"""Two stacks never share a data folder."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.errors import LocalError
from local.stack.data_folder import claimed

if TYPE_CHECKING:
    from pathlib import Path


def _say_nothing(_line: str) -> None:
    pass


def test_a_second_stack_is_refused_and_told_where_the_first_one_is(tmp_path: Path) -> None:
    with (
        claimed(tmp_path, url="http://localhost:8000", report=_say_nothing),
        pytest.raises(LocalError, match=rf"already runs at http://localhost:8000 \(process {os.getpid()}\)"),
        claimed(tmp_path, url="http://localhost:9000", report=_say_nothing),
    ):
        pass


def test_the_folder_is_made_and_can_be_claimed_again(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed(tmp_path / "a" / "b", url="http://localhost:8000", report=_say_nothing):
            assert (tmp_path / "a" / "b").is_dir()


def test_after_a_kill_the_next_stack_waits_for_the_child_that_still_writes(tmp_path: Path) -> None:
    """The lock's owner is dead, but a child of it inherited the lock: it is Azurite, writing its data."""
    child_waits = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", "pass"]) as owner:
        owner.wait()
    with claimed(tmp_path, url="http://localhost:8000", report=_say_nothing) as lock:
        child = subprocess.Popen(  # noqa: S603  (the command is ours)
            [sys.executable, "-c", child_waits], stdin=subprocess.PIPE, pass_fds=(lock,)
        )
        (tmp_path / "stack.lock").write_text(f'{{"pid": {owner.pid}, "url": "http://localhost:8000"}}')
    said: list[str] = []

    def end_the_child(line: str) -> None:
        said.append(line)
        child.communicate()

    with child, claimed(tmp_path, url="http://localhost:8000", report=end_the_child):
        assert child.returncode == 0
    assert len(said) == 1


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(LocalError, match=r"cannot write to .*file.*--data DIR"),
        claimed(tmp_path / "file", url="http://localhost:8000", report=_say_nothing),
    ):
        pass
