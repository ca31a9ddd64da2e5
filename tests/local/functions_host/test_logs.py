from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from local.functions_host.logs import configure_logging, parse_level, rotate_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger; as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield root
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (None, logging.INFO),
        ("", logging.INFO),
        ("debug", logging.DEBUG),
        ("Information", logging.INFO),
        ("Warning", logging.WARNING),
        ("CRITICAL", logging.CRITICAL),
        ("nonsense", logging.INFO),
    ],
)
def test_levels(text: str | None, level: int) -> None:
    assert parse_level(text) == level


@pytest.mark.usefixtures("root_logger")
def test_writing_follows_a_rotation(tmp_path: Path) -> None:
    log_file = tmp_path / "logs" / "host.log"
    configure_logging(level=logging.INFO, log_file=log_file, worker="worker 2")
    log = logging.getLogger("somewhere")
    log.info("before")
    log.debug("not at this level")
    assert rotate_log(log_file, largest_bytes=1)
    log.info("after")
    assert log_file.read_text().endswith("INFO    [worker 2] somewhere: after\n")
    assert log_file.with_name("host.log.1").read_text().endswith("somewhere: before\n")
    assert "not at this level" not in log_file.read_text()


def test_only_so_many_old_files_are_kept(tmp_path: Path) -> None:
    log_file = tmp_path / "host.log"
    for number in range(6):
        log_file.write_text(f"file {number}")
        assert rotate_log(log_file, largest_bytes=1, kept=3)
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"host.log.1": "file 5", "host.log.2": "file 4", "host.log.3": "file 3"}


def test_a_small_or_missing_file_is_left_alone(tmp_path: Path) -> None:
    log_file = tmp_path / "host.log"
    assert not rotate_log(log_file)
    log_file.write_text("small")
    assert not rotate_log(log_file)
    assert log_file.read_text() == "small"


@pytest.mark.usefixtures("root_logger")
def test_the_sdks_are_quiet() -> None:
    configure_logging(level=logging.DEBUG, log_file=None)
    assert not logging.getLogger("azure.core.pipeline.policies").isEnabledFor(logging.INFO)
    assert logging.getLogger("azure.core.pipeline.policies").isEnabledFor(logging.WARNING)
