"""Shoppers in stores: they come in, walk about, pay, and sometimes bring something back."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from streaming.retail.agenda import Step
from streaming.retail.attribution import NO_ATTRIBUTION, attribution_of
from streaming.retail.catalog import ZONES
from streaming.retail.draws import FULL, share_of
from streaming.retail.people import ble_id, has_app, segment
from streaming.retail.sale import QUANTITIES, Line, choose_discount, choose_tenders, processing_ms, tax_cents
from streaming.retail.scribe import Frame, Totals

if TYPE_CHECKING:
    from streaming.retail.attribution import Attribution
    from streaming.retail.district import District
    from streaming.retail.replenishment import Replenishment

# Stages of a visit's draws.
_ENTER: Final = 0
_WALK: Final = 1
_BASKET: Final = 2

LINES_BY_SEGMENT: Final = ((1, 3), (4, 8), (9, 14), (15, 22))
"""Products in a basket, by the customer's segment."""
_DWELL_MINUTES: Final = ((5, 15), (10, 25), (25, 45), (35, 75))
_BROWSE_MINUTES: Final = (3, 30)
_BASKET_CLASSES: Final = (0,) * 11 + (1,) * 6 + (2,) * 2 + (3,)
_AS_USUAL: Final = FULL * 6 // 10
"""So many visits are of the customer's usual size; the others are of any."""
_FROM_NEARBY: Final = FULL * 12 // 100
"""So many shoppers come to another store of their district than their own."""
_RETURNED: Final = FULL // 100
_PROBES: Final = 8
_ROOMS: Final = len(ZONES) - 2
_OUT_BEFORE_CLOSING: Final = 120
_THEN_BUY: Final = 0
_THEN_BUY_ATTRIBUTED: Final = 1
_THEN_LEAVE: Final = 2
_FIRST_LINE: Final = 10
"""The basket's draws before this one are for other things; 22 are left, one a line."""


