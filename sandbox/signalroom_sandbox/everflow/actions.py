"""Control actions: changes of the network, and totals to compare with."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo  # noqa: TC003 - arguments are converted by their annotations

from signalroom_sandbox.actions import VendorActions, limits_action, read_only, switches_action
from signalroom_sandbox.everflow.limits import Limits
from signalroom_sandbox.everflow.reports import label
from signalroom_sandbox.everflow.switches import Switches
from signalroom_sandbox.everflow.world import Cell
from signalroom_sandbox.made_up import span

if TYPE_CHECKING:
    from decimal import Decimal

_ALL = 100


class Actions(VendorActions):
    """Control actions of Everflow."""

    limits = limits_action(Limits)
    switches = switches_action(Switches)

    def restate(
        self,
        date_: date,
        timezone: ZoneInfo,
        *,
        percent: int = _ALL,
        reject: int = 0,
        add_conversions: int = 0,
        delete_affiliate: int | None = None,
    ) -> None:
        """Change a day's amounts, reject or add conversions, delete an affiliate's activity."""
        world = self._vendor.world
        begin, end = span(date_, date_, timezone)
        if add_conversions:
            world.add_conversions(begin, end, add_conversions)
        if delete_affiliate is not None:
            world.delete_affiliate(begin, end, delete_affiliate)
        if percent != _ALL or reject:
            world.restate(begin, end, percent=percent, reject=reject)

    def crowd(
        self, date_: date, timezone: ZoneInfo, affiliates: int, offers: int, clicks: int = 1
    ) -> None:
        """Replace a day with clicks of each affiliate on each offer."""
        begin, end = span(date_, date_, timezone)
        self._vendor.world.crowd(begin, end, affiliates=affiliates, offers=offers, clicks=clicks)

    @read_only
    def totals(self, from_: date, to: date, timezone: ZoneInfo) -> Any:
        """The totals of daily stats; amounts are text."""
        # Summed in another way than in reports.
        world = self._vendor.world
        days, total, day = [], Cell(), from_
        while day <= to:
            rows: dict[tuple[int, int], Cell] = defaultdict(Cell)
            for (_, affiliate, offer), cell in world.cells(*span(day, day, timezone)):
                rows[affiliate, world.offers[offer]].add(cell)
                total.add(cell)
            days += [
                {
                    "date": day.isoformat(),
                    "affiliate_id": affiliate,
                    "affiliate_label": label("affiliate", str(affiliate)),
                    "advertiser_id": advertiser,
                    "advertiser_label": label("advertiser", str(advertiser)),
                    **_amounts(cell),
                }
                for (affiliate, advertiser), cell in rows.items()
            ]
            day += timedelta(days=1)
        return {"days": days, "totals": _amounts(total)}

    @read_only
    def conversions(self, from_: date, to: date, timezone: ZoneInfo) -> Any:
        """The conversions and events."""
        rows = self._vendor.world.conversions(*span(from_, to, timezone))
        return [asdict(row) for row in rows]

    @read_only
    def clicks(self, from_: date, to: date, timezone: ZoneInfo) -> dict[str, int]:
        """How many clicks there are: `count`."""
        return {"count": sum(1 for _ in self._vendor.world.clicks(*span(from_, to, timezone)))}


def _amounts(cell: Cell) -> dict[str, int | Decimal]:
    return {
        "clicks": cell.clicks,
        "conversions": cell.conversions,
        "payout": cell.payout,
        "revenue": cell.revenue,
        "profit": cell.revenue - cell.payout,
    }
