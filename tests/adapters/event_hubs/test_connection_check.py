"""The check tells every obstacle apart, in time, without a secret and without sending an event."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import pytest

from local.event_hubs import DEFAULT_HUB, DEFAULT_KEY, BrokerConfig, EventHubsBroker, Fault, FaultKind
from streaming.adapters.event_hubs.connection import read_hub_connection
from streaming.adapters.event_hubs.connection_check import ConnectionReason, ConnectionReport, check_connection
from tests.contract.publisher.hubs import until
from tests.hub_policies import POLICIES, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HANGING_CHECK_SECONDS = 1.5


@pytest.fixture
async def broker() -> AsyncIterator[EventHubsBroker]:
    async with EventHubsBroker(BrokerConfig(policies=POLICIES)) as running:
        yield running
        await until(lambda: running.stats().connections_open == 0)
        assert all(partition.next_sequence == 0 for partition in running.namespace.hubs[0].partitions)


async def check(connection_string: str | None, *, timeout_seconds: float = 10.0) -> ConnectionReport:
    settings = {"AZURE_EVENTHUB_CONNECTION_STRING": connection_string or "", "EVENTHUB_NAME": DEFAULT_HUB}
    report = await check_connection(read_hub_connection(settings), timeout_seconds=timeout_seconds)
    assert report.success is (report.reason is ConnectionReason.OK)
    assert DEFAULT_KEY not in report.message
    assert report.response_time_ms >= 0
    return report


async def test_all_is_well(broker: EventHubsBroker) -> None:
    report = await check(broker.connection_string(DEFAULT_HUB))
    assert report.reason is ConnectionReason.OK
    assert (report.namespace, report.event_hub, report.partition_count) == ("localhost", DEFAULT_HUB, 4)


async def test_a_policy_that_may_only_send_is_enough(broker: EventHubsBroker) -> None:
    assert (await check(broker.connection_string(DEFAULT_HUB, policy="sender"))).reason is ConnectionReason.OK


async def test_no_setting() -> None:
    report = await check(None)
    assert report.reason is ConnectionReason.NOT_CONFIGURED
    assert report.message.startswith("AZURE_EVENTHUB_CONNECTION_STRING is not set.")
    assert (report.namespace, report.event_hub, report.partition_count) == (None, None, None)


async def test_a_malformed_setting() -> None:
    report = await check("Endpoint=localhost")
    assert report.reason is ConnectionReason.MALFORMED_SETTING
    assert "AZURE_EVENTHUB_CONNECTION_STRING has a malformed Endpoint" in report.message


async def test_a_name_that_does_not_resolve(broker: EventHubsBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # A name server that is slow or away would be another obstacle.
    elsewhere = broker.connection_string().replace("localhost", "no-such-namespace.invalid")
    report = await check(elsewhere)
    assert report.reason is ConnectionReason.NAME_NOT_RESOLVED
    assert "no-such-namespace.invalid" in report.message


async def test_nothing_listens(broker: EventHubsBroker) -> None:
    broker.faults.add(Fault(kind=FaultKind.REFUSE_CONNECTIONS))
    report = await check(broker.connection_string())
    assert report.reason is ConnectionReason.NOTHING_LISTENING
    assert f"localhost:{broker.port}" in report.message


@pytest.mark.parametrize("kind", [FaultKind.SILENT, FaultKind.NO_ATTACH_REPLY, FaultKind.NO_TOKEN_REPLY])
async def test_a_hub_that_does_not_answer(broker: EventHubsBroker, kind: FaultKind) -> None:
    broker.faults.add(Fault(kind=kind))
    report = await check(broker.connection_string(), timeout_seconds=HANGING_CHECK_SECONDS)
    assert report.reason is ConnectionReason.NO_ANSWER


async def test_a_wrong_key(broker: EventHubsBroker) -> None:
    report = await check(broker.connection_string().replace(DEFAULT_KEY, "d3Jvbmc="))
    assert report.reason is ConnectionReason.AUTHENTICATION_FAILED
    assert "d3Jvbmc=" not in report.message


async def test_a_signature_that_has_expired(broker: EventHubsBroker) -> None:
    report = await check(signed(broker, expires_at=int(time.time()) - 60))
    assert report.reason is ConnectionReason.SIGNATURE_EXPIRED
    assert "sig=" not in report.message


async def test_a_signature_that_is_good(broker: EventHubsBroker) -> None:
    assert (await check(signed(broker, expires_at=int(time.time()) + 600))).reason is ConnectionReason.OK


async def test_a_policy_that_may_only_listen(broker: EventHubsBroker) -> None:
    report = await check(broker.connection_string(policy="listener"))
    assert report.reason is ConnectionReason.NOT_ALLOWED_TO_SEND
    assert "Send" in report.message


async def test_a_hub_that_does_not_exist(broker: EventHubsBroker) -> None:
    broker.faults.add(Fault(kind=FaultKind.UNKNOWN_HUB))
    report = await check(broker.connection_string())
    assert report.reason is ConnectionReason.HUB_NOT_FOUND
    assert "EVENTHUB_NAME" in report.message


async def test_a_hub_that_throttles(broker: EventHubsBroker) -> None:
    broker.faults.add(Fault(kind=FaultKind.SERVER_BUSY))
    report = await check(broker.connection_string())
    assert report.reason is ConnectionReason.THROTTLED


async def test_checks_do_not_disturb_each_other(broker: EventHubsBroker) -> None:
    reports = await asyncio.gather(*(check(broker.connection_string()) for _ in range(3)))
    assert [report.reason for report in reports] == [ConnectionReason.OK] * 3