class Visits:
    """The visits of one district."""

    __slots__ = ("_d", "_goods")

    def __init__(self, district: District, replenishment: Replenishment) -> None:
        self._d = district
        self._goods = replenishment

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
        dwell = 60 * low + share_of(draw[6], 60 * (high - low))
        customer = self.choose_customer(store, draw[4], draw[5])
        store_id = district.stores[store].store_id
        frame = Frame(f"store_{store_id}", f"visit_{district.tag}-{number:x}")
        if customer is None or not has_app(customer):
            district.scribe.customer_entered(frame, store_id, 2 + share_of(draw[7], 7), dwell)
            return True
        district.busy.add(customer)
        district.visitors[store] += 1
        district.scribe.customer_entered(frame, store_id, 1 + (draw[7] & 1), self._dwell(store, dwell))
        self._start_walk(number, store, customer, self._dwell(store, dwell), _THEN_LEAVE)
        return True

    def enter(self, number: int, store: int, customer: int, draw: tuple[int, ...], *, attributed: bool) -> None:
        """Let ``customer``, already marked busy, come in to buy."""
        district = self._d
        store_id = district.stores[store].store_id
        low, high = _DWELL_MINUTES[self._basket_class(number, customer)]
        dwell = self._dwell(store, 60 * low + share_of(draw[6], 60 * (high - low)))
        frame = Frame(f"store_{store_id}", f"visit_{district.tag}-{number:x}")
        district.visitors[store] += 1
        district.scribe.customer_entered(frame, store_id, 1 + (draw[7] < FULL // 5), dwell)
        then = _THEN_BUY_ATTRIBUTED if attributed else _THEN_BUY
        if has_app(customer):
            self._start_walk(number, store, customer, dwell, then)
        else:
            district.later(district.pace.visit_ticks(dwell), Step.CHECKOUT, number, store, customer, then)

    def _dwell(self, store: int, seconds: int) -> int:
        """``seconds``, or less if the store closes before."""
        district = self._d
        return min(seconds, district.closes_at[store] - district.agenda.tick - _OUT_BEFORE_CLOSING)

    def _basket_class(self, number: int, customer: int) -> int:
        draw = self._d.draws.block(number, _BASKET)
        return segment(customer) if draw[0] < _AS_USUAL else _BASKET_CLASSES[share_of(draw[1], len(_BASKET_CLASSES))]

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
        scribe.zone_changed(frame, store_id, ble, self._room(draw, position - 1) if position else ZONES[0], zone)
        for ping in range(2 + draw[3 + position] % 4):
            heard = draw[7 + 5 * position + ping]
            scribe.ble_ping(frame, store_id, ble, zone, 1 + (heard & 3), -95 + share_of(heard, 56))
        if position < 1 + draw[2] % 3:
            district.later(ticks, Step.ZONE, number, store, customer, packed + 1)
        elif then == _THEN_LEAVE:
            district.later(ticks, Step.LEAVE, number, store, customer)
        else:
            district.later(ticks, Step.CHECKOUT, number, store, customer, then)

    def leave(self, _number: int, store: int, customer: int, _: int) -> None:
        district = self._d
        district.busy.discard(customer)
        district.visitors[store] -= 1
        if district.closing[store]:
            district.close_if_empty(store)

    # Paying

    def check_out(self, number: int, store: int, customer: int, then: int) -> None:
        """The sale, all of it at once: receipt, lines, promotion, payment, and the goods out of stock."""
        district, scribe = self._d, self._d.scribe
        place = district.stores[store]
        visit = f"visit_{district.tag}-{number:x}"
        if has_app(customer):
            walked = district.draws.block(number, _WALK)
            last = self._room(walked, 1 + walked[2] % 3)
            scribe.zone_changed(
                Frame(f"store_{place.store_id}", visit), place.store_id, ble_id(customer), last, ZONES[-1]
            )
        draw = district.draws.block(number, _BASKET)
        lines = self._fill_basket(number, store, customer, draw)
        if lines:
            attribution = attribution_of(district, number) if then == _THEN_BUY_ATTRIBUTED else NO_ATTRIBUTION
            self._sell(number, store, customer, lines, draw, visit, attribution)
        self.leave(number, store, customer, 0)

    def _fill_basket(self, number: int, store: int, customer: int, draw: tuple[int, ...]) -> list[Line]:
        """What the customer wants and the store has."""
        low, high = LINES_BY_SEGMENT[self._basket_class(number, customer)]
        wanted: dict[int, int] = {}
        picks = self._d.picks[store]
        for pick in draw[_FIRST_LINE : _FIRST_LINE + low + share_of(draw[2], high - low + 1)]:
            product = picks[pick >> 3]
            wanted[product] = wanted.get(product, 0) + QUANTITIES[pick & 7]
        on_hand = self._d.shelves[store].on_hand
        return [
            Line(product, min(quantity, on_hand[product])) for product, quantity in wanted.items() if on_hand[product]
        ]

    def _sell(
        self,
        number: int,
        store: int,
        customer: int,
        lines: list[Line],
        draw: tuple[int, ...],
        visit: str,
        attribution: Attribution,
    ) -> None:
        district, scribe = self._d, self._d.scribe
        products = district.world.products
        place = district.stores[store]
        receipt = f"receipt_{district.tag}-{number:x}"
        key = f"store_{place.store_id}"
        discount = choose_discount(products, lines, draw[3])
        totals = Totals(
            sum(products[line.product].price_cents * line.quantity for line in lines),
            discount.cents if discount else 0,
            tax_cents(products, lines, discount, place.tax_basis_points),
        )
        tenders = choose_tenders(draw[4], draw[5], draw[6], online=False)
        scribe.receipt_created(
            Frame(key, visit, None, attribution.correlation_id), place.store_id, customer, receipt, totals,
            tenders.approved, sum(line.quantity for line in lines), attribution.campaign_id, attribution.impression_id,
        )  # fmt: skip
        frame = Frame(key, visit, receipt)
        touched = discount.lines if discount else ()
        for position, line in enumerate(lines):
            code = discount.promotion.code if discount and position in touched else None
            scribe.receipt_line(
                frame, receipt, position + 1, line.product + 1, line.quantity, products[line.product].price_cents, code
            )
        if discount:
            scribe.promotion_applied(
                frame, receipt, discount.promotion.code, discount.cents, discount.promotion.discount_type,
                [lines[position].product + 1 for position in touched], place.store_id, customer,
            )  # fmt: skip
        paying = Frame(key, visit, receipt, attribution.correlation_id) if attribution.correlation_id else frame
        for attempt, (method, reason) in enumerate(tenders.attempts(), 1):
            scribe.payment_processed(
                paying, receipt, None, method, totals.total, f"txn_{district.tag}-{number:x}-{attempt}",
                processing_ms(method, draw[7]), reason, place.store_id, customer,
            )  # fmt: skip
        for line in lines:
            self._goods.take_from_store(store, frame, line.product, line.quantity, "SALE", receipt)
        if draw[8] < _RETURNED:
            after = 3_600 * (1 + share_of(draw[9], 48))
            district.later(district.pace.lead_ticks(after), Step.RETURN, number, store, lines[0].product, 1)

    def bring_back(self, number: int, store: int, product: int, quantity: int) -> None:
        """Returned goods go back on the shelf."""
        district = self._d
        receipt = f"receipt_{district.tag}-{number:x}"
        frame = Frame(f"store_{district.stores[store].store_id}", f"visit_{district.tag}-{number:x}", receipt)
        self._goods.put_into_store(store, frame, product, quantity, "RETURN", receipt)
