from __future__ import annotations

import json
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from local.functions_host.keys import KEYS_FILE, HostKeys, load_keys, parse_keys
from local.functions_host.options import StartupError

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = HostKeys(master="m", host=("h",), functions={"start": ("s1", "s2")})


@pytest.mark.parametrize(
    ("level", "function", "given", "allowed"),
    [
        ("anonymous", "start", None, True),
        ("function", "start", None, False),
        ("function", "start", "", False),
        ("function", "start", "wrong", False),
        ("function", "Start", "s2", True),
        ("function", "stop", "s1", False),
        ("function", "stop", "h", True),
        ("function", "stop", "m", True),
        ("admin", "start", "h", False),
        ("admin", "start", "s1", False),
        ("admin", "start", "m", True),
    ],
)
def test_which_key_opens_what(level: str, function: str, given: str | None, allowed: bool) -> None:
    assert _KEYS.allow(level, function, given) is allowed


def test_a_missing_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    made = load_keys(tmp_path / "data")
    path = tmp_path / "data" / KEYS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    assert made.is_master(content["masterKey"])
    assert made.allow("function", "any", content["functionKeys"]["default"])
    assert content["masterKey"] != content["functionKeys"]["default"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keys(tmp_path / "data").is_master(content["masterKey"])


def test_keys_are_not_shown() -> None:
    shown = repr(HostKeys(master="secret-1", host=("secret-2",), functions={"f": ("secret-3",)}))
    assert "secret" not in shown


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"masterKey": ""},
        {"masterKey": 1},
        {"masterKey": "m", "functionKeys": []},
        {"masterKey": "m", "functions": []},
        {"masterKey": "m", "functions": {"f": {"default": ""}}},
    ],
)
def test_a_keys_file_that_is_not_well_formed_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(StartupError, match="here"):
        parse_keys(content, "here")
