"""State: what is exported can be imported where there is nothing, and the stream goes on with the same events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import ValidationError

from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore, MemoryShardStore
from streaming.adapters.memory_table import MemoryOutboxStore
from streaming.core.outbox import Day, Staging, Timeline
from streaming.flows.configuration import Configuration
from streaming.flows.control import LEAD_US, StartRequest
from streaming.flows.state import MalformedStateError, OutboxState, ShardState, StateDocument, StateFlow, StateRefusal
from tests.flows.process import WORLD, Process
from tests.flows.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from streaming.core.cursor import Cursor
    from streaming.core.session import Session


OUTBOX = OutboxState(
    name="20260301T120000-0000-outbox",
    seed=1,
    world={"stores": 5, "distribution_centers": 1, "products": 100, "customers": 100},
    generated_day="2026-01-03",
    last_epoch=3,
    checkpoint="AAEC",
)


def check_world(_session: Session, _cursor: Cursor, checkpoint: bytes | None) -> None:
    if checkpoint is not None:
        orjson.loads(checkpoint)


class Deployment:
    """Storage and hub of one deployment; the clock is the world's."""

    def __init__(self, clock: VirtualClock, hub: MemoryPublisher) -> None:
        self.control = MemoryControlStore()
        shards = MemoryShardStore()
        self.process = Process(
            control=self.control, shards=shards, letters=MemoryDeadLetterStore(shards), publisher=hub, clock=clock
        )
        self.outbox = MemoryOutboxStore()
        self.state = StateFlow(
            control=self.control,
            shards=shards,
            outbox=self.outbox,
            configuration=Configuration({}),
            clock=clock,
            check_world=check_world,
        )


class Stage:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.hub = MemoryPublisher(partitions=2)
        self.old = Deployment(self.clock, self.hub)
        self.new = Deployment(self.clock, self.hub)

    async def run(self, deployment: Deployment, seconds: int) -> None:
        await self.clock.run(deployment.process.tick_until(self.clock.now_us() + seconds * MICROSECONDS))


def through_json(document: StateDocument) -> StateDocument:
    """As it comes back from a file."""
    loaded: dict[str, Any] = orjson.loads(orjson.dumps(document))
    shards = [ShardState(**shard) for shard in loaded["shards"]]
    outbox = OutboxState(**loaded["outbox"]) if loaded["outbox"] else None
    return StateDocument(**{**loaded, "shards": shards, "outbox": outbox})


async def export(deployment: Deployment) -> StateDocument:
    exported = await deployment.state.export()
    assert isinstance(exported, StateDocument)
    return exported


