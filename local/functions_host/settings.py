"""``local.settings.json`` and the application settings as the platform reads them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.functions_host.options import StartupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PORTS = 65536
_PLACEHOLDER = re.compile(r"%([^%]+)%")

DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
"""What ``UseDevelopmentStorage=true`` stands for: the emulators' published account, no secret."""


class SettingMissingError(LookupError):
    """A function names a setting that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """The content of ``local.settings.json``."""

    values: dict[str, str] = field(default_factory=dict)
    port: int | None = None
    cors_origins: tuple[str, ...] = ()
    cors_credentials: bool = False
    keys: dict[str, Any] | None = None
    """``Host.Keys``: the shape of ``host-keys.json``, in place of that file."""

    def over(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment of the app: ``Values`` never override what is already there."""
        return {**self.values, **environment}


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in the file at ``path``, {} when there is no file. Raises StartupError, naming line and column."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise StartupError(f"{path} is not JSON, {where}: {error.msg}. Correct it there.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{path} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise StartupError(f"{path} must hold a JSON object")
    return content


def read_local_settings(path: Path) -> LocalSettings:
    """Raises StartupError, in one line that says what to change."""
    content = read_json_object(path)
    if content.get("IsEncrypted"):
        raise StartupError(f"{path} is encrypted: run `func settings decrypt`, or set IsEncrypted to false")
    values, host = content.get("Values") or {}, content.get("Host") or {}
    if not isinstance(values, dict) or not isinstance(host, dict):
        raise StartupError(f"{path}: Values and Host must be JSON objects")
    for name, value in values.items():
        if not isinstance(value, str | int | float | bool):
            raise StartupError(f"{path}: the setting {name} must be text, not {type(value).__name__}")
    port = host.get("LocalHttpPort")
    if port is not None and not (isinstance(port, int) and 0 <= port < _PORTS):
        raise StartupError(f"{path}: Host.LocalHttpPort must be a port number, not {port!r}")
    return LocalSettings(
        values={name: _text(value) for name, value in values.items()},
        port=port,
        cors_origins=tuple(origin.strip() for origin in str(host.get("CORS") or "").split(",") if origin.strip()),
        cors_credentials=host.get("CORSCredentials") is True,
        keys=host.get("Keys"),
    )


class AppSettings:
    """Settings by name. As on the platform, case does not matter and ``__`` stands for ``:``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values = {_canonical(name): value for name, value in environment.items()}

    def get(self, name: str) -> str | None:
        return self._values.get(_canonical(name))

    def flag(self, name: str) -> bool:
        return (self.get(name) or "").strip().lower() in {"true", "1"}

    def under(self, prefix: str) -> dict[tuple[str, ...], str]:
        """The settings below ``prefix``, keyed by the lower-cased rest of their path."""
        start = f"{_canonical(prefix)}:"
        return {
            tuple(name[len(start) :].split(":")): value
            for name, value in self._values.items()
            if name.startswith(start)
        }

    def resolve(self, text: str) -> str:
        """``text`` with each ``%NAME%`` replaced by that setting. Raises SettingMissingError."""

        def value(found: re.Match[str]) -> str:
            setting = self.get(found[1])
            if setting is None:
                raise SettingMissingError(f"the setting {found[1]} (in {text!r}) does not exist")
            return setting

        return _PLACEHOLDER.sub(value, text)

    def is_disabled(self, function_name: str) -> bool:
        return self.flag(f"AzureWebJobs.{function_name}.Disabled") or self.flag(
            f"AzureWebJobs_{function_name}_Disabled"
        )

    def storage_connection(self, name: str) -> str:
        """The connection string that a binding calls ``name`` ("" is the host's own). Raises SettingMissingError."""
        wanted = self.resolve(name) or "AzureWebJobsStorage"
        found = self.get(f"AzureWebJobs{wanted}") or self.get(wanted)
        if not found:
            raise SettingMissingError(f"the storage connection string {wanted} is not set")
        return DEVELOPMENT_STORAGE if "usedevelopmentstorage=true" in found.replace(" ", "").lower() else found


def _canonical(name: str) -> str:
    return name.replace("__", ":").lower()


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
