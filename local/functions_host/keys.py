"""Function keys: what ``--auth`` asks of a request, and the file that holds them."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.functions_host.options import StartupError
from local.functions_host.settings import read_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEYS_FILE = "host-keys.json"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HostKeys:
    """All keys of a host. Has no repr: they never reach a log."""

    master: str
    host: tuple[str, ...]
    """Open every function of level FUNCTION."""
    functions: Mapping[str, tuple[str, ...]]
    """By lower-cased function name: open that function only."""

    def allow(self, level: str, function_name: str, given: str | None) -> bool:
        """Whether the key ``given`` opens a function of auth level ``level`` (anonymous, function, admin)."""
        if level == "anonymous":
            return True
        if not given:
            return False
        valid = [self.master]
        if level == "function":
            valid += [*self.host, *self.functions.get(function_name.lower(), ())]
        # Every key is compared, each in constant time.
        return sum(hmac.compare_digest(given.encode(), key.encode()) for key in valid) > 0

    def is_master(self, given: str | None) -> bool:
        return self.allow("admin", "", given)


def parse_keys(content: Mapping[str, Any], source: str) -> HostKeys:
    """``{"masterKey": "…", "functionKeys": {name: key}, "functions": {function: {name: key}}}``."""
    master = content.get("masterKey")
    host, functions = content.get("functionKeys", {}), content.get("functions", {})
    if not isinstance(master, str) or not master:
        raise StartupError(f"{source}: masterKey must be a text that is not empty")
    if not isinstance(functions, dict):
        raise StartupError(f"{source}: functions must be a JSON object")
    return HostKeys(
        master=master,
        host=_named_keys(host, source),
        functions={name.lower(): _named_keys(keys, source) for name, keys in functions.items()},
    )


def load_keys(folder: Path) -> HostKeys:
    """The keys of ``host-keys.json`` in ``folder``, which is made, readable by its owner only, when missing."""
    path = folder / KEYS_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return parse_keys(read_json_object(path), str(path))
    except OSError as error:
        raise StartupError(f"{path} can't be written: {error}") from error
    content = {
        "masterKey": secrets.token_urlsafe(40),
        "functionKeys": {"default": secrets.token_urlsafe(40)},
        "functions": {},
    }
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    return parse_keys(content, str(path))


def _named_keys(keys: object, source: str) -> tuple[str, ...]:
    if not isinstance(keys, dict) or not all(isinstance(key, str) and key for key in keys.values()):
        raise StartupError(f"{source}: keys are JSON objects of names and texts that are not empty")
    return tuple(keys.values())
