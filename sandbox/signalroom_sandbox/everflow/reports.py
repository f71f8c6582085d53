"""Aggregated reports: https://developers.everflow.io/docs/network/reporting/aggregated_data."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.everflow.validation import (
    BIGQUERY_COLUMNS,
    ENTITY_COLUMNS,
    PLAIN_COLUMNS,
    TIME_COLUMNS,
    Query,
)
from signalroom_sandbox.everflow.world import ADVERTISERS, AFFILIATES, Cell, CellKey, World
from signalroom_sandbox.vendor import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from signalroom_sandbox.everflow.switches import Switches

ROW_CAP = 10_000
COUNTRIES = ("United States", "Germany", "Japan", "Brazil", "South Africa", "Curaçao")


def table(world: World, query: Query, switches: Switches) -> dict[str, Any]:
    """The report by the query's columns, cut at 10,000 rows."""
    if switches.table_null:
        return {"table": None, "incomplete_results": False}
    groups: dict[tuple[str, ...], Cell] = defaultdict(Cell)
    days = _Days(query.zone, local_midnights=switches.local_midnight_ids)
    identities_of = [_identity(world, name, days) for name in query.columns]
    for key, cell in _matching_cells(world, query, switches):
        groups[tuple([identity(key) for identity in identities_of])].add(cell)
    # Cut first, as a year has far more groups than the response has rows.
    rows = [
        {
            "columns": [
                _column(name, identity, switches)
                for name, identity in zip(query.columns, identities, strict=True)
            ],
            "reporting": metrics(cell, switches),
            "usm_columns": [],
            "custom_metric_columns": [],
        }
        for identities, cell in islice(groups.items(), ROW_CAP)
    ]
    answer: dict[str, Any] = {"table": rows}
    if not switches.flag_missing:
        answer["incomplete_results"] = len(groups) > ROW_CAP
    return answer


def summary(world: World, query: Query, switches: Switches) -> dict[str, Any]:
    """The totals of the same report."""
    total = Cell()
    for _, cell in _matching_cells(world, query, switches):
        total.add(cell)
    return metrics(total, switches)


def metrics(cell: Cell, switches: Switches) -> dict[str, Any]:
    """A cell as Everflow reports it."""
    clicks, conversions = cell.clicks, cell.conversions
    profit = cell.revenue - cell.payout
    reported = {
        "imp": clicks * 3,
        "total_click": clicks,
        "unique_click": clicks - clicks // 10,
        "invalid_click": clicks // 50,
        "duplicate_click": clicks // 10,
        "gross_click": clicks + clicks // 50,
        "ctr": _ratio(100, 3) if clicks else 0,
        "cv": conversions,
        "invalid_cv_scrub": cell.scrubbed,
        "view_through_cv": 0,
        "total_cv": conversions + cell.scrubbed,
        "event": cell.events,
        "cvr": _ratio(conversions * 100, clicks),
        "evr": _ratio(cell.events * 100, conversions),
        "cpc": _ratio(cell.payout, clicks),
        "cpm": _ratio(cell.payout, clicks * 3, 1000),
        "cpa": _ratio(cell.payout, conversions),
        "epc": _ratio(cell.payout, clicks),
        "rpc": _ratio(cell.revenue, clicks),
        "rpa": _ratio(cell.revenue, conversions),
        "rpm": _ratio(cell.revenue, clicks * 3, 1000),
        "payout": cell.payout,
        "revenue": cell.revenue,
        "event_revenue": cell.event_revenue,
        "gross_sales": cell.sales,
        "profit": profit,
        "margin": _ratio(profit * 100, cell.revenue),
        "roas": _ratio(cell.revenue * 100, cell.payout),
        "avg_sale_value": _ratio(cell.sales, conversions),
        **dict.fromkeys(("media_buying_cost", "on_hold_conversion_count"), 0),
        **dict.fromkeys(("on_hold_potential_revenue", "on_hold_potential_payout"), 0),
    }
    if switches.new_metric:
        reported["quality_score"] = clicks * 7
    return reported


def _ratio(value: Decimal | int, by: Decimal | int, scale: int = 1) -> Decimal | int:
    return round(Decimal(value) / Decimal(by) * scale, 4) if by else 0


