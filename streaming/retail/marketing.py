"""Advertising campaigns and promotion codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming.retail.draws import Draws, share_of

CHANNELS: Final = ("SOCIAL", "SEARCH", "DISPLAY", "VIDEO", "EMAIL")
DEVICES: Final = ("MOBILE", "MOBILE", "MOBILE", "DESKTOP", "DESKTOP", "TABLET", "CTV")
_COST_CENTS: Final = {"SOCIAL": (4, 45), "SEARCH": (40, 250), "DISPLAY": (2, 25), "VIDEO": (15, 120), "EMAIL": (1, 5)}
CREATIVES: Final = 4
_CAMPAIGNS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    campaign_id: str
    channel: str
    cost_cents: tuple[int, int]
    """The least and the most that one impression costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    code: str
    discount_type: str
    """PERCENTAGE, FIXED_AMOUNT or BOGO."""
    amount: int
    """Percent, or cents; for BOGO nothing."""
    minimum_cents: int
    """What the receipt must come to before the discount."""


PROMOTIONS: Final = (
    Promotion(code="SAVE10", discount_type="PERCENTAGE", amount=10, minimum_cents=1_000),
    Promotion(code="SAVE15", discount_type="PERCENTAGE", amount=15, minimum_cents=2_500),
    Promotion(code="SAVE25", discount_type="PERCENTAGE", amount=25, minimum_cents=6_000),
    Promotion(code="TAKE5", discount_type="FIXED_AMOUNT", amount=500, minimum_cents=2_500),
    Promotion(code="TAKE20", discount_type="FIXED_AMOUNT", amount=2_000, minimum_cents=10_000),
    Promotion(code="BOGO", discount_type="BOGO", amount=0, minimum_cents=0),
)


def build_campaigns(seed: int) -> tuple[Campaign, ...]:
    draws = Draws("campaign", seed)
    campaigns = []
    for number in range(1, _CAMPAIGNS + 1):
        channel = CHANNELS[(number + share_of(draws.block(0)[0], 5)) % len(CHANNELS)]
        campaigns.append(Campaign(campaign_id=f"campaign_{number}", channel=channel, cost_cents=_COST_CENTS[channel]))
    return tuple(campaigns)
