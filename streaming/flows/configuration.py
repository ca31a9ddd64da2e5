"""The configuration in force: defaults ← environment ← stored."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared import telemetry
from streaming.core.config import RealtimeConfig, effective, from_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.ports import Control

logger = logging.getLogger(__name__)


class Configuration:
    """Knows what the environment sets; asked with what is stored."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """``environment`` maps keys of the configuration, such as ``burst``, to texts."""
        self._environment, self.wrong = from_environment(environment)
        """``wrong``: the keys that the environment sets to something impossible, with the reason."""
        self._reported = ""

    def of(self, control: Control) -> RealtimeConfig:
        """What is in force. Never fails: what contradicts itself is left out, and said so in the log."""
        stored = control.config.value if control.config else {}
        for environment, kept in ((self._environment, stored), ({}, stored), ({}, {})):
            try:
                return effective(environment, kept)
            except ValidationError as error:
                if str(error) != self._reported:  # Once, not with every window's read.
                    self._reported = str(error)
                    telemetry.warning(logger, "configuration_contradicts_itself", detail=self._reported)
        return RealtimeConfig()

    def updated(self, control: Control, update: Mapping[str, object]) -> RealtimeConfig:
        """What would be in force after ``update``. Raises ``pydantic.ValidationError`` naming each wrong key."""
        stored = control.config.value if control.config else {}
        return effective(self._environment, stored, update)
