"""What several folders of tests share: the real storage emulator, started once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from local.azurite import Azurite

if TYPE_CHECKING:
    from collections.abc import Iterator


# How long an example takes says more about the machine than about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite on free ports. A test that stops it starts it again; its data outlive a ``restart``."""
    folder = tmp_path_factory.mktemp("azurite")
    with Azurite(location=folder / "data", log_path=folder / "azurite.log") as running:
        yield running
