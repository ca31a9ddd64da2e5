"""No secret leaves, whatever is asked and whatever fails: not by an answer, a log, a metric or a trace.

Each kind of secret that there can be is configured, on one of two stacks. Then everything is asked, also badly, with
the secrets themselves in the questions, and while the hub fails; and all that has come out is searched.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from local.azurite import ACCOUNT_KEY
from local.event_hubs.config import DEFAULT_KEY
from local.stack.ports import free_ports
from local.stack.services import hub_connection_string
from streaming.triggers.operations import OPERATIONS, Operation
from tests.hub_faults import HubFaults
from tests.ingestion import INSTRUMENTATION_KEY, Ingestion
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROXY_PASSWORD: Final = "cHJveHktcGFzc3dvcmQ"  # noqa: S105 - made up
SIGNATURE: Final = "c2lnbmF0dXJlLW9mLWEtdG9rZW4="
MASTER_KEY: Final = "bWFzdGVyLWtleQ"
HOST_KEY: Final = "aG9zdC1rZXk"
FUNCTION_KEY: Final = "ZnVuY3Rpb24ta2V5"
KEYS: Final = {
    "masterKey": MASTER_KEY,
    "functionKeys": {"operators": HOST_KEY},
    "functions": {"stream_status": {"readers": FUNCTION_KEY}},
}
"""Of the host, which hands the app the one that a caller has used."""
SETTINGS: Final = {
    "batch_timeout_ms": 500,
    "failure_threshold": 2,
    "monitoring_interval": 1,
    "retry_attempts": 0,
    "timeout_seconds": 1,
}
GOOD_BODIES: Final[dict[str, dict[str, Any]]] = {
    "breaker_open": {"reason": "a test"},
    "disruption_create": {"disruption_type": "inventory_shortage", "target_id": "store_1"},
    "stream_start": {"emit_interval_ms": 100, "burst": 50},
}
LAST: Final = ("breaker_reset", "stream_stop")
"""What would end the others' work is asked at the end."""


