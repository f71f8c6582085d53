"""Queries as RedTrack reads them: https://api.redtrack.io/docs/index.html."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from signalroom_sandbox.vendor import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Dimensions that have an id, and a filter.
ENTITIES = ("campaign", "source", "offer", "landing", "network")
DIMENSIONS = frozenset(
    {
        *ENTITIES,
        *(f"sub{number}" for number in range(1, 21)),
        *(f"rt_{name}" for name in ("source", "medium", "campaign", "adgroup", "ad", "placement")),
        *("date", "month", "week", "day_of_week", "hour_of_day", "prelanding", "country", "city"),
        *("region", "language", "os", "browser", "device", "device_brand", "isp"),
        "connection_type",
    }
)
_DEFAULT_PER = 100


@dataclass
class Query:
    """A query that RedTrack accepts."""

    start: date
    end: date
    zone: ZoneInfo
    page: int
    per: int
    group: tuple[str, ...] = ()
    sortby: str = ""
    direction: str = ""
    filters: dict[str, frozenset[str]] = field(default_factory=dict)


def log_query(params: Mapping[str, str], zone: str) -> Query:
    """Read the query of a log."""
    start, end = _day(params, "date_from"), _day(params, "date_to")
    if start > end:
        raise ApiError(400, "date_from is after date_to")
    filters = {
        name: frozenset(params[f"{name}_id"].split(","))
        for name in ENTITIES
        if params.get(f"{name}_id")
    }
    page, per = paging(params, 10_000, _DEFAULT_PER)
    return Query(start, end, ZoneInfo(zone), page, per, filters=filters)


def report_query(params: Mapping[str, str], zone: str, clamp: int) -> Query:
    """Read the query of a report."""
    group = tuple(name for name in params.get("group", "").split(",") if name)
    if not group:
        raise ApiError(400, "group is required")
    if unknown := [name for name in group if name not in DIMENSIONS]:
        raise ApiError(400, f"unknown group: {unknown[0]}")
    zone = params.get("timezone", zone)
    if zone not in _zones():
        raise ApiError(400, f"unknown time zone {zone}")
    query = log_query(params, zone)
    query.page, query.per = paging(params, clamp, _DEFAULT_PER)
    query.group, query.sortby = group, params.get("sortby", "")
    query.direction = params.get("direction", "")
    return query


def check_types(params: Mapping[str, str]) -> None:
    """Check the types of parameters that the Swagger declares.

    Args:
        params: Parameters of a report.

    Raises:
        ApiError: If a parameter has another type.
    """
    for name in ("direction", "page", "per"):
        if name in params and not params[name].lstrip("-").isdecimal():
            raise ApiError(400, f"{name} must be an integer")


def paging(params: Mapping[str, str], clamp: int, default: int) -> tuple[int, int]:
    """Number and size of a page; a size that is too large is reduced silently."""
    try:
        page, per = int(params.get("page", 1)), int(params.get("per", default))
    except ValueError:
        raise ApiError(400, "page and per are integers") from None
    return max(1, page), min(clamp, max(1, per))


@lru_cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _day(params: Mapping[str, str], name: str) -> date:
    text = params.get(name, "")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # Python also reads 20260101 and 2026-W01-1.
    if day is None or day.isoformat() != text:
        raise ApiError(400, f"{name} is required, as YYYY-MM-DD")
    return day
