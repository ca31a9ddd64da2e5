from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local.functions_host.app_host import AppFolder

if TYPE_CHECKING:
    from pathlib import Path

    from local.azurite import Azurite


@pytest.fixture
def bare_app(tmp_path: Path) -> AppFolder:
    """A folder for an app that needs no storage."""
    return AppFolder(path=tmp_path)


@pytest.fixture
def app(tmp_path: Path, azurite: Azurite) -> AppFolder:
    """A folder for an app with storage."""
    return AppFolder(path=tmp_path, environment={"AzureWebJobsStorage": azurite.connection_string})
