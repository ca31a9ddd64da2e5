"""A real Prometheus scrapes a real stack, at both addresses, and fires each rule once its condition is made true.

The rules' expressions are what is shipped; only how long they must have been true is shortened here (``for``): ten
minutes can't be waited out. That they wait so long is promtool's to test: tests/infra/test_prometheus.py.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from azure.data.tables import TableClient, UpdateMode

from local.azurite import StoragePorts
from local.leash import leashed
from local.paths import ROOT
from local.stack.ports import free_ports
from tests.e2e.delivered import ask, start, stop
from tests.hub_faults import HubFaults
from tests.infra.checkers.installing import prometheus
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

SHIPPED: Final = ROOT / "deploy" / "prometheus"
RULES: Final = ("alerts.yml", "rules-as-printed.yml")
SETTINGS: Final = {"retry_attempts": 0, "failure_threshold": 2, "timeout_seconds": 600}
EAGER_STREAM: Final = {"emit_interval_ms": 100, "burst": 200}
OLD_US: Final = 5 * 3_600 * 1_000_000


class Prometheus:
    """A running server, asked through its API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def targets(self) -> dict[str, str]:
        """By path, whether it can be scraped: ``up``, ``down`` or ``unknown``."""
        return {
            target["scrapeUrl"].split("/", 3)[3]: target["health"] for target in self._ask("targets")["activeTargets"]
        }

    def firing(self) -> set[tuple[str, str]]:
        """File and name of the rules that fire."""
        groups = self._ask("rules")["groups"]
        return {
            (group["file"].rpartition("/")[2], rule["name"])
            for group in groups
            for rule in group["rules"]
            if rule["state"] == "firing"
        }

    def value(self, query: str) -> float | None:
        found = self._ask(f"query?query={query}")["result"]
        return float(found[0]["value"][1]) if found else None

    def wait_for(self, *rules: str, file: str = "alerts.yml") -> None:
        wait_until(lambda: {(file, rule) for rule in rules} <= self.firing(), f"{rules} of {file}")

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._url}/{path}", timeout=30) as answer:  # noqa: S310 - http
            return json.loads(answer.read())["data"]


