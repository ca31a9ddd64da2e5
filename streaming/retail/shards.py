"""Which districts a shard has, and how they begin or go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.retail.assortment import Assortments
from streaming.retail.checkpoint import (
    Checkpoint,
    CheckpointError,
    WorldTooLargeError,
    dump_district,
    load_district,
    require_fit,
    resplit,
    shard_of,
    spec_numbers,
)
from streaming.retail.district import District
from streaming.retail.life import Life

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.retail.world import World, WorldSpec


def require_shards(spec: WorldSpec, shards: int) -> None:
    """Raises ValueError, in words for whoever asked, if a world can't be streamed by so many shards."""
    if shards > spec.distribution_centers:
        raise ValueError(
            f"{shards} shards are more than the world's {spec.distribution_centers} distribution centers: "
            "a center and its stores belong to one shard"
        )
    require_fit(spec, shards)


def require_stageable(spec: WorldSpec, scale: float) -> None:
    """Raises ValueError, in words for whoever asked, if a world's days can't be staged at ``scale``."""
    try:
        require_fit(spec, 1, scale)
    except WorldTooLargeError as error:
        raise ValueError(
            "a day is staged in one piece, and the world is too large for that: choose fewer stores or products, "
            "or a smaller OUTBOX_DAY_SCALE"
        ) from error


def districts_of(world: World, shard: int, shards: int, load: float = 1.0) -> list[int]:
    """The distribution centers of a shard. Raises ValueError or WorldTooLargeError for one that there can't be."""
    count = len(world.distribution_centers)
    if not 0 <= shard < shards <= count:
        raise ValueError(f"shard {shard} of {shards}: there are {count} distribution centers to share")
    require_fit(world.spec, shards, load)
    return [dc_id for dc_id in range(1, count + 1) if shard_of(dc_id, shards) == shard]


def begin(world: World, stream: str, dc_ids: list[int]) -> list[Life]:
    assortments = Assortments(world.products)
    return [
        Life(District(world, assortments, world.distribution_centers[dc_id - 1], stream=stream)) for dc_id in dc_ids
    ]


def resume(world: World, stream: str, dc_ids: list[int], checkpoint: Checkpoint) -> list[Life]:
    """Raises CheckpointError if the checkpoint is of another stream, world or shard."""
    checkpoint.require(stream, world.spec)
    if [state["dc"] for state, _ in checkpoint.districts] != dc_ids:
        raise CheckpointError("the checkpoint is of another shard, or of another number of shards")
    assortments = Assortments(world.products)
    return [Life(load_district(world, assortments, stream, state, stock)) for state, stock in checkpoint.districts]


def events_affected(lives: list[Life]) -> dict[str, int]:
    """Events that each disruption in force has changed, held back or caused so far."""
    affected: dict[str, int] = {}
    for life in lives:
        for name, count in life.district.trouble.affected.items():
            affected[name] = affected.get(name, 0) + count
    return affected


def beginning(world: World, stream: str, shard: int, shards: int) -> bytes:
    """The checkpoint of a live shard that has made nothing yet."""
    lives = begin(world, stream, districts_of(world, shard, shards))
    return Checkpoint(
        stream=stream,
        spec=spec_numbers(world.spec),
        shard={"turn": 0},
        districts=tuple(dump_district(life.district) for life in lives),
    ).encode()


def deal(world: World, stream: str, checkpoints: Sequence[bytes | None], shards: int) -> Sequence[bytes | None]:
    """The checkpoints of ``shards`` live shards, from those of all shards before, in order: a pure function.

    None is a shard that has made nothing yet. Raises what ``resplit`` does.
    """
    if not any(checkpoints):
        return [None] * shards
    before = len(checkpoints)
    known = [checkpoint or beginning(world, stream, shard, before) for shard, checkpoint in enumerate(checkpoints)]
    return resplit(known, before, shards)
