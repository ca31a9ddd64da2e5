"""The money of any basket adds up, in whole cents."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from streaming.retail.sale import CASH, Line, choose_discount, choose_tenders, gross_cents, tax_cents
from tests.retail.streams import world

DRAWS = st.integers(0, 65_535)
BASKETS = st.lists(
    st.builds(Line, st.integers(0, 999), st.integers(1, 4)),
    min_size=1,
    max_size=22,
    unique_by=lambda line: line.product,
)


@given(lines=BASKETS, draw=DRAWS)
def test_a_discount_is_less_than_what_it_touches(lines: list[Line], draw: int) -> None:
    products = world().products
    discount = choose_discount(products, lines, draw)

    if discount:
        touched = gross_cents(products, [lines[position] for position in discount.lines])
        assert 0 < discount.cents <= touched
        assert len(set(discount.lines)) == len(discount.lines)
        assert gross_cents(products, lines) >= discount.promotion.minimum_cents


@given(lines=BASKETS, draw=DRAWS, basis_points=st.integers(0, 1_100))
def test_tax_is_the_rate_on_the_taxable_part_to_the_cent(lines: list[Line], draw: int, basis_points: int) -> None:
    products = world().products
    discount = choose_discount(products, lines, draw)
    base = gross_cents(products, [lines[p] for p in discount.lines]) if discount else 1
    exact = Fraction(0)
    for position, line in enumerate(lines):
        price = Fraction(products[line.product].price_cents * line.quantity)
        if discount and position in discount.lines:
            price -= discount.cents * price / base
        exact += price * products[line.product].taxability_percent / 100 * basis_points / 10_000

    # Half a cent of rounding, and less than a cent of discount per line, taxed.
    assert abs(tax_cents(products, lines, discount, basis_points) - exact) <= Fraction(1, 2) + len(lines) * Fraction(
        11, 100
    )


@given(draw=DRAWS, decline=DRAWS, second=DRAWS, online=st.booleans())
def test_a_declined_tender_is_followed_by_one_of_another_kind(
    draw: int, decline: int, second: int, online: bool
) -> None:
    tenders = choose_tenders(draw, decline, second, online=online)
    attempts = tenders.attempts()

    assert attempts[-1] == (tenders.approved, None)
    assert len(attempts) in {1, 2}
    if len(attempts) == 2:
        method, reason = attempts[0]
        assert reason
        assert method not in {CASH, tenders.approved}


def test_tenders_come_in_the_shares_that_the_documentation_says() -> None:
    def share(name: str, *, online: bool) -> float:
        return sum(choose_tenders(d, 65_535, 0, online=online).approved == name for d in range(2_000)) / 20

    assert [share(name, online=False) for name in ("CREDIT_CARD", "DEBIT_CARD", "CASH", "MOBILE_PAY")] == [
        40,
        30,
        20,
        10,
    ]
    assert [share(name, online=True) for name in ("CREDIT_CARD", "DEBIT_CARD", "PAYPAL", "GIFT_CARD")] == [
        60,
        25,
        10,
        5,
    ]


def test_declines_are_two_and_a_half_percent_of_cards() -> None:
    declined = sum(choose_tenders(0, decline, 0, online=False).declined is not None for decline in range(65_536))

    assert round(declined / 65_536, 3) == 0.025
