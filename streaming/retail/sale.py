"""The money of a basket: prices, a promotion, tax and tender. Integer cents throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from streaming.retail.draws import FULL
from streaming.retail.marketing import PROMOTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.retail.catalog import Product
    from streaming.retail.marketing import Promotion

QUANTITIES: Final = (1, 1, 1, 1, 1, 2, 2, 3)
_PROMOTED: Final = FULL * 30 // 100
_DECLINED: Final = FULL * 25 // 1_000
DECLINE_REASONS: Final = (
    "INSUFFICIENT_FUNDS",
    "INSUFFICIENT_FUNDS",
    "CARD_EXPIRED",
    "SUSPECTED_FRAUD",
    "ISSUER_UNAVAILABLE",
)
_IN_STORE: Final = ("CREDIT_CARD",) * 8 + ("DEBIT_CARD",) * 6 + ("CASH",) * 4 + ("MOBILE_PAY",) * 2
_ONLINE: Final = ("CREDIT_CARD",) * 12 + ("DEBIT_CARD",) * 5 + ("PAYPAL",) * 2 + ("GIFT_CARD",)
CASH: Final = "CASH"


class Line(NamedTuple):
    """One product in a basket."""

    product: int
    """Its index, one less than its id."""
    quantity: int


class Discount(NamedTuple):
    promotion: Promotion
    cents: int
    lines: tuple[int, ...]
    """The lines it touched, by position."""


class Tenders(NamedTuple):
    """How a sale was paid: the last tender is approved, an earlier one was declined."""

    approved: str
    declined: str | None
    reason: str

    def attempts(self) -> tuple[tuple[str, str | None], ...]:
        """Each tender with the reason why it was declined, in order."""
        if self.declined is None:
            return ((self.approved, None),)
        return ((self.declined, self.reason), (self.approved, None))


class Totals(NamedTuple):
    """The money of a sale, in cents."""

    gross: int
    discount: int
    tax: int

    @property
    def subtotal(self) -> int:
        return self.gross - self.discount

    @property
    def total(self) -> int:
        return self.gross - self.discount + self.tax


def gross_cents(products: Sequence[Product], lines: Sequence[Line]) -> int:
    return sum(products[line.product].price_cents * line.quantity for line in lines)


def choose_discount(products: Sequence[Product], lines: Sequence[Line], draw: int) -> Discount | None:
    """The promotion that the basket earns, if it has one and comes to enough for it."""
    if draw >= _PROMOTED:
        return None
    promotion = PROMOTIONS[draw % len(PROMOTIONS)]
    extended = [products[line.product].price_cents * line.quantity for line in lines]
    if sum(extended) < promotion.minimum_cents:
        return None
    if promotion.discount_type == "BOGO":
        for position, line in enumerate(lines):
            if line.quantity > 1:
                free = line.quantity // 2
                return Discount(promotion, products[line.product].price_cents * free, (position,))
        return None
    if promotion.discount_type == "FIXED_AMOUNT":
        return Discount(promotion, promotion.amount, tuple(range(len(lines))))
    department = products[lines[0].product].department
    touched = tuple(p for p, line in enumerate(lines) if products[line.product].department == department)
    cents = sum(extended[position] for position in touched) * promotion.amount // 100
    return Discount(promotion, cents, touched) if cents else None


def tax_cents(products: Sequence[Product], lines: Sequence[Line], discount: Discount | None, basis_points: int) -> int:
    """The store's rate on what each line costs after its part of the discount, by its taxability; half a cent is up.

    A discount is spread over the lines it touched by their price, cents rounded down, the rest on the last.
    """
    taxable = 0
    for line in lines:
        product = products[line.product]
        taxable += product.price_cents * line.quantity * product.taxability_percent
    if discount:
        touched = [lines[position] for position in discount.lines]
        base = sum(products[line.product].price_cents * line.quantity for line in touched)
        left = discount.cents
        for line in touched[:-1]:
            product = products[line.product]
            part = discount.cents * product.price_cents * line.quantity // base
            left -= part
            taxable -= part * product.taxability_percent
        taxable -= left * products[touched[-1].product].taxability_percent
    return (taxable * basis_points + 500_000) // 1_000_000


def choose_tenders(draw: int, decline: int, second: int, *, online: bool) -> Tenders:
    """How it is paid. A declined tender is followed by another, of another kind; cash is never declined."""
    choices = _ONLINE if online else _IN_STORE
    first = choices[draw % len(choices)]
    if decline >= _DECLINED or first == CASH:
        return Tenders(first, None, "")
    reason = DECLINE_REASONS[decline % len(DECLINE_REASONS)]
    others = [tender for tender in choices if tender != first]
    return Tenders(others[second % len(others)], first, reason)


def processing_ms(tender: str, draw: int) -> int:
    """How long a payment took. Counting cash takes longest."""
    return 4_000 + (draw >> 3) if tender == CASH else 250 + (draw >> 5)
