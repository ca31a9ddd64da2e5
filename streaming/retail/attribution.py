"""Which advertisement led to a purchase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from streaming.retail.draws import share_of

if TYPE_CHECKING:
    from streaming.retail.district import District
    from streaming.retail.marketing import Campaign

SHOWN: Final = 48
"""The stage of the draws that an impression is made of."""


class Attribution(NamedTuple):
    """What a purchase says about the impression before it; nothing, without one."""

    correlation_id: str | None
    campaign_id: str | None
    impression_id: str | None


NO_ATTRIBUTION: Final = Attribution(None, None, None)


def campaign_of(district: District, draw: tuple[int, ...]) -> Campaign:
    """The campaign of the impression with these draws."""
    campaigns = district.world.campaigns
    return campaigns[share_of(draw[0], len(campaigns))]


def attribution_of(district: District, number: int) -> Attribution:
    """What a purchase because of impression ``number`` says."""
    campaign = campaign_of(district, district.draws.block(number, SHOWN))
    tag = f"{district.tag}-{number:x}"
    return Attribution(f"journey_{tag}", campaign.campaign_id, f"impression_{tag}")