async def test_a_stream_moves_and_goes_on_without_a_gap_or_a_duplicate() -> None:
    stage = Stage()
    await stage.old.process.control.configure({"burst": 20, "emit_interval_ms": 1_000})
    await stage.old.process.control.start(StartRequest())
    await stage.run(stage.old, LEAD_US // MICROSECONDS + 30)
    exported = through_json(await export(stage.old))

    assert await stage.new.state.import_(exported) is None
    again = through_json(await export(stage.new))
    assert replace(again, exported_at=exported.exported_at) == exported
    await stage.run(stage.new, 30)

    ids = [event.trace_id for event in stage.hub.events()]
    assert len(ids) == len(set(ids))
    numbers = sorted({int(trace_id.rsplit("-", 2)[1]) for trace_id in ids})
    assert numbers == list(range(len(numbers)))
    assert len(ids) >= 20 * 58
    assert (await stage.new.process.observer.view()).books.balanced


async def test_nothing_is_exported_of_nothing_and_that_too_can_be_imported() -> None:
    stage = Stage()
    exported = await export(stage.old)
    assert (exported.config, exported.session, exported.shards) == ({}, None, [])
    assert await stage.new.state.import_(exported) is None


async def test_an_active_stream_is_not_overwritten_and_a_known_session_not_doubled() -> None:
    stage = Stage()
    await stage.old.process.control.start(StartRequest(duration_minutes=0.1))
    exported = await export(stage.old)
    assert await stage.old.state.import_(exported) is StateRefusal.ACTIVE
    await stage.run(stage.old, 30)
    exported = await export(stage.old)
    assert await stage.old.state.import_(exported) is StateRefusal.KNOWN


async def test_an_import_that_broke_off_is_completed_by_repeating_it() -> None:
    stage = Stage()
    await stage.old.process.control.start(StartRequest(emit_interval_ms=1_000, burst=5))
    await stage.run(stage.old, 10)
    exported = await export(stage.old)
    save = stage.new.control.save_session

    async def broken(*_args: object, **_kwargs: object) -> str:
        raise ConnectionError

    stage.new.control.save_session = broken  # type: ignore[method-assign]  # killed here
    with pytest.raises(ConnectionError):
        await stage.new.state.import_(exported)
    stage.new.control.save_session = save  # type: ignore[method-assign]  # and back
    assert await stage.new.state.import_(exported) is None
    assert (await export(stage.new)).session == exported.session


async def exported_from_a_stream() -> tuple[Stage, StateDocument]:
    stage = Stage()
    await stage.old.process.control.start(StartRequest(emit_interval_ms=1_000, burst=5))
    await stage.run(stage.old, 10)
    return stage, await export(stage.old)


@pytest.mark.parametrize(
    "part", ["session", "cursor", "checkpoint", "shards", "other session", "shards alone", "outbox"]
)
async def test_what_no_export_has_made_is_refused_before_anything_is_written(part: str) -> None:
    stage, good = await exported_from_a_stream()
    (shard,) = good.shards
    bad = {
        "session": replace(good, session={"session_id": 1}),
        "cursor": replace(good, shards=[replace(shard, cursor={})]),
        "checkpoint": replace(good, shards=[replace(shard, checkpoint="§")]),
        "shards": replace(good, shards=[shard, shard]),
        "other session": replace(good, shards=[replace(shard, cursor={**shard.cursor, "session_id": "other"})]),
        "shards alone": replace(good, session=None),
        "outbox": replace(good, outbox=replace(OUTBOX, checkpoint="§")),
    }[part]
    with pytest.raises(MalformedStateError):
        await stage.new.state.import_(bad)
    assert (await export(stage.new)).session is None


async def test_a_wrong_configuration_is_refused() -> None:
    stage, good = await exported_from_a_stream()
    with pytest.raises(ValidationError):
        await stage.new.state.import_(replace(good, config={"burst": -1}))
    assert (await stage.new.control.read()).config is None


TIMELINE = Timeline(
    name=OUTBOX.name,
    seed=1,
    world=WORLD,
    operation_id="somebody's",
    has_checkpoint=True,
    generated_day="2026-01-03",
    last_epoch=3,
)


async def test_the_outboxs_timeline_moves_with_its_world() -> None:
    stage = Stage()
    await stage.old.outbox.save_timeline(TIMELINE, version=None, checkpoint=b"\x00\x01\x02")
    exported = through_json(await export(stage.old))
    assert exported.outbox == OUTBOX
    assert await stage.new.state.import_(exported) is None
    assert (await export(stage.new)).outbox == OUTBOX
    assert await stage.new.outbox.checkpoint() == b"\x00\x01\x02"
    assert await stage.new.state.import_(exported) is None  # repeated: it is the same one


async def test_a_timeline_of_its_own_is_not_overwritten() -> None:
    stage = Stage()
    await stage.new.outbox.save_timeline(replace(TIMELINE, name="another"), version=None)
    empty = await export(stage.old)
    assert await stage.new.state.import_(replace(empty, outbox=OUTBOX)) is StateRefusal.KNOWN


async def test_nothing_is_exported_in_the_middle_of_a_day() -> None:
    stage = Stage()
    day = Day(date="2026-01-04", event_types=None, disruptions=(), page_events=1, chunk_events=1, scale=1.0)
    staging = replace(TIMELINE, staging=Staging(day=day, pages=(0,)))
    await stage.old.outbox.save_timeline(staging, version=None)
    assert await stage.old.state.export() is StateRefusal.STAGING
