"""The streams of an Everflow network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_everflow.streams.entities import (
    Advertisers,
    Affiliates,
    Campaigns,
    CouponCodes,
    Creatives,
    Offers,
    OfferUrls,
    Timezones,
    TrackingDomains,
)
from tap_everflow.streams.reports import CustomReport, DailyOfferStats, DailyStats
from tap_everflow.streams.row_level import Adjustments, Clicks, Conversions, Events

if TYPE_CHECKING:
    from tap_everflow.streams._base import EverflowStream

#: The streams that every account has.
STREAM_TYPES: tuple[type[EverflowStream], ...] = (
    DailyStats,
    DailyOfferStats,
    Conversions,
    Events,
    Clicks,
    Adjustments,
    Affiliates,
    Advertisers,
    Offers,
    Campaigns,
    Creatives,
    CouponCodes,
    TrackingDomains,
    OfferUrls,
    Timezones,
)

__all__ = ["STREAM_TYPES", "CustomReport"]
