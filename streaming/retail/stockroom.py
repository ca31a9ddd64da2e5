"""Stock as a running balance, at the stores and at the distribution center of one district, and who is told.

Every change goes through here: it is written down, a stockout is detected at zero, and a reorder is triggered when
the stock falls to its reorder point, once per crossing. Reordered quantities exceed the reorder point, and a
distribution center reorders before it has less than any store asks for: so no product is ever forgotten.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from streaming.retail.draws import FULL, Draws
from streaming.retail.scribe import Frame

if TYPE_CHECKING:
    from streaming.retail.places import DistributionCenter, Store
    from streaming.retail.scribe import Scribe
    from streaming.retail.world import World

_MOST_ORDERED: Final = 8_000
"""Well below what 16 bits hold, since returns can lift a stock over its reorder point before a delivery comes."""
DC_POINT_STORES: Final = 4
"""A distribution center reorders at so many usual orders for each of its stores, and at least ten."""
DC_QUANTITY_POINTS: Final = 3


class Shelf:
    """The stock of one node (a store or the distribution center), by product index."""

    __slots__ = ("frame", "node", "on_hand", "points", "quantities")

    def __init__(self, frame: Frame, node: str, on_hand: array[int], points: list[int], quantities: list[int]) -> None:
        self.frame = frame
        self.node = node
        """The payload fragment that names the node."""
        self.on_hand = on_hand
        self.points = points
        self.quantities = quantities


def store_shelf(world: World, store: Store, on_hand: array[int] | None = None) -> Shelf:
    """A store's shelf; without ``on_hand`` as it is when a world begins: all in stock, nothing to reorder."""
    volume = store.volume_class
    points = [max(2, product.reorder_point * volume // 100) for product in world.products]
    quantities = [
        max(12, product.reorder_quantity * volume // 100, point + 1)
        for product, point in zip(world.products, points, strict=True)
    ]
    if on_hand is None:
        draws = Draws("stock", world.spec.seed).many(store.store_id, len(points))
        on_hand = array("H", _first_stock(points, quantities, draws))
    frame = Frame(f"store_{store.store_id}", None)
    return Shelf(frame, f'"store_id":{store.store_id},"dc_id":null', on_hand, points, quantities)


def _first_stock(points: list[int], quantities: list[int], draws: tuple[int, ...]) -> list[int]:
    return [
        point + 1 + quantity * draw // FULL for point, quantity, draw in zip(points, quantities, draws, strict=True)
    ]


def dc_shelf(world: World, dc: DistributionCenter, on_hand: array[int] | None = None) -> Shelf:
    """The center's shelf; without ``on_hand`` as it is when a world begins."""
    stores = max(10, len(dc.store_ids) * DC_POINT_STORES)
    points = [product.reorder_quantity * stores for product in world.products]
    quantities = [point * DC_QUANTITY_POINTS for point in points]
    if on_hand is None:
        draws = Draws("dc stock", world.spec.seed).many(dc.dc_id, len(points))
        on_hand = array("I", _first_stock(points, quantities, draws))
    return Shelf(Frame(f"dc_{dc.dc_id}", None), f'"store_id":null,"dc_id":{dc.dc_id}', on_hand, points, quantities)


def order_quantity(shelf: Shelf, product: int, scale: int, dc: Shelf) -> int:
    """What a store orders: its usual quantity times ``scale``, but never more than the center always has coming."""
    return min(shelf.quantities[product] * scale, _MOST_ORDERED, dc.points[product])


def change(
    scribe: Scribe, shelf: Shelf, frame: Frame, *, product: int, delta: int, reason: str, source: str, order: int
) -> bool:
    """Add ``delta`` to the stock of ``product``; a decrease is never more than there is.

    Returns whether a reorder of ``order`` was triggered: the caller sees that it is delivered.
    """
    before = shelf.on_hand[product]
    after = before + delta
    shelf.on_hand[product] = after
    scribe.inventory_updated(frame, node=shelf.node, product_id=product + 1, delta=delta, reason=reason, source=source)
    if delta > 0:
        return False
    point = shelf.points[product]
    crossed = after <= point < before
    if crossed:
        priority = "URGENT" if after == 0 else "HIGH" if after * 2 <= point else "NORMAL"
        scribe.reorder_triggered(
            shelf.frame,
            node=shelf.node,
            product_id=product + 1,
            current=after,
            quantity=order,
            point=point,
            priority=priority,
        )
    if after == 0:
        scribe.stockout_detected(shelf.frame, node=shelf.node, product_id=product + 1, last_known_quantity=before)
    return crossed
