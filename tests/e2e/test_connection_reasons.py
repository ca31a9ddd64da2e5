"""``POST /api/stream/test`` of a real host, which its settings tell where the hub is: obstacles are told apart."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from local.event_hubs import DEFAULT_HUB, DEFAULT_KEY, BrokerConfig, EventHubsBroker, Fault, FaultKind
from local.paths import ROOT
from tests.hub_policies import POLICIES, signed
from tests.local.functions_host.app_host import AppFolder, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

WRONG_KEY = "d3Jvbmc="


def plain(broker: EventHubsBroker) -> str:
    return broker.connection_string()


class Case(NamedTuple):
    """What a host is told, what the hub does, and what is to be found."""

    reason: str
    word: str
    """Of the message: what a person needs to know or to do."""
    connection_string: Callable[[EventHubsBroker], str] = plain
    fault: FaultKind | None = None
    event_hub: str = DEFAULT_HUB


CASES = [
    Case("not_configured", "AZURE_EVENTHUB_CONNECTION_STRING is not set", lambda _broker: ""),
    Case("malformed_setting", "has a malformed Endpoint", lambda _broker: "Endpoint=localhost"),
    Case(
        "name_not_resolved",
        "no-such-namespace.invalid",
        lambda broker: plain(broker).replace("localhost", "no-such-namespace.invalid"),
    ),
    Case("nothing_listening", "Nothing accepts connections at localhost:", fault=FaultKind.REFUSE_CONNECTIONS),
    Case("authentication_failed", "key", lambda broker: plain(broker).replace(DEFAULT_KEY, WRONG_KEY)),
    Case("signature_expired", "has expired", lambda broker: signed(broker, expires_at=int(time.time()) - 60)),
    Case("not_allowed_to_send", "Send", lambda broker: broker.connection_string(policy="listener")),
    Case("hub_not_found", "EVENTHUB_NAME", event_hub="no-such-hub"),
    Case("throttled", "throughput", fault=FaultKind.SERVER_BUSY),
    Case("ok", "which has 4 partitions"),
]


@pytest.fixture
async def broker() -> AsyncIterator[EventHubsBroker]:
    async with EventHubsBroker(BrokerConfig(policies=POLICIES)) as running:
        yield running
        assert all(partition.next_sequence == 0 for partition in running.namespace.hubs[0].partitions)


async def answer_of(folder: Path, broker: EventHubsBroker, case: Case) -> dict[str, Any]:
    """What a host with these settings and no others answers."""
    settings = folder / "local.settings.json"
    settings.write_text(json.dumps({"IsEncrypted": False, "Values": {}}))
    environment = {
        "AZURE_EVENTHUB_CONNECTION_STRING": case.connection_string(broker),
        "EVENTHUB_NAME": case.event_hub,
        "EVENTHUB_FULLY_QUALIFIED_NAMESPACE": "",
    }
    options = ("--app-root", str(ROOT), "--port", "0", "--settings", str(settings), "--data", str(folder))
    async with serving(AppFolder(path=folder, environment=environment), *options) as host:
        for _ in range(20):
            answer = await host.client.post("/api/stream/test")
            assert answer.status_code == 200
            if answer.json()["reason"] != "no_answer":  # That is what a machine that stood still looks like.
                break
        assert DEFAULT_KEY not in answer.text
        assert WRONG_KEY not in answer.text
        assert "sig=" not in answer.text
        assert await host.stop() == 0
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize("case", CASES, ids=[case.reason for case in CASES])
async def test_what_is_in_the_way_is_told_apart(case: Case, broker: EventHubsBroker, tmp_path: Path) -> None:
    if case.fault is not None:
        broker.faults.add(Fault(kind=case.fault))
    found = await answer_of(tmp_path, broker, case)
    assert found["reason"] == case.reason
    assert found["success"] is (case.reason == "ok")
    assert case.word in found["message"]
    assert found["details"]["partition_count"] == (4 if case.reason == "ok" else None)
