"""Days as the tests of this tap count them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

NEW_YORK = "America/New_York"


def days_ago(number, zone=NEW_YORK):
    """A day of the report zone: 1 is yesterday."""
    return datetime.now(ZoneInfo(zone)).date() - timedelta(days=number)


def keyed(rows):
    """Daily stats by key, as the tap emits them or as the sandbox counts them."""
    return {
        (row["date"], row["affiliate_id"], row["advertiser_id"]): (
            row["clicks"],
            row["conversions"],
            *(Decimal(str(row[name])) for name in ("payout", "revenue", "profit")),
        )
        for row in rows
    }
