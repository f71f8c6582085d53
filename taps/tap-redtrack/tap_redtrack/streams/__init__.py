"""The streams of a RedTrack account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_redtrack.streams.entities import (
    Campaigns,
    Countries,
    Currencies,
    Domains,
    Landings,
    Networks,
    Offers,
    Sources,
    Streams,
    Timezones,
)
from tap_redtrack.streams.logs import Clicks, Conversions
from tap_redtrack.streams.reports import (
    CampaignDaily,
    CustomReport,
    DailySpend,
    LandingDaily,
    NetworkDaily,
    OfferDaily,
)

if TYPE_CHECKING:
    from tap_redtrack.streams._base import RedTrackStream

#: The streams that every account has.
STREAM_TYPES: tuple[type[RedTrackStream], ...] = (
    DailySpend,
    CampaignDaily,
    OfferDaily,
    LandingDaily,
    NetworkDaily,
    Conversions,
    Clicks,
    Campaigns,
    Offers,
    Sources,
    Networks,
    Landings,
    Streams,
    Domains,
    Currencies,
    Countries,
    Timezones,
)

__all__ = ["STREAM_TYPES", "CustomReport"]
