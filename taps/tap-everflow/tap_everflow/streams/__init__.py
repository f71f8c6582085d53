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
from tap_everflow.streams.raw import Adjustments, Clicks, Conversions, Events
from tap_everflow.streams.reports import CustomReport, DailyOfferStats, DailyStats

if TYPE_CHECKING:
    from tap_everflow.client import EverflowStream

#: The streams that are there without being configured.
fixed_streams: tuple[type[EverflowStream], ...] = (
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

__all__ = ["CustomReport", "fixed_streams"]
