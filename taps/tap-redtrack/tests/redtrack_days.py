"""Days as the tests of this tap count them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

NEW_YORK = "America/New_York"
_VALUES = ("clicks", "conversions", "cost", "revenue")


def days_ago(number, zone=NEW_YORK):
    """A day of the report zone: 1 is yesterday."""
    return datetime.now(ZoneInfo(zone)).date() - timedelta(days=number)


def by_key(rows):
    """Daily spend by key, as the tap emits it or as the sandbox counts it."""
    return {
        (row["date"], row["source_id"]): tuple(Decimal(str(row[name])) for name in _VALUES)
        for row in rows
    }


def expected(redtrack, first=5, last=1, zone=NEW_YORK):
    """What daily spend must hold of some days: those with a source."""
    start, end = days_ago(first, zone).isoformat(), days_ago(last, zone).isoformat()
    rows = redtrack.totals(start=start, end=end, timezone=zone)
    return by_key(row for row in rows if row["source_id"])
