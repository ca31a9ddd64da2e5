"""The control port, as a person with curl uses it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local.event_hubs import Fault, FaultKind
from tests.local.event_hubs.clients import HUB, store
from tests.local.event_hubs.peer import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.event_hubs import EventHubsBroker


@pytest.fixture
async def control(broker: EventHubsBroker) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{broker.control_port}", timeout=120) as client:
        yield client


async def test_health_says_whether_connections_are_taken(broker: EventHubsBroker, control: httpx.AsyncClient) -> None:
    healthy = {"status": "healthy", "port": broker.port}
    assert (await control.get("/health")).json() == healthy | {"accepts_connections": True}
    broker.faults.add(Fault(kind=FaultKind.REFUSE_CONNECTIONS))
    assert (await control.get("/health")).json() == healthy | {"accepts_connections": False}


async def test_stats_count_what_happened(broker: EventHubsBroker, control: httpx.AsyncClient) -> None:
    store(broker, "a", "b", partition="2")
    async with await Peer.connect(broker) as peer:
        await peer.open()
        await peer.authorize(broker)
        peer.attach(HUB, handle=2, receives=False)
        stats = (await control.get("/stats")).json()
    assert (stats["connections_open"], stats["links_open"] >= 2) == (1, True)
    (hub,) = stats["hubs"]
    assert (hub["name"], hub["messages"], hub["batches"]) == (HUB, 2, 1)
    assert [partition["messages"] for partition in hub["partitions"]] == [0, 0, 2, 0]
    assert hub["bytes"] == sum(partition["bytes"] for partition in hub["partitions"]) > 0


async def test_hubs_and_partitions_are_listed(broker: EventHubsBroker, control: httpx.AsyncClient) -> None:
    store(broker, "a", "b", "c")
    assert (await control.get("/hubs")).json() == {"hubs": [HUB]}
    listed = (await control.get(f"/hubs/{HUB}/partitions")).json()["partitions"]
    assert [partition["id"] for partition in listed] == ["0", "1", "2", "3"]
    assert (listed[0]["first_sequence_number"], listed[0]["last_sequence_number"]) == (0, 2)
    assert (listed[1]["last_sequence_number"], listed[1]["last_offset"]) == (-1, "-1")
    assert (await control.get("/hubs/nowhere/partitions")).status_code == 404


async def test_faults_are_added_replaced_and_ended(broker: EventHubsBroker, control: httpx.AsyncClient) -> None:
    def kinds(response: httpx.Response) -> list[str]:
        assert response.status_code == 200
        return [fault["kind"] for fault in response.json()["faults"]]

    assert kinds(await control.get("/faults")) == []
    assert kinds(await control.put("/faults", json={"kind": "server-busy", "count": 3})) == ["server-busy"]
    assert kinds(await control.post("/faults", json={"kind": "delay", "milliseconds": 5})) == ["server-busy", "delay"]
    assert kinds(await control.put("/faults", json=[{"kind": "reject"}, {"kind": "detach"}])) == ["reject", "detach"]
    first = (await control.get("/faults")).json()["faults"][0]
    assert first["struck"] == 0
    assert kinds(await control.delete(f"/faults/{first['id']}")) == ["detach"]
    assert (await control.delete(f"/faults/{first['id']}")).status_code == 404
    assert kinds(await control.delete("/faults")) == []
    assert broker.faults.in_force() == ()


async def test_what_is_wrong_changes_nothing(broker: EventHubsBroker, control: httpx.AsyncClient) -> None:
    broker.faults.add(Fault(kind=FaultKind.REJECT))
    wrong: list[Any] = [{"kind": "explode"}, [{"kind": "reject"}, {"kind": "reject", "count": 0}], "x", None]
    for document in wrong:
        refused = await control.put("/faults", json=document)
        assert refused.status_code == 400
        assert refused.json()["detail"]
    assert (await control.put("/faults", content=b"{")).status_code == 400
    assert (await control.put("/faults", content=b"x" * 70_000)).status_code == 413
    assert (await control.patch("/faults")).status_code == 405
    assert (await control.get("/nothing")).status_code == 404
    assert len(broker.faults.in_force()) == 1


async def test_the_port_is_open_again_when_the_answer_says_so(
    broker: EventHubsBroker, control: httpx.AsyncClient
) -> None:
    await control.put("/faults", json={"kind": "refuse-connections"})
    with pytest.raises(ConnectionRefusedError):
        await Peer.connect(broker)
    await control.delete("/faults")
    async with await Peer.connect(broker) as peer:
        await peer.open()


@pytest.mark.parametrize("request_bytes", [b"nonsense\r\n\r\n", b"GET /" + b"x" * 100_000, b"\r\n\r\n"])
async def test_what_is_no_request_is_answered_all_the_same(broker: EventHubsBroker, request_bytes: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.control_port)
    writer.write(request_bytes)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert json.loads(body)["detail"]
    writer.close()


async def test_a_client_that_leaves_in_the_middle_does_no_harm(
    broker: EventHubsBroker, control: httpx.AsyncClient
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", broker.control_port)
    writer.write(b"PUT /faults HTTP/1.1\r\ncontent-length: 100\r\n\r\n{")
    writer.close()
    await writer.wait_closed()
    assert (await control.get("/health")).status_code == 200


async def test_stopping_does_not_wait_for_a_slow_request(broker: EventHubsBroker) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", broker.control_port)
    writer.write(b"GET /heal")
    await writer.drain()
    async with asyncio.timeout(20):
        await broker.stop()
    writer.close()
