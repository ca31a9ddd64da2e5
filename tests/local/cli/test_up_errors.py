"""What keeps a stack from starting is said in one line, with what to do, before anything is started."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from local.cli import main
from local.stack.options import default_settings
from local.stack.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path


def _up(data: Path, *more: str) -> list[str]:
    """`up` on ports that are free, unless ``more`` says otherwise."""
    return ["up", "--data", str(data), "--port", "0", "--hub-port", "0", *more]


def _error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def test_a_broken_settings_file_is_named_with_line_and_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "local.settings.json"
    settings.write_text('{\n  "Values": {\n    "A" 1\n  }\n}\n')
    line = _error(_up(tmp_path / "data", "--settings", str(settings)), capsys)
    assert str(settings) in line
    assert "line 3 column 9" in line


def test_a_settings_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = _error(_up(tmp_path, "--settings", str(tmp_path / "none.json")), capsys)
    assert "local.settings.sample.json" in line


@pytest.mark.parametrize("option", ["--port", "--hub-port", "--storage-port"])
def test_a_taken_port_names_its_option(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = _error(_up(tmp_path, option, str(port)), capsys)
    assert f"port {port}" in line
    assert f"{option} PORT" in line


def test_a_data_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert "--data DIR" in _error(_up(tmp_path / "file" / "data"), capsys)


def test_core_tools_that_are_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "azure-functions-core-tools" in _error(_up(tmp_path, "--host", "func"), capsys)


def test_a_hub_of_the_settings_that_is_not_set_names_the_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "local.settings.json"
    settings.write_text("{}")
    monkeypatch.delenv("AZURE_EVENTHUB_CONNECTION_STRING", raising=False)
    line = _error(_up(tmp_path, "--hub", "settings", "--settings", str(settings)), capsys)
    assert "AZURE_EVENTHUB_CONNECTION_STRING" in line


@pytest.mark.parametrize("arguments", [["up", "--port", "70000"], ["up", "--workers", "0"], ["consume", "--max", "x"]])
def test_a_number_that_makes_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["up", "--host", "docker"], ["up", "--hub", "kafka"], ["consume", "--from", "now"]]
)
def test_a_word_that_is_none_of_the_known_ones_names_them(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {arguments[1]}: {arguments[2]!r} is none of " in said


def test_no_command_at_all_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr().err
    assert all(f"\n    {command}" in said for command in ("up", "consume", "hub", "host", "azurite", "reference"))


def test_the_sample_settings_are_what_a_person_without_own_ones_gets() -> None:
    assert default_settings().name in {"local.settings.json", "local.settings.sample.json"}


def test_consume_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    assert "make run" in _error(["consume", "--hub-port", str(port)], capsys)
