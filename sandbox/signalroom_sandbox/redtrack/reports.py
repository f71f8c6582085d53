"""Reports: sums of clicks and conversions by dimensions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.made_up import span
from signalroom_sandbox.redtrack.query import ENTITIES
from signalroom_sandbox.redtrack.world import Clicks, Conversion, object_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signalroom_sandbox.redtrack.query import Query
    from signalroom_sandbox.redtrack.switches import Switches
    from signalroom_sandbox.redtrack.world import World

_ZERO = Decimal(0)


@dataclass
class Sums:
    """What a row of a report is computed from."""

    clicks: int = 0
    cost: Decimal = _ZERO

    def __post_init__(self) -> None:
        self.by_type: dict[int, tuple[int, Decimal]] = {}
        self.by_status: dict[str, int] = defaultdict(int)

    def add(self, item: Clicks | Conversion) -> None:
        """Count clicks or a conversion; declined conversions have no payout."""
        if isinstance(item, Clicks):
            self.clicks += item.count
            self.cost += item.cost
            return
        count, revenue = self.by_type.get(item.type, (0, _ZERO))
        pays = item.payout if item.status != "declined" else _ZERO
        self.by_type[item.type] = (count + 1, revenue + pays)
        if item.type == 1:
            self.by_status[item.status] += 1


def rows(world: World, query: Query, switches: Switches) -> list[dict[str, Any]]:
    """All rows of a report, with the most clicks first, as in RedTrack's own interface."""
    group = query.group if switches.many_groups == "ok" else query.group[:1]
    groups: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
    for item in _matching_items(world, query):
        groups[tuple(_value(item, name, query) for name in group)].add(item)
    report = []
    for key, sums in groups.items():
        row: dict[str, Any] = {}
        for name, value in zip(group, key, strict=True):
            row |= _dimension_fields(world, name, value)
        report.append(row | metrics(sums, switches))
    return sorted(report, key=lambda row: -int(row["clicks"]))


def _matching_items(world: World, query: Query) -> Iterator[Clicks | Conversion]:
    begin, end = span(query.start, query.end, query.zone)
    for source in (world.clicks, world.conversions):
        for item in source(begin, end):
            if matches(item, query):
                yield item


def matches(item: Clicks | Conversion, query: Query) -> bool:
    """Whether clicks or a conversion pass all filters of a query."""
    return all(_id(item, name) in allowed for name, allowed in query.filters.items())


def _id(item: Clicks | Conversion, name: str) -> str:
    number = _number(item, name)
    return "" if number is None else object_id(name, number)


def _number(item: Clicks | Conversion, name: str) -> int | None:
    if name == "campaign":
        return item.campaign.number
    if name == "offer":
        return item.offer
    number: int | None = getattr(item.campaign, name)
    return number


def _value(item: Clicks | Conversion, name: str, query: Query) -> Any:
    if name in ENTITIES:
        return _number(item, name)
    if name in {"date", "month", "hour_of_day"}:
        local = datetime.fromtimestamp(item.at, UTC).astimezone(query.zone)
        texts = {"date": f"{local:%Y-%m-%d}", "month": f"{local:%Y-%m}"}
        return texts.get(name, local.hour)
    # Free text; direct traffic has none.
    return f"{name}-{item.offer}" if item.campaign.source is not None else ""


def _dimension_fields(world: World, name: str, value: Any) -> dict[str, Any]:
    if name not in ENTITIES:
        return {name: value}
    if value is None:
        return {name: "", f"{name}_id": "", **({"source_alias": ""} if name == "source" else {})}
    title = f"Campaign {value}" if name == "campaign" else world.name(name, value)
    row = {name: title, f"{name}_id": object_id(name, value)}
    if name == "source":
        row["source_alias"] = f"src{value}"
    return row


def metrics(sums: Sums, switches: Switches) -> dict[str, Any]:
    """The metrics of a row, by RedTrack's names."""
    count, revenue = sums.by_type.get(1, (0, _ZERO))
    all_count = sum(item[0] for item in sums.by_type.values())
    all_revenue = sum((item[1] for item in sums.by_type.values()), _ZERO)
    values: dict[str, Any] = {
        "clicks": sums.clicks,
        "unique_clicks": sums.clicks - sums.clicks // 9,
        "lp_views": sums.clicks,
        "lp_clicks": sums.clicks // 2,
        "conversions": count,
        "total_conversions": all_count,
        "transactions": count,
        **{name: sums.by_status[name] for name in ("approved", "pending", "declined", "other")},
        "cost": sums.cost,
        "revenue": revenue,
        "total_revenue": all_revenue,
        "pub_revenue": revenue,
        "profit": revenue - sums.cost,
        "roas": _ratio(revenue, sums.cost),
        "roi": _ratio(revenue - sums.cost, sums.cost),
        "cpa": _ratio(sums.cost, count),
        "cpc": _ratio(sums.cost, sums.clicks),
        "cr": _ratio(Decimal(count), sums.clicks),
        # So small that JSON has it with an exponent.
        "baddevice_rate": Decimal("1E-7"),
    }
    for number in range(1, 5):
        events, earned = sums.by_type.get(number, (0, _ZERO))
        values |= {
            f"convtype{number}": events,
            f"revenuetype{number}": earned,
            f"type{number}_cpa": _ratio(sums.cost, events),
        }
    if switches.new_metrics:
        values |= {"convtype41": 2, "quality_score": Decimal("0.75")}
    if switches.metrics == "texts":
        values = {name: str(value) for name, value in values.items()}
    return values


def _ratio(value: Decimal, by: Decimal | int) -> Decimal:
    return (value / by).quantize(Decimal("0.0001")) if by else _ZERO
