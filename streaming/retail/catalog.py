"""The products: departments, categories, prices and how well each sells. All names and numbers are invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming.retail.draws import Draws, share_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    product_id: int
    name: str
    department: str
    category: str
    brand: str
    price_cents: int
    cost_cents: int
    taxability_percent: int
    """100, 50 or 0: how much of the store's rate the product bears."""
    season: str
    """The season it sells best in, or ``all``."""
    popularity: int
    """Relative units sold; the best seller of a thousand sells some hundred times as much as the slowest."""
    reorder_point: int
    """For a store of volume class 100; stores scale it."""
    reorder_quantity: int
    """Always more than the reorder point, so that a delivery always lifts the stock above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    name: str
    taxability_percent: int
    price_cents: tuple[int, int]
    season: str
    categories: tuple[str, ...]
    weight: int
    """How much of the range, in hundredths."""
    reach: int
    """The smallest store (volume class) that carries it."""


DEPARTMENTS: Final = (
    Department(name="Grocery", taxability_percent=0, price_cents=(99, 1_299), season="all", weight=30, reach=0,
               categories=("Pasta", "Rice", "Cereal", "Canned Soup", "Coffee", "Tea", "Spices", "Baking")),
    Department(name="Fresh", taxability_percent=0, price_cents=(79, 1_899), season="all", weight=15, reach=0,
               categories=("Apples", "Salad", "Milk", "Yogurt", "Cheese", "Bread", "Eggs")),
    Department(name="Snacks", taxability_percent=50, price_cents=(89, 799), season="all", weight=14, reach=0,
               categories=("Chips", "Chocolate", "Cookies", "Nuts", "Soda", "Juice", "Ice Cream")),
    Department(name="Household", taxability_percent=100, price_cents=(199, 2_999), season="all", weight=12, reach=30,
               categories=("Detergent", "Paper Towels", "Light Bulbs", "Batteries", "Cookware")),
    Department(name="Health", taxability_percent=50, price_cents=(249, 3_499), season="winter", weight=9, reach=0,
               categories=("Cold Relief", "Vitamins", "Bandages", "Toothpaste", "Shampoo")),
    Department(name="Garden", taxability_percent=100, price_cents=(299, 8_999), season="spring", weight=6, reach=70,
               categories=("Seeds", "Soil", "Planters", "Tools", "Outdoor Lights")),
    Department(name="Apparel", taxability_percent=100, price_cents=(599, 6_999), season="fall", weight=7, reach=70,
               categories=("Socks", "T-Shirts", "Jackets", "Gloves", "Hats")),
    Department(name="Electronics", taxability_percent=100, price_cents=(999, 39_999), season="winter", weight=4,
               reach=100, categories=("Headphones", "Chargers", "Speakers", "Cameras", "Tablets")),
    Department(name="Toys", taxability_percent=100, price_cents=(499, 7_999), season="winter", weight=3, reach=70,
               categories=("Puzzles", "Board Games", "Building Sets", "Plush")),
)  # fmt: skip

ZONES: Final = ("ENTRANCE", *(department.name.upper() for department in DEPARTMENTS), "CHECKOUT")

_SYLLABLES = (
    "al",
    "bri",
    "cor",
    "den",
    "el",
    "fen",
    "gro",
    "hal",
    "ist",
    "jun",
    "kor",
    "lum",
    "mar",
    "nov",
    "oro",
    "pel",
)
_QUALITIES = ("Classic", "Select", "Everyday", "Premium", "Organic", "Value", "Family", "Original")
_SEASON_OF_MONTH: Final = (
    "winter",
    "winter",
    "spring",
    "spring",
    "spring",
    "summer",
    "summer",
    "summer",
    "fall",
    "fall",
    "fall",
    "winter",
)
_PICK_SLOTS: Final = 8_192


def _department_of(draw: int) -> Department:
    position = share_of(draw, 100)
    for department in DEPARTMENTS:
        position -= department.weight
        if position < 0:
            return department
    raise AssertionError("department weights add up to 100")


def build_products(seed: int, count: int) -> tuple[Product, ...]:
    """The first ``count`` products of the seed's range; a larger range begins with the smaller one."""
    draws = Draws("product", seed)
    return tuple(_product(index + 1, draws.block(index)) for index in range(count))


def _product(product_id: int, draw: tuple[int, ...]) -> Product:
    department = _department_of(draw[0])
    category = department.categories[share_of(draw[1], len(department.categories))]
    brand = (_SYLLABLES[draw[2] & 15] + _SYLLABLES[draw[3] & 15]).capitalize()
    low, high = department.price_cents
    # Squared, so that most prices are low; ending in 9, as prices do.
    price = (low + ((high - low) * draw[4] // 65_536) * draw[5] // 65_536) // 10 * 10 + 9
    rank = draw[6] * 400 // 65_536
    seasonal = department.season if draw[7] & 3 else "all"
    return Product(
        product_id=product_id,
        name=f"{brand} {_QUALITIES[draw[8] & 7]} {category} {100 + share_of(draw[9], 900)}",
        department=department.name,
        category=category,
        brand=brand,
        price_cents=price,
        cost_cents=price * (50 + share_of(draw[10], 30)) // 100,
        taxability_percent=department.taxability_percent,
        season=seasonal,
        popularity=1_000_000 // (rank + 4),
        reorder_point=5 + share_of(draw[11], 16),
        reorder_quantity=50 + share_of(draw[12], 151),
    )


def pick_table(products: tuple[Product, ...], *, volume_class: int, month: int) -> list[int]:
    """Indices of products, each as often as it sells in stores of ``volume_class`` in ``month`` (1 to 12).

    A small store carries fewer departments and, of those, fewer products; a season sells its own goods better.
    """
    season = _SEASON_OF_MONTH[month - 1]
    reach = {department.name: department.reach for department in DEPARTMENTS}
    carried_percent = min(100, 30 + volume_class)
    weights = []
    for index, product in enumerate(products):
        carried = reach[product.department] <= volume_class and index * 61 % 100 < carried_percent
        in_season = 160 if product.season == season else 100 if product.season == "all" else 60
        weights.append(product.popularity * in_season if carried else 0)
    if not any(weights):
        weights = [product.popularity for product in products]
    total = sum(weights)
    table: list[int] = []
    running = 0
    for index, weight in enumerate(weights):
        running += weight
        table.extend([index] * (running * _PICK_SLOTS // total - len(table)))
    return table
