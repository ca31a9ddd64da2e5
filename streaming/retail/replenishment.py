"""Goods on the move: reorders, trucks from the distribution center, suppliers, shelf counts and shortages."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

from streaming.retail.agenda import Step
from streaming.retail.disruption import DisruptionType
from streaming.retail.draws import FULL, share_of
from streaming.retail.scribe import Frame
from streaming.retail.stockroom import change, order_quantity

if TYPE_CHECKING:
    from streaming.retail.district import District

# Stages of a shipment's or delivery's draws.
_LOAD: Final = 16
_UNLOAD: Final = 17

_HOUR: Final = 3_600
_LINES_ON_A_TRUCK: Final = 40
_SHORT_PRODUCTS: Final = 25
"""What a shortage hits when no product is named: so many best sellers."""


class Replenishment:
    """The goods of one district."""

    __slots__ = ("_d",)

    def __init__(self, district: District) -> None:
        self._d = district

    # Stock of a store

    def take_from_store(
        self, store: int, frame: Frame, *, product: int, quantity: int, reason: str, source: str
    ) -> None:
        """Take what is there at least; what falls to its reorder point is ordered."""
        district = self._d
        shelf = district.shelves[store]
        order = order_quantity(shelf, product, district.pace.order_scale, district.shelf)
        if change(
            district.scribe, shelf, frame, product=product, delta=-quantity, reason=reason, source=source, order=order
        ):
            district.open_orders[store].append((product, order))
            if not district.dispatching[store]:
                district.dispatching[store] = True
                wait = _HOUR * (1 + share_of(district.draws.block(district.number, _LOAD)[0], 3))
                district.later(district.pace.lead_ticks(wait), Step.DISPATCH, 0, store)

    def put_into_store(
        self, store: int, frame: Frame, *, product: int, quantity: int, reason: str, source: str
    ) -> None:
        shelf = self._d.shelves[store]
        change(self._d.scribe, shelf, frame, product=product, delta=quantity, reason=reason, source=source, order=0)

    # Stock of the distribution center

    def take_from_center(self, frame: Frame, *, product: int, quantity: int, reason: str, source: str) -> None:
        """Take what is there at least; a supplier delivers what was reordered."""
        district = self._d
        shelf = district.shelf
        order = shelf.quantities[product]
        if change(
            district.scribe, shelf, frame, product=product, delta=-quantity, reason=reason, source=source, order=order
        ):
            number = district.next_number()
            lead = _HOUR * (12 + share_of(district.draws.block(number, _LOAD)[0], 37))
            district.later(district.pace.lead_ticks(lead), Step.SUPPLY, number, 0, product, order)

    def supply(self, number: int, _: int, product: int, quantity: int) -> None:
        """A supplier delivers, unless suppliers are late."""
        district = self._d
        if district.trouble.any and district.trouble.hits(
            DisruptionType.SUPPLIER_DELAY, district.draws.block(number, district.agenda.tick & 0x7FFF)[1]
        ):
            district.later(district.pace.lead_ticks(6 * _HOUR), Step.SUPPLY, number, 0, product, quantity)
            return
        delivery = f"delivery_{district.tag}-{number:x}"
        frame = Frame(f"dc_{district.dc.dc_id}", delivery)
        change(
            district.scribe,
            district.shelf,
            frame,
            product=product,
            delta=quantity,
            reason="SUPPLIER_DELIVERY",
            source=delivery,
            order=0,
        )

    # Trucks

    def dispatch(self, _: int, store: int, _b: int, _c: int) -> None:
        """Load a truck with what the store has ordered and the center has; come back for what it has not."""
        district = self._d
        number = district.next_number()
        draw = district.draws.block(number, _LOAD)
        store_id = district.stores[store].store_id
        retry = district.pace.lead_ticks(2 * _HOUR)
        if district.trouble.any and district.trouble.hits(DisruptionType.DC_OUTAGE, draw[1]):
            district.later(retry, Step.DISPATCH, 0, store)
            return
        loaded: list[tuple[int, int]] = []
        waiting: list[tuple[int, int]] = []
        left = district.shelf.on_hand
        shipment = f"shipment_{district.tag}-{number:x}"
        frame = Frame(f"dc_{district.dc.dc_id}", shipment)
        for product, quantity in district.open_orders[store]:
            if len(loaded) < _LINES_ON_A_TRUCK and left[product] >= quantity:
                loaded.append((product, quantity))
                self.take_from_center(
                    frame, product=product, quantity=quantity, reason="OUTBOUND_SHIPMENT", source=shipment
                )
            else:
                waiting.append((product, quantity))
        district.open_orders[store] = waiting
        if not loaded:
            district.later(retry, Step.DISPATCH, 0, store)
            return
        district.shipments[number] = loaded
        travel = _HOUR * 2 + share_of(draw[2], 10 * _HOUR)
        if district.trouble.any:
            travel = travel * district.trouble.travel_percent(store_id) // 100
        district.later(district.pace.lead_ticks(travel), Step.ARRIVE, number, store)

    def arrive(self, number: int, store: int, _b: int, _c: int) -> None:
        """The truck reaches the store, unless it has broken down."""
        district = self._d
        place = district.stores[store]
        if district.trouble.any and district.trouble.hits(
            DisruptionType.TRUCK_BREAKDOWN,
            district.draws.block(number, district.agenda.tick & 0x7FFF)[2],
            place.store_id,
        ):
            district.later(district.pace.lead_ticks(4 * _HOUR), Step.ARRIVE, number, store)
            return
        draw = district.draws.block(number, _UNLOAD)
        estimated = 30 + share_of(draw[0], 91)
        actual = max(20, estimated - 10 + share_of(draw[1], 31))
        district.scribe.truck_arrived(
            self._shipment_frame(number, place.store_id),
            truck_id=place.truck_id,
            dc_id=district.dc.dc_id,
            store_id=place.store_id,
            shipment_id=f"shipment_{district.tag}-{number:x}",
            minutes=estimated,
        )
        district.later(district.pace.lead_ticks(actual * 60), Step.UNLOAD, number, store, actual)

    def unload(self, number: int, store: int, minutes: int, _: int) -> None:
        """Put the goods on the shelves, once, and let the truck go; the next one may come."""
        district = self._d
        place = district.stores[store]
        shipment = f"shipment_{district.tag}-{number:x}"
        frame = self._shipment_frame(number, place.store_id)
        for product, quantity in district.shipments.pop(number):
            self.put_into_store(
                store, frame, product=product, quantity=quantity, reason="INBOUND_SHIPMENT", source=shipment
            )
        district.scribe.truck_departed(
            frame,
            truck_id=place.truck_id,
            dc_id=district.dc.dc_id,
            store_id=place.store_id,
            shipment_id=shipment,
            minutes=minutes,
        )
        if district.open_orders[store]:
            district.later(district.pace.lead_ticks(_HOUR), Step.DISPATCH, 0, store)
        else:
            district.dispatching[store] = False

    def _shipment_frame(self, number: int, store_id: int) -> Frame:
        return Frame(f"store_{store_id}", f"shipment_{self._d.tag}-{number:x}")

    # What goes missing

    def count_shelf(self, number: int, store: int, draw: tuple[int, ...]) -> bool:
        """A shelf is counted and one or two units turn out damaged or missing. False if it is empty already."""
        district = self._d
        product = district.picks[store][draw[4] >> 3]
        on_hand = district.shelves[store].on_hand[product]
        if not on_hand:
            return False
        count = f"count_{district.tag}-{number:x}"
        reason = "DAMAGED" if draw[5] < FULL // 2 else "LOST"
        self.take_from_store(
            store,
            district.frames[store],  # A count is no visit, order or shipment.
            product=product,
            quantity=min(on_hand, 1 + (draw[6] & 1)),
            reason=reason,
            source=count,
        )
        return True

    def strike_shortages(self) -> None:
        """Take away the goods of the shortages that begin now."""
        district = self._d
        for disruption, target in district.trouble.shortages():
            products = [product_id - 1 for product_id in disruption.product_ids]
            if not products:
                popularity = [product.popularity for product in district.world.products]
                products = sorted(range(len(popularity)), key=lambda product: (-popularity[product], product))
                products = products[:_SHORT_PRODUCTS]
            for product in products:
                self._strike(disruption.id, target.store_id, product, disruption.severity)

    def _strike(self, disruption_id: str, store_id: int | None, product: int, severity: float) -> None:
        district = self._d
        store = None if store_id is None else district.dc.store_ids.index(store_id)
        shelf = district.shelf if store is None else district.shelves[store]
        missing = ceil(shelf.on_hand[product] * severity)
        if not missing:
            return
        source = f"shortage_{disruption_id}"
        if store is None:
            self.take_from_center(shelf.frame, product=product, quantity=missing, reason="LOST", source=source)
        else:
            self.take_from_store(store, shelf.frame, product=product, quantity=missing, reason="LOST", source=source)
        district.trouble.touched(disruption_id)