@contextmanager
def scraping(stack: StackProcess, folder: Path) -> Iterator[Prometheus]:
    """The shipped configuration, for this stack and for impatient people; and /metrics beside the guide's address."""
    config = (SHIPPED / "prometheus.yml").read_text(encoding="utf-8")
    config = config.replace("localhost:8000", f"127.0.0.1:{stack.port}")
    # Storage that is away is told within four seconds: a scrape has to wait so long.
    config = config.replace("scrape_interval: 15s", "scrape_interval: 5s\n  scrape_timeout: 5s")
    config = config.replace("evaluation_interval: 15s", "evaluation_interval: 1s")
    config = config.replace("  - alerts.yml", "\n".join(f"  - {name}" for name in RULES))
    config += f"""
  - job_name: metrics
    metrics_path: /metrics
    static_configs:
      - targets: ["127.0.0.1:{stack.port}"]
"""
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    for name in RULES:
        rules = (SHIPPED / name).read_text(encoding="utf-8")
        (folder / name).write_text(re.sub(r"for: \w+", "for: 1s", rules), encoding="utf-8")
    (port,) = free_ports(1)
    with (folder / "prometheus.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            leashed(
                [
                    str(prometheus()),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'prometheus-data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ]
            ),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            server = Prometheus(port)
            wait_until(lambda: _answers(server), "Prometheus")
            yield server
        finally:
            process.terminate()
            process.wait()


def _answers(server: Prometheus) -> bool:
    try:
        return bool(server.targets())
    except OSError:
        return False


def age_what_is_staged(stack: StackProcess) -> None:
    """Have the outbox's pages been staged hours ago: that long a test can't wait."""
    (azurite,) = stack.children("azurite")
    command = ["ps", "-o", "args=", "-ww", "-p", str(azurite)]
    arguments = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ps of the machine
    port = re.search(r"--tablePort (\d+)", arguments)
    assert port, arguments
    connection = StoragePorts(table=int(port[1])).connection_string
    with TableClient.from_connection_string(connection, "retailoutbox") as table:
        pages = list(table.query_entities("RowKey ge 'page|' and RowKey lt 'page}'"))
        assert pages
        for page in pages:
            page["staged_at_us"] = page["staged_at_us"]._replace(value=page["staged_at_us"].value - OLD_US)
            table.update_entity(page, mode=UpdateMode.MERGE)


def fail_until(stack: StackProcess, enough: Callable[[dict[str, Any]], bool]) -> None:
    """Close the breaker whenever it opens, until the statistics have ``enough``."""

    def failed_enough() -> bool:
        if ask(stack, "GET", "/api/stream/circuit-breaker")["state"] == "open":
            ask(stack, "POST", "/api/stream/circuit-breaker/reset", {"reason": "Try again."})
        return enough(ask(stack, "GET", "/api/stream/statistics"))

    wait_until(failed_enough, "enough failures")


def test_each_rule_fires_once_its_condition_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_DAY_SCALE", "0.02")
    with StackProcess(tmp_path / "data", "--no-stream") as stack, scraping(stack, tmp_path) as server:
        wait_until(lambda: set(server.targets().values()) == {"up"}, "both targets")
        assert server.targets().keys() == {"api/stream/health", "metrics"}

        # Nothing streams: the guide's rule cries out, which is why there is a corrected one.
        server.wait_for("StreamingLowThroughput", file="rules-as-printed.yml")
        start(stack, emit_interval_ms=500, burst=20)
        wait_until(lambda: (server.value("streaming_events_per_second") or 0) > 10, "a stream that is seen")
        wait_until(lambda: not server.firing(), "a stream that nobody has to be told of")

        # The hub refuses everything, then can't be reached; each time the breaker opens, somebody closes it.
        ask(stack, "PUT", "/api/stream/config", SETTINGS)
        stop(stack)
        hub = HubFaults(stack)
        hub.put({"kind": "reject"})
        start(stack, **EAGER_STREAM)
        fail_until(stack, lambda seen: seen["circuit_breaker_trips"] > 4 and seen["dlq_size"] > 600)
        hub.put({"kind": "refuse-connections"})
        fail_until(stack, lambda seen: seen["connection_failures"] > 10)
        for file in RULES:
            server.wait_for(
                "StreamingHighFailureRate", "StreamingCircuitBreakerOpen", "StreamingLowThroughput", file=file
            )
        server.wait_for("StreamingConnectionFailures", "StreamingDeadLettersPileUp")
        hub.clear()
        stop(stack)

        # A day is staged, and waits for a breaker that somebody keeps open.
        start(stack, mode="outbox", emit_interval_ms=1_000, burst=10)
        ask(stack, "POST", "/api/stream/circuit-breaker/open", {"reason": "Nothing is to be sent."})
        wait_until(lambda: ask(stack, "GET", "/api/stream/outbox/status")["generated_day"], "a staged day")
        age_what_is_staged(stack)
        server.wait_for("StreamingOutboxOld")
        ask(stack, "DELETE", "/api/stream/outbox/clear")
        stop(stack)

        (azurite,) = stack.children("azurite")
        os.kill(azurite, signal.SIGSTOP)
        try:
            server.wait_for("StreamingStorageDown")
        finally:
            os.kill(azurite, signal.SIGCONT)
        wait_until(lambda: server.value("streaming_storage_up") == 1, "storage")

        state = ask(stack, "GET", "/api/state/export")
        stack.stop()
        server.wait_for("StreamingAppDown")

        # The timer is switched off, and a session that was active elsewhere comes to be here.
        monkeypatch.setenv("AzureWebJobs.stream_tick.Disabled", "true")
        stack.start()
        moved = state["session"] | {
            "session_id": f"{state['session']['session_id']}-moved",
            "mode": "live",
            "wanted": "running",
            "started_at_us": state["session"]["started_at_us"] - OLD_US,
            "ended_at_us": None,
            "end_reason": None,
        }
        ask(stack, "POST", "/api/state/import", state | {"session": moved, "shards": [], "outbox": None})
        server.wait_for("StreamingStandsStill")
