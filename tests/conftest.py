"""What several folders of tests share: the real storage emulator, started once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from local.azurite import Azurite, StoragePorts
from local.stack.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator


# How long an example takes says more about the machine than about the code. The same code gets the same examples, as
# far as may be, so that what fails fails again; `make test ARGS="--hypothesis-profile explore"` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite on free ports. A test that stops it starts it again; its data outlive a ``restart``."""
    folder = tmp_path_factory.mktemp("azurite")
    blob, queue, table = free_ports(3)  # Not of those that outgoing connections are given while it is stopped.
    ports = StoragePorts(blob=blob, queue=queue, table=table)
    with Azurite(location=folder / "data", log_path=folder / "azurite.log", ports=ports) as running:
        yield running
