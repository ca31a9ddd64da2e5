"""Settings → adapters → flows. Built once per process, lazily: the first function that needs a part makes it.

The only place that reads the environment, makes random generators and names this process. ``adapters.py`` makes what
touches the outside, ``worlds.py`` the retail worlds, ``application.py`` the flows of both.
"""

from __future__ import annotations

import gc
import os
from functools import cache

from shared.settings import read_settings
from streaming.wiring.adapters import SettingsError
from streaming.wiring.application import Application

__all__ = [
    "Application",
    "SettingsError",
    "application",
    "drain_queue",
    "shard_queue",
    "stage_queue",
    "stream_schedule",
]


def stream_schedule() -> str:
    """The stream timer's schedule: known when the functions are indexed, also where the setting is missing or wrong."""
    return read_settings(os.environ).schedule


def stage_queue() -> str:
    """Where days are asked for."""
    return f"{_queue_prefix()}-outbox-stage"


def drain_queue() -> str:
    """Where drains are asked for."""
    return f"{_queue_prefix()}-outbox-drain"


def shard_queue() -> str:
    """Where runners of shards are asked for."""
    return f"{_queue_prefix()}-shard-run"


def _queue_prefix() -> str:
    return read_settings(os.environ).table_prefix.lower()


@cache
def application() -> Application:
    """This process's application."""
    made = Application(os.environ)
    made.traces()  # imports what that takes
    # What has been imported stays. Collected again and again with the rest, it would stop a stream for 20 ms each time.
    gc.freeze()
    return made
