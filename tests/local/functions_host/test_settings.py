from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from local.functions_host.host_json import QueueOptions, parse_time_span, read_host_json
from local.functions_host.options import StartupError
from local.functions_host.settings import (
    DEVELOPMENT_STORAGE,
    AppSettings,
    LocalSettings,
    SettingMissingError,
    read_local_settings,
)

if TYPE_CHECKING:
    from pathlib import Path


def _written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_values_never_override_the_environment(tmp_path: Path) -> None:
    path = _written(tmp_path, "s.json", {"Values": {"A": "file", "B": "file", "Flag": True, "Number": 3}})
    settings = read_local_settings(path)
    assert settings.over({"A": "environment", "C": "environment"}) == {
        "A": "environment",
        "B": "file",
        "C": "environment",
        "Flag": "true",
        "Number": "3",
    }


def test_the_host_section(tmp_path: Path) -> None:
    path = _written(
        tmp_path, "s.json", {"Host": {"LocalHttpPort": 8000, "CORS": "http://a, http://b", "CORSCredentials": True}}
    )
    assert read_local_settings(path) == LocalSettings(
        port=8000, cors_origins=("http://a", "http://b"), cors_credentials=True
    )


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert read_local_settings(tmp_path / "none.json") == LocalSettings()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"Values": {\n  "A": }', "line 2 column 8"),
        ("[1]", "JSON object"),
        ({"IsEncrypted": True}, "decrypt"),
        ({"Values": {"A": {}}}, "A must be text"),
        ({"Values": [1]}, "Values and Host"),
        ({"Host": {"LocalHttpPort": "8000"}}, "LocalHttpPort"),
    ],
)
def test_a_broken_settings_file_is_named_with_what_is_wrong(tmp_path: Path, content: object, named: str) -> None:
    path = _written(tmp_path, "s.json", content)
    with pytest.raises(StartupError, match=named) as raised:
        read_local_settings(path)
    assert "s.json" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_placeholders_are_resolved_from_settings() -> None:
    settings = AppSettings({"Schedule": "* * * * * *", "a__b": "deep"})
    assert settings.resolve("%SCHEDULE%") == "* * * * * *"
    assert settings.resolve("x-%a:b%-%a__b%") == "x-deep-deep"
    assert settings.resolve("plain") == "plain"
    with pytest.raises(SettingMissingError, match="NOPE"):
        settings.resolve("%NOPE%")


@pytest.mark.parametrize("name", ["Orders", ""])
@pytest.mark.parametrize("prefix", ["", "AzureWebJobs"])
def test_a_connection_is_found_under_both_names(name: str, prefix: str) -> None:
    key = prefix + (name or "Storage" if prefix else name or "AzureWebJobsStorage")
    assert AppSettings({key: "UseLater"}).storage_connection(name) == "UseLater"


def test_the_connection_of_the_emulator_is_spelled_out() -> None:
    settings = AppSettings({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert settings.storage_connection("AzureWebJobsStorage") == DEVELOPMENT_STORAGE
    with pytest.raises(SettingMissingError, match="Orders"):
        settings.storage_connection("Orders")


@pytest.mark.parametrize(
    ("name", "value", "disabled"),
    [
        ("AzureWebJobs.tick.Disabled", "true", True),
        ("AzureWebJobs.tick.Disabled", "1", True),
        ("AzureWebJobs_tick_Disabled", "True", True),
        ("AzureWebJobs.tick.Disabled", "false", False),
        ("AzureWebJobs.tock.Disabled", "true", False),
    ],
)
def test_functions_are_disabled_by_setting(name: str, value: str, disabled: bool) -> None:
    assert AppSettings({name: value}).is_disabled("tick") is disabled


def test_host_json_has_the_platforms_defaults(tmp_path: Path) -> None:
    configuration = read_host_json(tmp_path / "host.json", AppSettings({}))
    assert configuration.route_prefix == "api"
    assert configuration.queues == QueueOptions(
        batch_size=16,
        new_batch_threshold=8,
        max_polling_interval_seconds=60,
        visibility_timeout_seconds=0,
        max_dequeue_count=5,
        base64=True,
    )


def test_host_json_is_read_and_overridden_by_settings(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        "host.json",
        {
            "extensions": {
                "http": {"routePrefix": ""},
                "queues": {
                    "batchSize": 1,
                    "maxPollingInterval": "00:00:02",
                    "visibilityTimeout": "00:00:30",
                    "maxDequeueCount": 3,
                    "messageEncoding": "none",
                },
            }
        },
    )
    environment = {"AzureFunctionsJobHost__extensions__queues__maxDequeueCount": "9"}
    configuration = read_host_json(path, AppSettings(environment))
    assert configuration.route_prefix == ""
    assert configuration.queues == QueueOptions(
        batch_size=1,
        new_batch_threshold=0,
        max_polling_interval_seconds=2,
        visibility_timeout_seconds=30,
        max_dequeue_count=9,
        base64=False,
    )


@pytest.mark.parametrize(
    "queues",
    [
        {"batchSize": 33},
        {"batchSize": 0},
        {"maxPollingInterval": "soon"},
        {"messageEncoding": "hex"},
        {"batchSize": []},
    ],
)
def test_a_host_json_the_platform_would_refuse_is_refused(tmp_path: Path, queues: dict[str, object]) -> None:
    path = _written(tmp_path, "host.json", {"extensions": {"queues": queues}})
    with pytest.raises(StartupError, match=r"host\.json"):
        read_host_json(path, AppSettings({}))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:01:00", timedelta(minutes=1)),
        ("1.02:03:04.5", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("10:30", timedelta(hours=10, minutes=30)),
    ],
)
def test_time_spans(text: str, span: timedelta) -> None:
    assert parse_time_span(text) == span
