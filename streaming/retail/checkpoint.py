"""The state of a generator as bytes: compact, versioned, checked, and divisible by district.

Layout: magic and version, CRC-32 of the rest, length of the JSON part, the JSON part, then the stock of each
district (its center's as 32-bit, its stores' as 16-bit little-endian integers, in the order of the JSON part).
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from streaming.retail.agenda import Agenda
from streaming.retail.district import District

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.retail.assortment import Assortments
    from streaming.retail.scribe import Draft
    from streaming.retail.world import World, WorldSpec

_MAGIC: Final = b"RSW1"
_HEADER: Final = Struct("<4sII")

MOST_BYTES: Final = 2 * 1024 * 1024
"""Of one shard's checkpoint."""
_BYTES_PER_DISTRICT: Final = 24_000
"""Generous: what is in flight, and an unfinished tick."""
_BYTES_PER_STORE: Final = 2_000
"""Generous, too; a staged day of many times the usual volume has as many times as much in flight."""


class CheckpointError(ValueError):
    """The bytes are no checkpoint of this world and stream."""


class WorldTooLargeError(ValueError):
    """The world doesn't fit into its shards' checkpoints. ``shards_needed`` would do; None if no number would."""

    def __init__(self, shards_needed: int | None) -> None:
        self.shards_needed = shards_needed
        advice = (
            f"it needs at least {shards_needed} shards"
            if shards_needed
            else "no number of shards is enough: choose more distribution centers, or fewer products or stores"
        )
        super().__init__(f"the world is too large for its shards' checkpoints of at most {MOST_BYTES} bytes: {advice}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A parsed checkpoint: what the shard itself has to remember, and the pieces of its districts."""

    stream: str
    spec: tuple[int, ...]
    shard: dict[str, int]
    """Small numbers of the generator's own, by name."""
    pending: tuple[Draft, ...] = ()
    """What has happened and was not yet asked for, beside the backlogs of the districts."""
    districts: tuple[tuple[dict[str, Any], bytes], ...]

    def encode(self) -> bytes:
        document = {
            "stream": self.stream,
            "spec": self.spec,
            "shard": self.shard,
            "pending": self.pending,
            "districts": [state for state, _ in self.districts],
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        body = b"".join((text, *(stock for _, stock in self.districts)))
        return _HEADER.pack(_MAGIC, zlib.crc32(body), len(text)) + body

    @classmethod
    def decode(cls, raw: bytes) -> Checkpoint:
        """Raises CheckpointError for anything that ``encode`` has not made."""
        if len(raw) < _HEADER.size:
            raise CheckpointError("the checkpoint is cut off")
        magic, crc, length = _HEADER.unpack_from(raw)
        body = memoryview(raw)[_HEADER.size :]
        if magic != _MAGIC:
            raise CheckpointError("the checkpoint is of another version")
        if zlib.crc32(body) != crc:
            raise CheckpointError("the checkpoint is damaged")
        document = json.loads(bytes(body[:length]))
        products = document["spec"][3]
        districts = []
        start = length
        for state in document["districts"]:
            end = start + products * (4 + 2 * len(state["stores"]))
            districts.append((state, bytes(body[start:end])))
            start = end
        return cls(
            stream=document["stream"],
            spec=tuple(document["spec"]),
            shard=document["shard"],
            pending=_drafts(document["pending"]),
            districts=tuple(districts),
        )

    def require(self, stream: str, spec: WorldSpec) -> None:
        """Raises CheckpointError if this is of another stream or world."""
        if self.stream != stream or self.spec != spec_numbers(spec):
            raise CheckpointError(f"the checkpoint is of stream {self.stream!r} or of another world")


def spec_numbers(spec: WorldSpec) -> tuple[int, ...]:
    return (spec.seed, spec.stores, spec.distribution_centers, spec.products, spec.customers)


def shard_of(dc_id: int, shards: int) -> int:
    return (dc_id - 1) % shards


def require_fit(spec: WorldSpec, shards: int, load: float = 1.0) -> None:
    """Raises WorldTooLargeError if a shard's checkpoint could exceed ``MOST_BYTES``.

    ``load`` is how many times the usual volume goes on at once.
    """
    if _largest_shard_bytes(spec, shards, load) <= MOST_BYTES:
        return
    for more in range(shards + 1, spec.distribution_centers + 1):
        if _largest_shard_bytes(spec, more, load) <= MOST_BYTES:
            raise WorldTooLargeError(more)
    raise WorldTooLargeError(None)


def _largest_shard_bytes(spec: WorldSpec, shards: int, load: float) -> float:
    districts = -(-spec.distribution_centers // shards)
    stores = districts * -(-spec.stores // spec.distribution_centers)
    return districts * (spec.products * 4 + _BYTES_PER_DISTRICT) + stores * (
        spec.products * 2 + _BYTES_PER_STORE * max(1.0, load)
    )


def _drafts(rows: list[list[str]]) -> tuple[Draft, ...]:
    return tuple((event_type, key, text) for event_type, key, text in rows)


def _little_endian(numbers: array[int]) -> bytes:
    if sys.byteorder == "little":
        return numbers.tobytes()
    swapped = array(numbers.typecode, numbers)
    swapped.byteswap()
    return swapped.tobytes()


def _numbers(typecode: str, raw: bytes) -> array[int]:
    numbers: array[int] = array(typecode)
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def dump_district(district: District) -> tuple[dict[str, Any], bytes]:
    state = {
        "dc": district.dc.dc_id,
        "stores": district.dc.store_ids,
        "number": district.number,
        "tick": district.agenda.tick,
        "open": [int(is_open) for is_open in district.is_open],
        "agenda": district.agenda.dump(),
        "orders": district.open_orders,
        "dispatching": [int(busy) for busy in district.dispatching],
        "shipments": list(district.shipments.items()),
        "begun": district.trouble.begun,
        "affected": list(district.trouble.affected.items()),
        "backlog": district.backlog,
    }
    stock = [_little_endian(district.shelf.on_hand)]
    stock.extend(_little_endian(shelf.on_hand) for shelf in district.shelves)
    return state, b"".join(stock)


def load_district(world: World, assortments: Assortments, stream: str, state: dict[str, Any], stock: bytes) -> District:
    """The inverse of ``dump_district``."""
    products = len(world.products)
    starts = (products * (4 + 2 * index) for index in range(len(state["stores"])))
    on_hand = [
        _numbers("I", stock[: 4 * products]),
        *(_numbers("H", stock[start : start + 2 * products]) for start in starts),
    ]
    dc = world.distribution_centers[state["dc"] - 1]
    district = District(world, assortments, dc, stream=stream, on_hand=on_hand)
    district.number = state["number"]
    district.is_open = [bool(is_open) for is_open in state["open"]]
    district.agenda = Agenda.load(state["tick"], state["agenda"])
    district.open_orders = [[(product, quantity) for product, quantity in orders] for orders in state["orders"]]
    district.dispatching = [bool(busy) for busy in state["dispatching"]]
    district.shipments = {number: [(p, q) for p, q in lines] for number, lines in state["shipments"]}
    district.trouble.begun = list(state["begun"])
    district.trouble.affected = dict(state["affected"])
    district.backlog = list(_drafts(state["backlog"]))
    district.occupy()
    return district


def resplit(checkpoints: Sequence[bytes], old_shards: int, new_shards: int) -> list[bytes]:
    """Divide the state of a stream, all ``old_shards`` checkpoints in order, over ``new_shards``.

    Raises CheckpointError if they don't belong together, ValueError if there are more shards than districts.
    """
    parsed = [Checkpoint.decode(raw) for raw in checkpoints]
    if (
        not parsed
        or len(parsed) != old_shards
        or {(one.stream, one.spec) for one in parsed} != {(parsed[0].stream, parsed[0].spec)}
    ):
        raise CheckpointError("the checkpoints must be those of all shards of one stream")
    pieces = sorted((piece for one in parsed for piece in one.districts), key=lambda piece: piece[0]["dc"])
    if [state["dc"] for state, _ in pieces] != list(range(1, parsed[0].spec[2] + 1)):
        raise CheckpointError("the checkpoints must hold every distribution center once")
    if not 1 <= new_shards <= len(pieces):
        raise ValueError(f"shards must be from 1 to {len(pieces)}, the number of distribution centers")
    if (
        any(one.pending for one in parsed)
        or len({(one.shard.get("day"), one.shard.get("second")) for one in parsed}) > 1
    ):
        raise CheckpointError("a staged day must be over before it can be divided anew")
    shard = {name: max(one.shard[name] for one in parsed) for name in parsed[0].shard}
    return [
        Checkpoint(
            stream=parsed[0].stream,
            spec=parsed[0].spec,
            shard=shard,
            districts=tuple(piece for piece in pieces if shard_of(piece[0]["dc"], new_shards) == index),
        ).encode()
        for index in range(new_shards)
    ]
