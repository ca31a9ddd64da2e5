"""Our own operations guide, run: every command of it works on a running stack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from local.paths import ROOT
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_RUN: Final = "# not run by the tests"
BLOCKS: Final = re.findall(
    r"```bash\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with StackProcess(tmp_path_factory.mktemp("stack")) as running:
        wait_until(lambda: running.status().get("events_sent", 0) > 0, "the first events")
        yield running


def test_there_are_commands() -> None:
    assert sum(not block.startswith(NOT_RUN) for block in BLOCKS) > 20


@pytest.mark.parametrize("block", BLOCKS)
def test_a_shell_understands_it(block: str) -> None:
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)  # noqa: S607 - the machine's shell


def test_every_command_works_in_the_guides_order(stack: StackProcess, tmp_path: object) -> None:
    failed = []
    for block in BLOCKS:
        if block.startswith(NOT_RUN):
            continue
        failed += [why for command in block.splitlines() if (why := _why_not(_here(command, stack), tmp_path))]
    assert not failed, "\n\n".join(failed)


def _why_not(command: str, folder: object) -> str | None:
    """Why the command never works; None when it does, perhaps not at once: what was stopped has to come to rest."""
    done: list[subprocess.CompletedProcess[str]] = []

    def works() -> bool:
        done.append(
            subprocess.run(  # noqa: S603 - our own guide's commands
                ["bash", "-o", "pipefail", "-c", command],  # noqa: S607 - the machine's shell
                cwd=str(folder),
                env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": _path()},
                capture_output=True,
                text=True,
                check=False,
            )
        )
        return not done[-1].returncode

    try:
        wait_until(works, command)
    except AssertionError as in_vain:
        return f"{in_vain}\n{done[-1].returncode} {done[-1].stdout} {done[-1].stderr}"
    return None


def _here(command: str, stack: StackProcess) -> str:
    """The command for this stack, whose port is another one."""
    command = command.replace("http://localhost:8000", stack.url).replace(".local/data", str(stack.data))
    return re.sub(r"(python -m local (?:monitor|diagnose))", rf"\1 --url {stack.url}", command)


def _path() -> str:
    """Where ``python`` is the one that runs the tests."""
    return f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"  # noqa: PTH120 - a PATH entry
