"""What stores of each format carry, and how often each product is picked from the shelf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.retail.catalog import pick_table
from streaming.retail.places import FORMATS

if TYPE_CHECKING:
    from streaming.retail.catalog import Product


class Assortments:
    """Pick tables by format and month, each made when it is first needed."""

    __slots__ = ("_products", "_tables")

    def __init__(self, products: tuple[Product, ...]) -> None:
        self._products = products
        self._tables: dict[tuple[str, int], list[int]] = {}

    def picks(self, store_format: str, month: int) -> list[int]:
        """8 192 product indices for stores of ``store_format`` in ``month``: choose one evenly."""
        key = (store_format, month)
        table = self._tables.get(key)
        if table is None:
            volume = next(kind.volume_class[0] for kind in FORMATS if kind.name == store_format)
            table = self._tables[key] = pick_table(self._products, volume_class=volume, month=month)
        return table
