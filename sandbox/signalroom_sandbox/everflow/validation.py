"""Validates report queries, with Everflow's errors for invalid ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from signalroom_sandbox.made_up import span
from signalroom_sandbox.vendor import ApiError

#: Ids from https://developers.everflow.io/user-guide/timezones, of zones with whole hours.
TIMEZONES = {
    1: "Pacific/Kiritimati",
    5: "Pacific/Auckland",
    12: "Australia/Sydney",
    16: "Asia/Tokyo",
    56: "Europe/Berlin",
    67: "UTC",
    80: "America/New_York",
    85: "America/Chicago",
    87: "America/Denver",
    90: "America/Los_Angeles",
}
TIME_COLUMNS = ("hour", "date", "week", "month", "year", "unix_timestamp")
ENTITY_COLUMNS = ("offer", "affiliate", "advertiser")
PLAIN_COLUMNS = ("country", "country_code", "device_type", "platform")
#: Columns that are read from BigQuery, with a separate quota.
BIGQUERY_COLUMNS = (
    *(f"sub{number}" for number in range(1, 6)),
    *(f"adv{number}" for number in range(1, 6)),
    *("source_id", "referer", "city", "region", "isp", "browser", "language", "coupon_code"),
)
_KNOWN = {*TIME_COLUMNS, *ENTITY_COLUMNS, *PLAIN_COLUMNS, *BIGQUERY_COLUMNS}
_MOST_COLUMNS = 10
_LONGEST = 367
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")


@dataclass(frozen=True)
class Query:
    """A report query that was accepted; ``end`` is excluded."""

    begin: int
    end: int
    zone: ZoneInfo
    columns: tuple[str, ...] = ()
    filters: tuple[tuple[str, str], ...] = ()


def report_query(body: Any) -> Query:
    """Check the body of an entity report."""
    zone = _zone(body)
    start, end = _day(body, "from"), _day(body, "to")
    if start > end:
        raise ApiError(400, "from must be before to")
    if (end - start).days >= _LONGEST:
        raise ApiError(400, "The date range cannot exceed one year")
    if not isinstance(body.get("currency_id"), str) or not re.fullmatch(
        "[A-Z]{3}", body["currency_id"]
    ):
        raise ApiError(400, "currency_id is required")
    columns = body.get("columns")
    if not isinstance(columns, list) or not 0 < len(columns) <= _MOST_COLUMNS:
        raise ApiError(400, "columns must have between 1 and 10 elements")
    if not all(
        isinstance(column, dict) and isinstance(column.get("column"), str) for column in columns
    ):
        raise ApiError(400, "columns must be an array of objects")
    names = tuple(column["column"] for column in columns)
    if unknown := set(names) - _KNOWN:
        raise ApiError(400, f"Unknown column {min(unknown)}")
    if sum(name in TIME_COLUMNS for name in names) > 1:
        raise ApiError(400, "Only one time column is allowed")
    return Query(*span(start, end, zone), zone, names, _filters(body))


def moment_query(body: Any, *, longest: timedelta | None = None) -> Query:
    """Check the body of a report of single rows, which accepts dates or times."""
    zone = _zone(body)
    begin, end = _moment(body, "from", zone), _moment(body, "to", zone, last=True)
    if begin > end:
        raise ApiError(400, "from must be before to")
    if longest and timedelta(seconds=end - begin) > longest + timedelta(hours=1):
        raise ApiError(400, f"The date range cannot exceed {longest.days} days")
    # It is not documented whether the last second is included; here it is.
    return Query(begin, end + 1, zone, (), _filters(body))


def conversion_query(body: Any, now: datetime) -> tuple[Query, bool, bool]:
    """Check the body of a conversion report; the flags are conversions and events."""
    query = moment_query(body, longest=timedelta(days=366))
    for flag in ("show_conversions", "show_events"):
        if not isinstance(body.get(flag), bool):
            raise ApiError(400, f"{flag} is required")
    if datetime.fromtimestamp(query.begin, UTC) < now - timedelta(days=366):
        raise ApiError(400, "Conversions older than 365 days are not available")
    return query, body["show_conversions"], body["show_events"]


def paging(params: Any, clamp: int) -> tuple[int, int]:
    """Page and page size of a query string; the size is clamped silently."""
    try:
        page, size = int(params.get("page", 1)), int(params.get("page_size", 50))
    except ValueError:
        raise ApiError(400, "page and page_size must be numbers") from None
    if page < 1 or size < 1:
        raise ApiError(400, "page and page_size must be positive")
    return page, min(size, clamp)


def _zone(body: Any) -> ZoneInfo:
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object")
    identifier = body.get("timezone_id")
    if identifier is None:
        # Observed: a missing time zone is not a validation error.
        raise ApiError(400, "Internal error")
    if not isinstance(identifier, int) or identifier not in TIMEZONES:
        raise ApiError(400, f"Unknown timezone_id {identifier}")
    return ZoneInfo(TIMEZONES[identifier])


def _day(body: Any, name: str) -> date:
    text = body.get(name)
    try:
        if not _DATE.fullmatch(text):
            raise ApiError(400, f"{name} must be formatted as YYYY-MM-DD")
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise ApiError(400, f"{name} must be formatted as YYYY-MM-DD") from None


def _moment(body: Any, name: str, zone: ZoneInfo, *, last: bool = False) -> int:
    text = body.get(name)
    if isinstance(text, str) and _MOMENT.fullmatch(text):
        try:
            return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())
        except ValueError:
            raise ApiError(400, f"{name} is not a date") from None
    begin, end = span(_day(body, name), _day(body, name), zone)
    return end - 1 if last else begin


def _filters(body: Any) -> tuple[tuple[str, str], ...]:
    accepted = []
    query = body.get("query") or {}
    filters = (query.get("filters") or []) if isinstance(query, dict) else None
    if not isinstance(filters, list) or not all(isinstance(entry, dict) for entry in filters):
        raise ApiError(400, "query.filters must be an array of objects")
    for entry in filters:
        # Filters of another shape are ignored, such as {"advertiser_id": 1}.
        if "resource_type" not in entry:
            continue
        if not isinstance(entry.get("filter_id_value"), str):
            raise ApiError(400, "filter_id_value must be a string")
        accepted.append((entry["resource_type"], entry["filter_id_value"]))
    return tuple(accepted)
