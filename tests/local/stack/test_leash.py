"""What is leashed ends with its parent, on every kind of machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local import leash
from tests.processes import process_runs

_WAITS = "import os, signal; print(os.getpid(), flush=True); signal.pause()"

_PARENT = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from local import leash
sys.platform = sys.argv[2]
command = leash.leashed([sys.executable, "-c", sys.argv[3]])
# The other system's branch, on this one: the file is run with the platform's name put in its place.
command[3:4] = ["-c", f"import sys; sys.platform={sys.argv[2]!r}; sys.path.insert(0, {sys.argv[1]!r}); "
                      "from local import leash; raise SystemExit(leash.main(sys.argv[1:]))"]
subprocess.run(command)
"""


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_kill_of_the_parent_ends_the_child(platform: str) -> None:
    if platform == "linux" and sys.platform != "linux":
        platform = "darwin"
    root = str(Path(leash.__file__).parent.parent)
    with subprocess.Popen(  # noqa: S603  (the command is ours)
        [sys.executable, "-c", _PARENT, root, platform, _WAITS], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert process_runs(child)
        parent.kill()
        parent.wait()
        while process_runs(child):
            pass


def test_a_child_whose_parent_has_gone_never_starts() -> None:
    """The parent may die between its fork and the moment the kernel is told."""
    command = leash.leashed([sys.executable, "-c", "print('started')"])
    nobody = command.index(str(os.getpid()))
    command[nobody] = "1" if os.getppid() != 1 else "2"
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (the command is ours)
    if sys.platform == "linux":
        assert done.stdout == ""


def test_the_watching_leash_hands_on_a_stop_and_the_exit_code() -> None:
    program = (
        "import signal, sys\n"
        "def stop(*_):\n    sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('up', flush=True)\n"
        "signal.pause()\n"
    )
    root = str(Path(leash.__file__).parent.parent)
    watch = (
        f"import sys; sys.path.insert(0, {root!r}); sys.platform = 'darwin'\n"
        "from local import leash; raise SystemExit(leash.main(sys.argv[1:]))"
    )
    with subprocess.Popen(  # noqa: S603  (the command is ours)
        [sys.executable, "-c", watch, str(os.getpid()), sys.executable, "-c", program], stdout=subprocess.PIPE
    ) as leashed:
        assert leashed.stdout is not None
        assert leashed.stdout.readline() == b"up\n"
        leashed.send_signal(signal.SIGTERM)
        assert leashed.wait() == 7
