"""The metrics of RedTrack's reports: which are columns, and where the others go."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from typing import Any

from singer_sdk import typing as th

from signalroom_singer import parse_number

#: The metrics of the legacy pipeline's table, which are used most.
_FIRST = ("clicks", "conversions")
_COUNTS = (
    *("impressions", "impressions_visible", "unique_clicks", "lp_views", "lp_clicks"),
    *("prelp_views", "prelp_clicks", "total_conversions", "transactions"),
    *("approved", "pending", "declined", "other", "attribution"),
    *("ok", "baddevice", "blacklist", "datacenter"),
)
_NUMBERS = (
    *("revenue", "total_revenue", "pub_revenue", "pub_revenue_legacy", "profit"),
    *("default_cost", "default_profit", "default_roi", "default_roas", "default_cpa"),
    *("default_cr", "default_aov", "roi", "roas", "cpa", "cpc", "cpt", "cr", "ctr", "tr"),
    *("aov", "epc", "epc_lp", "epc_roi", "epuc", "epv", "lp_ctr", "lp_clicks_ctr"),
    *("lp_clicks_cr", "lp_views_cr", "prelp_clicks_ctr", "prelp_clicks_cr", "prelp_views_cr"),
    *("approved_cr", "pending_cr", "declined_cr", "other_cr", "attribution_rate"),
    *("ok_rate", "baddevice_rate", "blacklist_rate", "datacenter_rate"),
)
_DESCRIBED = {
    "conversions": "Of the default conversion type; all types: total_conversions",
    "revenue": "Of the default conversion type; all types: total_revenue",
}

#: The legacy pipeline's columns first. Counts that may be fractions are numbers.
METRICS = (
    *(
        th.Property(name, th.IntegerType, description=_DESCRIBED.get(name, "All clicks"))
        for name in _FIRST
    ),
    th.Property(
        "cost", th.NumberType, description="Cost of the traffic, in the account's currency"
    ),
    *(
        th.Property(name, th.NumberType, description=_DESCRIBED.get(name))
        for name in (*_NUMBERS, *_COUNTS)
    ),
    th.Property(
        "conversion_types",
        th.ObjectType(additional_properties=True),
        description="By number: each conversion type's metrics that are not 0. Accounts name types",
    ),
)

_PER_TYPE = (
    (re.compile(r"convtype(\d+)"), "conversions"),
    (re.compile(r"revenuetype(\d+)"), "revenue"),
    (re.compile(r"type(\d+)_(\w+)"), ""),
)


def group_conversion_types(row: dict[str, Any]) -> dict[str, Any]:
    """Gather the metrics of conversion types: RedTrack adds types, a table's columns are fixed.

    Args:
        row: A row of a report, with ``convtype7``, ``revenuetype7``, ``type7_cpa`` and so on.

    Returns:
        The row without them, and with ``conversion_types``, such as
        ``{"7": {"conversions": 2, "revenue": 19.9, "cpa": 3.1}}``.
    """
    columns: dict[str, Any] = {}
    types: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in row.items():
        for pattern, metric in _PER_TYPE:
            if match := pattern.fullmatch(name):
                if number := _parse_number(value):
                    types[match[1]][metric or match[2]] = number
                break
        else:
            columns[name] = value
    # Where a type has no conversions, its rates say nothing either.
    columns["conversion_types"] = {
        number: types[number] for number in sorted(types, key=int) if types[number]
    }
    return columns


def _parse_number(value: Any) -> Any:
    """Parse the text of a number; whatever is neither stays as it is, for `_extra`."""
    if not isinstance(value, str):
        return value
    try:
        return parse_number(value) if value else Decimal(0)
    except ValueError:
        return value
