"""Control actions: changes of the account, and totals to compare with."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo  # noqa: TC003 - arguments are converted by their annotations

from signalroom_sandbox.actions import VendorActions, limits_action, read_only, switches_action
from signalroom_sandbox.made_up import span
from signalroom_sandbox.redtrack.limits import Limits
from signalroom_sandbox.redtrack.switches import Switches
from signalroom_sandbox.redtrack.world import object_id


class Actions(VendorActions):
    """Control actions of RedTrack."""

    limits = limits_action(Limits)
    switches = switches_action(Switches)

    def people(self, sources: int) -> None:
        """Start over with a number of traffic sources."""
        self._vendor.world.reset_sources(sources)

    def restate(
        self, day: date, timezone: ZoneInfo, cost_percent: int = 100, payout_percent: int = 100
    ) -> None:
        """Change a day's costs and payouts."""
        self._vendor.world.restate(
            *span(day, day, timezone), cost_percent=cost_percent, payout_percent=payout_percent
        )

    def decline(self, day: date, timezone: ZoneInfo, count: int) -> Any:
        """Decline approved conversions of a day; returns their ids."""
        return self._vendor.world.decline(*span(day, day, timezone), count)

    def vanish(self, day: date, timezone: ZoneInfo, source: int) -> None:
        """Remove a day's clicks and conversions of a source (from 0)."""
        self._vendor.world.vanish(*span(day, day, timezone), source)

    def crowd(self, day: date, timezone: ZoneInfo, campaigns: int, conversions: int = 0) -> None:
        """Replace a day with a number of campaigns, each with its own source."""
        self._vendor.world.crowd(*span(day, day, timezone), campaigns, conversions)

    @read_only
    def totals(self, start: date, end: date, timezone: ZoneInfo) -> Any:
        """The totals of daily spend; amounts are text."""
        # Counted in another way than in reports.
        world = self._vendor.world
        days: dict[tuple[str, str], dict[str, Any]] = defaultdict(
            lambda: {"clicks": 0, "conversions": 0, "cost": Decimal(0), "revenue": Decimal(0)}
        )
        day = start
        while day <= end:
            begin, until = span(day, day, timezone)
            for clicks in world.clicks(begin, until):
                row = days[day.isoformat(), _source_id(clicks.campaign.source)]
                row["clicks"] += clicks.count
                row["cost"] += clicks.cost
            for item in world.conversions(begin, until):
                row = days[day.isoformat(), _source_id(item.campaign.source)]
                if item.type == 1:
                    row["conversions"] += 1
                    row["revenue"] += item.payout if item.status != "declined" else 0
            day += timedelta(days=1)
        return [{"date": key[0], "source_id": key[1], **row} for key, row in days.items()]

    @read_only
    def conversions(self, start: date, end: date, timezone: ZoneInfo) -> Any:
        """The conversions of whole days."""
        return [
            {
                "id": item.id,
                "at": datetime.fromtimestamp(item.at, UTC).isoformat(),
                "payout": item.payout,
                "status": item.status,
                "way": item.number % 6,
            }
            for item in self._vendor.world.conversions(*span(start, end, timezone))
        ]

    @read_only
    def clicks(self, start: date, end: date, timezone: ZoneInfo) -> int:
        """How many clicks whole days have."""
        return sum(item.count for item in self._vendor.world.clicks(*span(start, end, timezone)))


def _source_id(number: int | None) -> str:
    return "" if number is None else object_id("source", number)
