"""Shoppers in stores: they come in, walk about, pay, and sometimes bring something back."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from streaming.retail.agenda import Step
from streaming.retail.catalog import ZONES
from streaming.retail.draws import FULL, share_of
from streaming.retail.people import ble_id, has_app
from streaming.retail.scribe import Frame

if TYPE_CHECKING:
    from streaming.retail.district import District
    from streaming.retail.till import Till

# Stages of a visit's draws; the till has the next.
_ENTER: Final = 0
_WALK: Final = 1

_DWELL_MINUTES: Final = ((5, 15), (10, 25), (25, 45), (35, 75))
_BROWSE_MINUTES: Final = (3, 30)
_FROM_NEARBY: Final = FULL * 12 // 100
"""So many shoppers come to another store of their district than their own."""
_PROBES: Final = 8
_ROOMS: Final = len(ZONES) - 2
_OUT_BEFORE_CLOSING: Final = 120
_THEN_BUY: Final = 0
_THEN_BUY_ATTRIBUTED: Final = 1
_THEN_LEAVE: Final = 2
_WALKED: Final = 4
"""Added to what comes then, for those whose way to the till was seen."""


class Visits:
    """The visits of one district."""

    __slots__ = ("_d", "_till")

    def __init__(self, district: District, till: Till) -> None:
        self._d = district
        self._till = till

    # Who and where

    def choose_store(self, draw: int) -> int | None:
        """The index of the store that a visit goes to, for an even draw below 2^32; None if all are closed."""
        shares = self._d.traffic.stores
        index = bisect_right(shares, draw * shares[-1] >> 32)
        return index if index < len(shares) and self._d.admits(index) else None

    def choose_customer(self, store: int, draw: int, nearby: int) -> int | None:
        """A customer for the store who is in no store now; None if those asked all are."""
        district = self._d
        home = store
        if nearby < _FROM_NEARBY:
            home = nearby % len(district.stores)
        customers = district.world.customers
        first, size = customers.pool(district.stores[home].store_id)
        # Halfway between even and squared: some shop more often than others.
        position = (draw + (draw * draw >> 16)) * size >> 17
        for probe in range(min(size, _PROBES)):
            customer = customers.at(first + (position + probe) % size)
            if customer not in district.busy:
                return customer
        return None

    # Coming in

    def purchase(self, number: int, draw: tuple[int, ...]) -> bool:
        """Begin a visit that ends at the till. False if nobody can."""
        store = self.choose_store(draw[2] << 16 | draw[3])
        if store is None:
            return False
        customer = self.choose_customer(store, draw[4], draw[5])
        if customer is None:
            return False
        self._d.busy.add(customer)
        self.enter(number, store, customer, draw, attributed=False)
        return True

    def browse(self, number: int, draw: tuple[int, ...]) -> bool:
        """People who buy nothing: one customer whose phone is known, or a few whom the sensor counts together."""
        district = self._d
        store = self.choose_store(draw[2] << 16 | draw[3])
        if store is None:
            return False
        low, high = _BROWSE_MINUTES
        dwell = self._dwell(store, 60 * low + share_of(draw[6], 60 * (high - low)))
        customer = self.choose_customer(store, draw[4], draw[5])
        store_id = district.stores[store].store_id
        frame = Frame(f"store_{store_id}", f"visit_{district.tag}-{number:x}")
        if customer is None or not has_app(customer):
            district.scribe.customer_entered(
                frame, store_id=store_id, count=2 + share_of(draw[7], 7), dwell_seconds=dwell
            )
            return True
        district.busy.add(customer)
        district.visitors[store] += 1
        district.scribe.customer_entered(frame, store_id=store_id, count=1 + (draw[7] & 1), dwell_seconds=dwell)
        if district.scribe.walks_wanted:
            self._start_walk(number, store, customer, dwell, _THEN_LEAVE)
        else:
            district.later(district.pace.visit_ticks(dwell), Step.LEAVE, number, store, customer)
        return True

    def enter(self, number: int, store: int, customer: int, draw: tuple[int, ...], *, attributed: bool) -> None:
        """Let ``customer``, already marked busy, come in to buy."""
        district = self._d
        store_id = district.stores[store].store_id
        low, high = _DWELL_MINUTES[self._till.basket_class(number, customer)]
        dwell = self._dwell(store, 60 * low + share_of(draw[6], 60 * (high - low)))
        frame = Frame(f"store_{store_id}", f"visit_{district.tag}-{number:x}")
        district.visitors[store] += 1
        district.scribe.customer_entered(frame, store_id=store_id, count=1 + (draw[7] < FULL // 5), dwell_seconds=dwell)
        then = _THEN_BUY_ATTRIBUTED if attributed else _THEN_BUY
        if has_app(customer) and district.scribe.walks_wanted:
            self._start_walk(number, store, customer, dwell, then)
        else:
            district.later(district.pace.visit_ticks(dwell), Step.CHECKOUT, number, store, customer, then)

    def _dwell(self, store: int, seconds: int) -> int:
        """``seconds``, or less if the store closes before."""
        district = self._d
        return min(seconds, district.closes_at[store] - district.agenda.tick - _OUT_BEFORE_CLOSING)

    # Walking about: entrance, two to four rooms, and for those who buy the till

    def _start_walk(self, number: int, store: int, customer: int, dwell: int, then: int) -> None:
        rooms = 2 + self._d.draws.block(number, _WALK)[2] % 3
        ticks = self._d.pace.visit_ticks(dwell // (rooms + 1))
        self._d.later(ticks, Step.ZONE, number, store, customer, ticks << 8 | then << 4)

    @staticmethod
    def _room(draw: tuple[int, ...], position: int) -> str:
        """The zone of a walk; two in a row always differ."""
        return ZONES[1 + (draw[0] + position * (1 + draw[1] % (_ROOMS - 1))) % _ROOMS]

    def walk(self, number: int, store: int, customer: int, packed: int) -> None:
        """Go to the next room and be heard there by two to five beacons."""
        district, scribe = self._d, self._d.scribe
        draw = district.draws.block(number, _WALK)
        position, then, ticks = packed & 15, packed >> 4 & 15, packed >> 8
        store_id = district.stores[store].store_id
        frame = Frame(f"store_{store_id}", f"visit_{district.tag}-{number:x}")
        ble = ble_id(customer)
        zone = self._room(draw, position)
        came_from = self._room(draw, position - 1) if position else ZONES[0]
        scribe.zone_changed(frame, store_id=store_id, ble=ble, from_zone=came_from, to_zone=zone)
        for ping in range(2 + draw[3 + position] % 4):
            heard = draw[7 + 5 * position + ping]
            scribe.ble_ping(
                frame, store_id=store_id, ble=ble, zone=zone, beacon=1 + (heard & 3), rssi=-95 + share_of(heard, 56)
            )
        if position < 1 + draw[2] % 3:
            district.later(ticks, Step.ZONE, number, store, customer, packed + 1)
        elif then == _THEN_LEAVE:
            district.later(ticks, Step.LEAVE, number, store, customer)
        else:
            district.later(ticks, Step.CHECKOUT, number, store, customer, then | _WALKED)

    def leave(self, _number: int, store: int, customer: int, _: int) -> None:
        district = self._d
        district.busy.discard(customer)
        district.visitors[store] -= 1
        if district.closing[store]:
            district.close_if_empty(store)

    def check_out(self, number: int, store: int, customer: int, then: int) -> None:
        """Go to the till, pay and leave."""
        if then & _WALKED:
            draw = self._d.draws.block(number, _WALK)
            store_id = self._d.stores[store].store_id
            self._d.scribe.zone_changed(
                Frame(f"store_{store_id}", f"visit_{self._d.tag}-{number:x}"),
                store_id=store_id,
                ble=ble_id(customer),
                from_zone=self._room(draw, 1 + draw[2] % 3),
                to_zone=ZONES[-1],
            )
        self._till.sell(number, store, customer, attributed=bool(then & _THEN_BUY_ATTRIBUTED))
        self.leave(number, store, customer, 0)
