"""One at a time, and a folder that can't be written is said in one line."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.errors import LocalError
from local.file_lock import exclusively


def test_what_is_read_and_written_under_it_is_never_lost(tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0")

    def add_one(_: int) -> None:
        with exclusively(tmp_path / "folder" / "lock"):
            count.write_text(str(int(count.read_text()) + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(400)))
    assert count.read_text() == "400"


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "mkdir", refuse)  # The tests may run as root, who may write anywhere.
    with (
        pytest.raises(LocalError, match=f"cannot write to {tmp_path / 'folder'}: "),
        exclusively(tmp_path / "folder/l"),
    ):
        pass


def test_what_is_refused_to_its_user_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), exclusively(tmp_path / "lock"):
        raise PermissionError
