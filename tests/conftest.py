"""What several folders of tests share: the real storage emulator, started once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from local.azurite import Azurite

if TYPE_CHECKING:
    from collections.abc import Iterator


# How long an example takes says more about the machine than about the code. The same code gets the same examples, so
# that a test that fails fails again; `make test ARGS="--hypothesis-profile explore"` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite on free ports. A test that stops it starts it again; its data outlive a ``restart``."""
    folder = tmp_path_factory.mktemp("azurite")
    with Azurite(location=folder / "data", log_path=folder / "azurite.log") as running:
        yield running