def _matching_cells(
    world: World, query: Query, switches: Switches
) -> Iterator[tuple[CellKey, Cell]]:
    filters = () if switches.filter_ignored else filters_of(query)
    if not filters:
        yield from world.cells(query.begin, query.end)
        return
    for key, cell in world.cells(query.begin, query.end):
        if passes(filters, world, key[1], key[2]):
            yield key, cell


def filters_of(query: Query) -> tuple[tuple[str, str], ...]:
    """The filters of a query; filters by a column that rows do not have are errors."""
    for name, _ in query.filters:
        if name not in ENTITY_COLUMNS:
            raise ApiError(400, f"Cannot filter by {name}")
    return query.filters


def passes(filters: tuple[tuple[str, str], ...], world: World, affiliate: int, offer: int) -> bool:
    """Whether an affiliate's activity on an offer passes all filters."""
    ids = {"affiliate": affiliate, "offer": offer, "advertiser": world.offers[offer]}
    return all(str(ids[name]) == value for name, value in filters)


class _Days:
    """The id of the local day (or another unit of time) that an hour belongs to."""

    def __init__(self, zone: ZoneInfo, *, local_midnights: bool) -> None:
        self._zone = zone
        self._midnight_zone = zone if local_midnights else UTC
        self._known: dict[tuple[str, int], str] = {}

    def identity(self, unit: str, hour: int) -> str:
        if (known := self._known.get((unit, hour))) is None:
            known = self._known[unit, hour] = self._compute(unit, hour)
        return known

    def _compute(self, unit: str, hour: int) -> str:
        if unit in {"hour", "unix_timestamp"}:
            return str(hour)
        day = datetime.fromtimestamp(hour, self._zone).date()
        if unit == "week":
            day = day.fromordinal(day.toordinal() - day.weekday())
        elif unit == "month":
            day = day.replace(day=1)
        elif unit == "year":
            day = day.replace(month=1, day=1)
        return str(int(datetime.combine(day, time.min, self._midnight_zone).timestamp()))


def _identity(world: World, name: str, days: _Days) -> Callable[[CellKey], str]:
    """The function that returns a column's id; it is chosen once for thousands of cells."""
    if name in TIME_COLUMNS:
        return lambda key: days.identity(name, key[0])
    if name == "affiliate":
        return lambda key: str(key[1])
    if name == "offer":
        return lambda key: str(key[2])
    if name == "advertiser":
        owners = {offer: str(owner) for offer, owner in world.offers.items()}
        return lambda key: owners[key[2]]
    return lambda key: attribute(name, key)


def attribute(name: str, key: CellKey) -> str:
    """The value of another column for an hour's activity of an affiliate on an offer."""
    hour, affiliate, offer = key
    if name == "country":
        return COUNTRIES[(affiliate + offer) % len(COUNTRIES)]
    if name == "country_code":
        return ("US", "DE", "JP", "BR", "ZA", "CW")[(affiliate + offer) % len(COUNTRIES)]
    if name in PLAIN_COLUMNS:
        return f"{name} {offer % 3}"
    if name not in BIGQUERY_COLUMNS:
        raise ApiError(400, f"Unknown column {name}")
    # Some sub ids are empty.
    number = hour // 3600 * 31 + affiliate * 7 + offer
    return "" if number % 17 == 0 else f"{name}-{number % 400}"


@cache
def label(name: str, identity: str) -> str | None:
    """The label of a row's column."""
    if name == "affiliate":
        number = int(identity)
        return AFFILIATES.get(number, "" if number == 0 else f"Partner {number}")
    if name == "advertiser":
        return ADVERTISERS.get(int(identity), f"Advertiser {identity}")
    if name == "offer":
        return f"Offer {identity}"
    if name in TIME_COLUMNS:
        return datetime.fromtimestamp(int(identity), UTC).strftime("%Y-%m-%d")
    return identity


def _column(name: str, identity: str, switches: Switches) -> dict[str, Any]:
    column: dict[str, Any] = {"column_type": name, "id": identity, "label": label(name, identity)}
    if switches.label_missing:
        del column["label"]
    return column
