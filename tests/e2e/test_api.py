"""The whole API on the running stack: as described, and with storage away."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from streaming.triggers.operations import OPERATIONS, Operation
from tests.e2e.delivered import ask, stop
from tests.stack_process import PATIENCE_SECONDS, StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES: Final = os.environ.get("API_EXAMPLES", "4")
"""For each operation and phase; more for a longer run."""
NOT_CHECKED: Final = (
    "unsupported_method",  # the platform answers 404
    "ignored_auth",  # keys are asked for with --auth alone: tests/e2e/test_auth.py
    "positive_data_acceptance",  # what is valid by itself may still name what there isn't, or contradict itself
    "negative_data_rejection",  # the platform drops empty query values; tests/edge hold what is refused
)
STORAGE_WAS_SLOW: Final = "Storage can't be reached"
"""As a machine that is held up for some seconds makes it look: no fault of the app's, so everything is asked again."""
BODIES: Final = {
    "connection_validate": {"connection_string": "nonsense"},
    "disruption_create": {"disruption_type": "inventory_shortage", "target_id": "store_1"},
    "state_import": {"version": 1, "exported_at": "", "config": {}, "session": None, "shards": []},
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with StackProcess(tmp_path_factory.mktemp("stack")) as running:
        wait_until(lambda: running.status().get("events_sent", 0) > 0, "the first events")
        yield running


def send(stack: StackProcess, name: str, operation: Operation) -> tuple[int, dict[str, str], str]:
    """One request of a route: status, headers and text."""
    path = operation.path.format(**dict.fromkeys(operation.path_parameters, "stores"))
    body = json.dumps(BODIES.get(name, {})).encode() if operation.body else None
    request = urllib.request.Request(stack.url + path, data=body, method=operation.method.upper())  # noqa: S310 - http
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - http
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, dict(refused.headers), refused.read().decode()


def test_schemathesis_finds_nothing_wrong_beside_a_running_stream(stack: StackProcess, tmp_path: Path) -> None:
    sent = ask(stack, "GET", "/api/stream/status")["events_sent"]
    find_nothing(stack, tmp_path, "--exclude-path", "/api/stream/stop")
    status = ask(stack, "GET", "/api/stream/status")
    assert status["is_streaming"]
    assert status["events_sent"] > sent


def test_schemathesis_finds_nothing_wrong_from_rest(stack: StackProcess, tmp_path: Path) -> None:
    """Every route, also those that start and stop a stream, in whatever order."""
    stop(stack)
    find_nothing(stack, tmp_path)


def find_nothing(stack: StackProcess, folder: Path, *options: str) -> None:
    """Have schemathesis ask a thousand and more questions: no 5xx, and no answer other than described."""
    done = schemathesis(stack, folder, *options)
    for _ in range(2):
        if STORAGE_WAS_SLOW in done.stdout:
            done = schemathesis(stack, folder, *options)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    cases = re.search(r"(\d+) generated", done.stdout)
    assert cases
    assert int(cases[1]) > 1_000, done.stdout[-2_000:]
    log = (stack.data / "logs" / "host.log").read_text(encoding="utf-8")
    assert "request_failed" not in log


def schemathesis(stack: StackProcess, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a dependency of ours
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", f"{stack.url}/openapi.json", "--url", stack.url, "--no-color"),
            *("--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing,stateful"),
            *("--exclude-checks", ",".join(NOT_CHECKED), "--seed", "20260301", "--continue-on-failure"),
            *("--request-timeout", str(PATIENCE_SECONDS)),  # A stop alone may take as long as the usual one.
            *options,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * PATIENCE_SECONDS,
    )


def test_with_storage_silent_every_route_that_needs_it_says_so_and_recovers(stack: StackProcess) -> None:
    (azurite,) = stack.children("azurite")
    os.kill(azurite, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = dict(zip(OPERATIONS, pool.map(lambda item: send(stack, *item), OPERATIONS.items()), strict=True))
    finally:
        os.kill(azurite, signal.SIGCONT)
    for name, operation in OPERATIONS.items():
        status, headers, text = answers[name]
        if operation.needs_storage:
            assert (status, headers.get("retry-after")) == (503, "5"), (name, status, text)
            assert json.loads(text)["status"] == 503
        elif name == "stream_health":
            assert (status, json.loads(text)["status"]) == (503, "unhealthy")
        else:
            assert status == 200, (name, status, text)
    assert "\nstreaming_storage_up 0\n" in answers["metrics"][2]
    wait_until(lambda: send(stack, "stream_status", OPERATIONS["stream_status"])[0] == 200, "storage")
    wait_until(lambda: "\nstreaming_storage_up 1\n" in send(stack, "metrics", OPERATIONS["metrics"])[2], "the metric")


def test_every_answer_names_its_request(stack: StackProcess) -> None:
    for name, operation in OPERATIONS.items():
        if name != "liveness":  # It says nothing but that it lives.
            assert len(send(stack, name, operation)[1]["x-request-id"]) == 32, name
