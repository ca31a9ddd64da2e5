"""A client that is not Python: what Microsoft's SDK for JavaScript sends, it also gets back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from local.event_hubs.partition_keys import partition_of
from local.node import ensure_node, ensure_packages
from local.paths import STATE
from tests.local.event_hubs.clients import HUB

if TYPE_CHECKING:
    from local.event_hubs import EventHubsBroker

SOURCE = Path(__file__).parent / "node"
_PATIENCE_SECONDS = 120


async def test_the_javascript_sdk_sends_and_receives(broker: EventHubsBroker) -> None:
    """A full batch to a partition, an event with a key, and all of it read by a consumer group."""
    modules = await asyncio.to_thread(ensure_packages, SOURCE, STATE / "event-hubs-interop")
    process = await asyncio.create_subprocess_exec(
        str(ensure_node().node),
        str(SOURCE / "interop.mjs"),
        str(modules),
        broker.connection_string(HUB),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    seen = json.loads(output)
    count = seen["count"]
    assert count > 2000
    assert seen == {
        "partitionIds": ["0", "1", "2", "3"],
        "count": count,
        "lastSequence": count - 1,
        "inOrder": True,
        "batch": count,
        "properties": {"Table": "receipt_created"},
        "offsets": count,
        "enqueued": True,
        "key": "store_42",
        "keyPartition": str(partition_of("store_42", 4)),
    }
    assert broker.stats().hub(HUB).messages == count + 1
