"""The outbox as rows. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from streaming.adapters.tables import keys
from streaming.adapters.tables.dead_letters import letter_entities, read_resolved
from streaming.adapters.tables.entities import data_entities, entity, int64, read_data, read_text, text_properties
from streaming.adapters.tables.shard_rows import dump_json, hour_entity, read_cursor, recent_entities
from streaming.core.outbox import DrainOrder, Epoch, Pulse, Timeline
from streaming.core.outbox_lane import DrainHead, LaneCounts, StageHead
from streaming.core.outbox_page import Page, PageOutline, pack, timestamp_us, unpack
from streaming.outbox_ports import Desk, StoredLane
from streaming.ports import Versioned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streaming.adapters.tables.entities import Entity, Row
    from streaming.core.tally import DeadLetterTally
    from streaming.outbox_ports import Settlement

PAGE_OUTLINE = ("count", "first_us", "last_us", "staged_at_us")
"""The properties that a page's outline is made of."""


def lane_partition(epoch: Epoch, lane: int) -> str:
    return keys.shard_partition(epoch.session_id, epoch.slot(lane))


def desk_entity(row: str, record: Timeline | DrainOrder | Pulse) -> Entity:
    return entity(keys.TIMELINE, row, text_properties("json", dump_json(asdict(record))))


def timeline_entities(timeline: Timeline, checkpoint: bytes | None, opened: Epoch | None) -> list[Entity]:
    """What belongs to one write of the timeline, its own row first."""
    entities = [desk_entity(keys.DESK_TIMELINE, timeline)]
    if checkpoint is not None:
        entities += data_entities(keys.TIMELINE, keys.CHECKPOINT_ROW, checkpoint, {})
    if opened is not None:
        row = keys.epoch_row(opened.session_id, opened.number)
        entities.append(entity(keys.TIMELINE, row, text_properties("json", dump_json(asdict(opened)))))
    return entities


def stage_entities(partition: str, head: StageHead, pages: Sequence[Page], now_us: int) -> list[Entity]:
    """A stage head and pages, the head first."""
    entities = [entity(partition, keys.STAGED, text_properties("json", dump_json(asdict(head))))]
    entities += [_page_entity(partition, page, now_us) for page in pages]
    return entities


def settle_entities(partition: str, settlement: Settlement) -> list[Entity]:
    """What a settlement writes, the drain head first."""
    head = settlement.head
    # The cursor as a shard has it: whoever reads shards can read lanes.
    document = text_properties("json", dump_json(head.cursor.to_json()))
    entities = [entity(partition, keys.CURSOR, document | text_properties("head", dump_json(head.to_json())))]
    for letter in settlement.dead_letters:
        entities += letter_entities(partition, letter)
    if settlement.recent is not None:
        entities += recent_entities(partition, settlement.recent)
    if settlement.ended_hour is not None:
        entities.append(hour_entity(partition, settlement.ended_hour))
    return entities


def read_desk(rows: Sequence[Row]) -> Desk:
    by_key = {row.key: row for row in rows}

    def read(key: str, parse: Callable[[dict[str, Any]], Any]) -> Versioned[Any] | None:
        row = by_key.get(key)
        return None if row is None else Versioned(value=parse(_json(row)), version=row.version)

    return Desk(
        timeline=read(keys.DESK_TIMELINE, Timeline.from_json),
        order=read(keys.DESK_ORDER, lambda document: DrainOrder(**document)),
        pulse=read(keys.DESK_PULSE, lambda document: Pulse(**document)),
    )


def read_checkpoint(rows: Sequence[Row]) -> bytes | None:
    return read_data({row.key: row for row in rows}, keys.CHECKPOINT_ROW)


def read_epochs(rows: Sequence[Row]) -> tuple[Epoch, ...]:
    return tuple(Epoch(**_json(row)) for row in rows)


def read_lane(epoch: Epoch, lane: int, rows: Sequence[Row]) -> StoredLane:
    stage: Versioned[StageHead] | None = None
    drain: Versioned[DrainHead] | None = None
    resolved: Versioned[DeadLetterTally] | None = None
    for row in rows:
        if row.key == keys.STAGED:
            stage = Versioned(value=StageHead(**_json(row)), version=row.version)
        elif row.key == keys.CURSOR:
            head = DrainHead.from_json(read_cursor(row).value, orjson.loads(read_text(row, "head")))
            drain = Versioned(value=head, version=row.version)
        elif row.key == keys.RESOLVED:
            resolved = Versioned(value=read_resolved(row), version=row.version)
    counts = LaneCounts(
        epoch=epoch, lane=lane, stage=stage.value if stage else None, drain=drain.value if drain else None
    )
    return StoredLane(stage=stage, drain=drain, counts=counts, resolved=resolved)


def read_pages(rows: Sequence[Row]) -> list[Page]:
    return [Page(number=_page_number(row), events=unpack(_page_data(row))) for row in rows]


def read_page_outlines(rows: Sequence[Row]) -> list[PageOutline]:
    return [
        PageOutline(number=_page_number(row), **{name: row.properties[name] for name in PAGE_OUTLINE}) for row in rows
    ]


def operation_of(row: Row) -> str:
    """The operation id of the write that made the row what it is."""
    operation_id: str = _json(row)["operation_id"]
    return operation_id


def _page_entity(partition: str, page: Page, now_us: int) -> Entity:
    """A page always fits one row: ``PAGE_BYTES`` sees to that."""
    (row,) = data_entities(partition, keys.page_row(page.number), pack(page.events), {})
    row["RowKey"] = keys.page_row(page.number)
    return row | {
        "count": len(page.events),
        "first_us": int64(timestamp_us(page.events[0])),
        "last_us": int64(timestamp_us(page.events[-1])),
        "staged_at_us": int64(now_us),
    }


def _page_number(row: Row) -> int:
    return int(row.key.removeprefix("page|"))


def _page_data(row: Row) -> bytes:
    return read_data({keys.part(row.key, 0): row}, row.key) or b""


def _json(row: Row) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(read_text(row, "json"))
    return document
