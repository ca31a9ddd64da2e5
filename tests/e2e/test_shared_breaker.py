"""Two processes with one circuit breaker, on real storage and a real hub: what the hub counts of their attempts."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from local.event_hubs import EventHubsBroker, Fault, FaultKind
from local.leash import leashed
from local.paths import ROOT
from streaming.adapters.tables.control_store import TableControlStore
from streaming.core.breaker import BreakerState, BreakerStatus
from tests.contract.publisher.hubs import PATIENCE_SECONDS, until
from tests.contract.stores.storages import tables_client
from tests.e2e.sender_process import LANES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.azurite import Azurite

THRESHOLD, TRIALS = 4, 3
PREFIX = "sharedbreaker"


@asynccontextmanager
async def sender(name: str, broker: EventHubsBroker, azurite: Azurite) -> AsyncIterator[None]:
    """A process that sends, until the end of the block."""
    environment = {
        "AzureWebJobsStorage": azurite.connection_string,
        "STREAM_TABLE_PREFIX": PREFIX,
        "AZURE_EVENTHUB_CONNECTION_STRING": broker.connection_string(),
        "EVENTHUB_NAME": broker.namespace.hubs[0].name,
        "EVENTHUB_FULLY_QUALIFIED_NAMESPACE": "",
        "REALTIME_RETRY_ATTEMPTS": "0",
        "REALTIME_BATCH_TIMEOUT_MS": "10000",  # What fails fails by the hub's word, and is counted there.
        "REALTIME_FAILURE_THRESHOLD": str(THRESHOLD),
        "REALTIME_TIMEOUT_SECONDS": "1",
        "REALTIME_HALF_OPEN_MAX_CALLS": str(TRIALS),
    }
    process = await asyncio.create_subprocess_exec(
        *leashed([sys.executable, "-m", "tests.e2e.sender_process", name]), cwd=ROOT, env={**os.environ, **environment}
    )
    try:
        yield
        assert process.returncode is None, "it ended by itself"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.fixture
async def broker() -> AsyncIterator[EventHubsBroker]:
    async with EventHubsBroker() as running:
        yield running


def stored(broker: EventHubsBroker) -> int:
    return sum(partition.next_sequence for partition in broker.namespace.hubs[0].partitions)


async def test_failures_and_trials_of_two_processes_count_together(broker: EventHubsBroker, azurite: Azurite) -> None:
    tables = tables_client(azurite.ports, PREFIX)
    control = TableControlStore(tables)

    async def state() -> BreakerState:
        breaker = (await control.read()).breaker
        return BreakerState() if breaker is None else breaker.value

    async with sender("first", broker, azurite), sender("second", broker, azurite):
        await until(lambda: broker.stats().connections_open == 2 * LANES)
        fault = broker.faults.add(Fault(kind=FaultKind.SERVER_BUSY))
        attempts_by_opening: dict[int, int] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(attempts_by_opening) < 3:
                seen, attempts = await state(), fault.struck
                if seen.status is BreakerStatus.OPEN and (await state()).epoch == seen.epoch:
                    attempts_by_opening[seen.epoch] = attempts
            broker.faults.clear()
            while (await state()).status is not BreakerStatus.CLOSED:
                pass
        before = stored(broker)
        await until(lambda: stored(broker) > before + 20)
        transitions = (await state()).transitions
    await tables.close()

    first, *later = attempts_by_opening.items()
    assert first[1] >= THRESHOLD
    assert transitions[0].reason.startswith(f"{THRESHOLD} consecutive failures")
    # What was under way when it first opened has ended by the second opening; from there on, there are trials alone.
    for (epoch, before), (later_epoch, after) in pairwise(later):
        half_openings = (later_epoch - epoch) // 2
        assert half_openings <= after - before <= half_openings * TRIALS
    assert transitions[-1].reason == f"{TRIALS} trial batches were accepted"
    assert {each.to_state for each in transitions[1::2]} == {BreakerStatus.HALF_OPEN}