class Search:
    """Everything that a stack says, and the secrets that must not be in it."""

    def __init__(self, stack: StackProcess, ingestion: Ingestion, secrets: tuple[str, ...]) -> None:
        self._stack = stack
        self._ingestion = ingestion
        self._secrets = secrets
        self._said: list[tuple[str, str]] = []

    def ask_everything(self) -> None:
        """Each route, as it is meant."""
        for name, operation in sorted(OPERATIONS.items(), key=lambda item: item[0] in LAST):
            self._ask(name, operation, body=GOOD_BODIES.get(name, {}) if operation.body else None)

    def ask_badly(self) -> None:
        """Each route, with every secret in every place of the question."""
        for name, operation in OPERATIONS.items():
            for secret in self._secrets:
                for body in _with(secret) if operation.body else ():
                    self._ask(name, operation, body=body)
                self._ask(name, operation, query=f"{quote(secret, safe='')}=1&session_id={quote(secret, safe='')}")
                self._ask(name, operation, header=secret)

    def find(self) -> list[tuple[str, str]]:
        """Where a secret is, and which."""
        logs = [(path.name, path.read_text(errors="replace")) for path in (self._stack.data / "logs").glob("*.log")]
        assert "host.log" in dict(logs)
        out = [*self._said, *logs, ("output", self._stack.output)]
        secrets = _spellings((*self._secrets, MASTER_KEY, HOST_KEY, FUNCTION_KEY))
        found = [(where, secret) for where, text in out for secret in secrets if secret in text]
        # Its key is Application Insights' own address for what is sent there.
        others = secrets - {INSTRUMENTATION_KEY}
        return found + [("telemetry", secret) for secret in others if secret in self._ingestion.text]

    def _ask(
        self, name: str, operation: Operation, *, body: object = None, query: str = "", header: str = "a-caller"
    ) -> None:
        # The platform itself records paths, so nothing is asked with a secret in one.
        path = operation.path.format(**dict.fromkeys(operation.path_parameters, "stores"))
        request = urllib.request.Request(  # noqa: S310 - http
            f"{self._stack.url}{path}?code={HOST_KEY}&{query}",
            data=None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
            method=operation.method.upper(),
            headers={"x-request-id": header, "x-ms-client-principal": header, "accept": header},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - http
                self._said.append((name, f"{answer.headers}\n{answer.read().decode()}"))
        except urllib.error.HTTPError as refused:
            with refused:
                self._said.append((name, f"{refused.headers}\n{refused.read().decode()}"))


def _with(secret: str) -> list[object]:
    """Bodies that are wrong in each way, with ``secret`` where it may be repeated."""
    connections = (
        secret,
        f"Endpoint=sb://{secret}/;SharedAccessKeyName=n;SharedAccessKey={secret}",
        f"Endpoint=sb://h;SharedAccessSignature={secret};SharedAccessKey={secret}",
        f"{secret};{secret}",
        f"AccountKey={secret}",
    )
    return [
        {secret: 1},
        {"burst": secret, "realtime": {secret: secret}},
        {"event_types": [secret], "mode": secret},
        {"profile": secret, "disruption_type": secret, "target_id": secret, "reason": secret},
        {"disruption_type": "inventory_shortage", "target_id": secret},
        {"category": secret, "event_type": secret},
        {
            "version": 1,
            "exported_at": secret,
            "config": {secret: 1},
            "session": {secret: 1},
            "shards": [],
            "outbox": None,
        },
        *({"connection_string": text, "event_hub": secret} for text in connections),
        f'{{"burst": {secret}'.encode(),
        secret,
    ]


def _spellings(secrets: tuple[str, ...]) -> set[str]:
    return {spelling for secret in secrets for spelling in (secret, quote(secret, safe=""))}


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    with Ingestion() as running:
        yield running


@pytest.fixture
def environment(ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", ingestion.connection_string)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PROXY_PASSWORD}@127.0.0.1:{free_ports(1)[0]}")
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_nothing_tells_the_keys(ingestion: Ingestion, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Under a key: while all is well, and while the hub refuses, is silent, is gone."""
    data = tmp_path_factory.mktemp("stack")
    (data / "host-keys.json").write_text(json.dumps(KEYS), encoding="utf-8")
    with StackProcess(data, "--auth", "--no-stream") as stack:
        connection = hub_connection_string(stack.hub_port)
        secrets = (DEFAULT_KEY, connection, ACCOUNT_KEY, INSTRUMENTATION_KEY, PROXY_PASSWORD)
        search = Search(stack, ingestion, secrets)
        hub = HubFaults(stack)
        _command(stack, "PUT", "/api/stream/config", SETTINGS)
        search.ask_badly()
        search.ask_everything()
        for fault in ("refuse-token", "reject", "silent", "refuse-connections"):
            hub.clear()
            _command(stack, "POST", "/api/stream/start", GOOD_BODIES["stream_start"])
            wait_until(lambda: _sent(stack), "a stream that sends")
            seen = _failures(ingestion)
            hub.put({"kind": fault}, {"kind": "detach", "count": 4})
            wait_until(lambda seen=seen: _failures(ingestion) > seen, f"failed sends while the hub has {fault}")  # type: ignore[misc]  # mypy can't infer it
            search.ask_everything()
        wait_until(lambda: ingestion.spans("window") and ingestion.metrics(), "spans and metrics")
        assert search.find() == []


def test_nothing_tells_a_signature_or_a_proxys_password(
    ingestion: Ingestion, environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Under a signature that has expired, through a proxy that isn't there."""
    token = f"SharedAccessSignature sr=hub.example.com&sig={quote(SIGNATURE, safe='')}&se=1&skn=send"
    connection = f"Endpoint=sb://hub.example.com/;SharedAccessSignature={token};EntityPath=retail-events"
    environment.setenv("AZURE_EVENTHUB_CONNECTION_STRING", connection)
    environment.setenv("EVENTHUB_NAME", "retail-events")
    environment.setenv("EVENTHUB_TRANSPORT", "websocket")
    data = tmp_path_factory.mktemp("stack")
    with StackProcess(data, "--hub", "settings", "--no-stream") as stack:
        search = Search(stack, ingestion, (SIGNATURE, token, connection, PROXY_PASSWORD, INSTRUMENTATION_KEY))
        _command(stack, "PUT", "/api/stream/config", SETTINGS)
        search.ask_badly()
        search.ask_everything()
        _command(stack, "POST", "/api/stream/start", GOOD_BODIES["stream_start"])
        wait_until(lambda: stack.status().get("fault"), "a stream that can't send")
        search.ask_everything()
        assert search.find() == []


def _command(stack: StackProcess, method: str, path: str, body: object) -> None:
    """Ask until it is done: a stream that is still stopping can't be started."""
    wait_until(lambda: _answer(stack, method, path, body)[0] == 200, f"{method} {path}")


def _sent(stack: StackProcess) -> bool:
    return bool(_answer(stack, "GET", "/api/stream/status", None)[1].get("events_sent"))


def _failures(ingestion: Ingestion) -> int:
    return sum(not span["success"] for span in ingestion.spans("send"))


def _answer(stack: StackProcess, method: str, path: str, body: object) -> tuple[int, Any]:
    request = urllib.request.Request(  # noqa: S310 - http
        stack.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"x-functions-key": FUNCTION_KEY if path.endswith("/status") else MASTER_KEY},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - http
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())
