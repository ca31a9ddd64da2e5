"""Paying in a store: what is in the basket, and the sale, written all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streaming.retail.agenda import Step
from streaming.retail.attribution import NO_ATTRIBUTION, attribution_of
from streaming.retail.draws import FULL, share_of
from streaming.retail.people import segment
from streaming.retail.sale import (
    QUANTITIES,
    Line,
    Totals,
    choose_discount,
    choose_tenders,
    gross_cents,
    processing_ms,
    tax_cents,
)
from streaming.retail.scribe import Frame

if TYPE_CHECKING:
    from streaming.retail.district import District
    from streaming.retail.replenishment import Replenishment

_BASKET: Final = 2
"""The stage of a visit's draws that its sale is made of: the first are for the whole, 22 are left, one a line."""
_FIRST_LINE: Final = 10

LINES_BY_SEGMENT: Final = ((1, 3), (4, 8), (9, 14), (15, 22))
"""Products in a basket of each class; classes are the customers' segments."""
_CLASSES: Final = (0,) * 11 + (1,) * 6 + (2,) * 2 + (3,)
_AS_USUAL: Final = FULL * 6 // 10
"""So many visits are of the customer's usual class; the others are of any."""
_RETURNED: Final = FULL // 100
_LAST_RETURN_HOURS: Final = 48


class Till:
    """The tills of one district's stores."""

    __slots__ = ("_d", "_goods")

    def __init__(self, district: District, replenishment: Replenishment) -> None:
        self._d = district
        self._goods = replenishment

    def basket_class(self, number: int, customer: int) -> int:
        """How much a visit is going to buy: known from its beginning, for it takes its time."""
        draw = self._d.draws.block(number, _BASKET)
        return segment(customer) if draw[0] < _AS_USUAL else _CLASSES[share_of(draw[1], len(_CLASSES))]

    def sell(self, number: int, store: int, customer: int, *, attributed: bool) -> None:
        """Receipt, lines, promotion, payment, and the goods out of stock; nothing, if the store is out of all."""
        district, scribe = self._d, self._d.scribe
        products = district.world.products
        draw = district.draws.block(number, _BASKET)
        lines = self._fill_basket(number, store, customer, draw)
        if not lines:
            return
        place = district.stores[store]
        tag = f"{district.tag}-{number:x}"
        key, visit, receipt = f"store_{place.store_id}", f"visit_{tag}", f"receipt_{tag}"
        attribution = attribution_of(district, number) if attributed else NO_ATTRIBUTION
        discount = choose_discount(products, lines, draw[3])
        totals = Totals(
            gross=gross_cents(products, lines),
            discount=discount.cents if discount else 0,
            tax=tax_cents(products, lines, discount, place.tax_basis_points),
        )
        tenders = choose_tenders(draw[4], draw[5], draw[6], online=False)
        scribe.receipt_created(
            Frame(key, visit, None, attribution.correlation_id),
            store_id=place.store_id,
            customer_id=customer,
            receipt_id=receipt,
            totals=totals,
            tender=tenders.approved,
            item_count=sum(line.quantity for line in lines),
            attribution=attribution,
        )
        frame = Frame(key, visit, receipt)
        touched = discount.lines if discount else ()
        for position, line in enumerate(lines):
            scribe.receipt_line(
                frame,
                receipt_id=receipt,
                line=position + 1,
                product_id=line.product + 1,
                quantity=line.quantity,
                unit_cents=products[line.product].price_cents,
                promo_code=discount.promotion.code if discount and position in touched else None,
            )
        if discount:
            scribe.promotion_applied(
                frame,
                receipt_id=receipt,
                promotion=discount.promotion,
                discount_cents=discount.cents,
                product_ids=[lines[position].product + 1 for position in touched],
                store_id=place.store_id,
                customer_id=customer,
            )
        paying = frame if attribution is NO_ATTRIBUTION else Frame(key, visit, receipt, attribution.correlation_id)
        for attempt, (method, reason) in enumerate(tenders.attempts(), 1):
            scribe.payment_processed(
                paying,
                receipt_id=receipt,
                order_id=None,
                method=method,
                cents=totals.total,
                transaction_id=f"txn_{tag}-{attempt}",
                milliseconds=processing_ms(method, draw[7]),
                decline_reason=reason,
                store_id=place.store_id,
                customer_id=customer,
            )
        for line in lines:
            self._goods.take_from_store(
                store, frame, product=line.product, quantity=line.quantity, reason="SALE", source=receipt
            )
        if draw[8] < _RETURNED:
            after = 3_600 * (1 + share_of(draw[9], _LAST_RETURN_HOURS))
            district.later(district.pace.lead_ticks(after), Step.RETURN, number, store, lines[0].product, 1)

    def _fill_basket(self, number: int, store: int, customer: int, draw: tuple[int, ...]) -> list[Line]:
        """What the customer wants and the store has."""
        low, high = LINES_BY_SEGMENT[self.basket_class(number, customer)]
        wanted: dict[int, int] = {}
        picks = self._d.picks[store]
        for pick in draw[_FIRST_LINE : _FIRST_LINE + low + share_of(draw[2], high - low + 1)]:
            product = picks[pick >> 3]
            wanted[product] = wanted.get(product, 0) + QUANTITIES[pick & 7]
        on_hand = self._d.shelves[store].on_hand
        return [
            Line(product, min(quantity, on_hand[product])) for product, quantity in wanted.items() if on_hand[product]
        ]

    def take_back(self, number: int, store: int, product: int, quantity: int) -> None:
        """Goods of an earlier sale come back and go on the shelf again."""
        district = self._d
        tag = f"{district.tag}-{number:x}"
        receipt = f"receipt_{tag}"
        frame = Frame(f"store_{district.stores[store].store_id}", f"visit_{tag}", receipt)
        self._goods.put_into_store(store, frame, product=product, quantity=quantity, reason="RETURN", source=receipt)
