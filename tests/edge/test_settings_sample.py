"""The sample of local settings shows every setting there is, and nothing secret."""

from __future__ import annotations

import json

from local.paths import ROOT
from shared.settings import SETTINGS, read_settings
from streaming.adapters.event_hubs.connection import NAMESPACE_SETTING, HubConnection, read_hub_connection

TEXT = (ROOT / "local.settings.sample.json").read_text(encoding="utf-8")
VALUES = json.loads(TEXT)["Values"]


def test_no_setting_is_shown_twice() -> None:
    for names in json.loads(TEXT, object_pairs_hook=lambda pairs: pairs):
        listed = [name for name, _ in names[1]] if isinstance(names[1], list) else []
        assert len(listed) == len(set(listed))


def test_every_setting_is_shown() -> None:
    # One of the two ways to name the hub; both at once are refused.
    assert set(SETTINGS) - {NAMESPACE_SETTING} <= set(VALUES)


def test_it_can_be_used_as_it_is_and_says_the_defaults() -> None:
    settings = read_settings(VALUES)
    assert settings.problems == ()
    defaults = read_settings({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert (settings.world, settings.rate_limits, settings.table_prefix, settings.log_level) == (
        defaults.world,
        defaults.rate_limits,
        defaults.table_prefix,
        defaults.log_level,
    )
    assert isinstance(read_hub_connection(VALUES), HubConnection)
