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
        for command in block.splitlines():
            done = subprocess.run(  # noqa: S603 - our own guide's commands
                ["bash", "-o", "pipefail", "-c", _here(command, stack)],  # noqa: S607 - the machine's shell
                cwd=str(tmp_path),
                env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": _path()},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                failed.append(f"{command}\n{done.returncode} {done.stdout} {done.stderr}")
    assert not failed, "\n\n".join(failed)


def _here(command: str, stack: StackProcess) -> str:
    """The command for this stack, whose port is another one."""
    command = command.replace("http://localhost:8000", stack.url).replace(".local/data", str(stack.data))
    return re.sub(r"(python -m local (?:monitor|diagnose))", rf"\1 --url {stack.url}", command)


def _path() -> str:
    """Where ``python`` is the one that runs the tests."""
    return f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"  # noqa: PTH120 - a PATH entry
