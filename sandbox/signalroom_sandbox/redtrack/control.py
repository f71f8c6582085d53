"""What a test does to the account, and what it asks of it."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from signalroom_sandbox.redtrack.limits import Limits
from signalroom_sandbox.redtrack.world import object_id, span

if TYPE_CHECKING:
    from signalroom_sandbox.redtrack.api import RedTrack


class Actions:
    """What a test does to the account.

    Args:
        vendor: RedTrack.
    """

    def __init__(self, vendor: RedTrack) -> None:
        self._vendor = vendor

    def latency(self, seconds: float) -> None:
        """Let each answer take so long."""
        self._vendor.latency = seconds

    def limits(self, **limits: Any) -> None:
        """Set the limit; what is not given is as documented."""
        self._vendor.limits = Limits(**limits)

    def switches(self, **values: Any) -> None:
        """Turn behaviours on or off; the others stay."""
        self._vendor.switch(**values)

    def people(self, sources: int) -> None:
        """Begin anew with so many traffic sources."""
        self._vendor.world.people(sources)

    def restate(self, day: str, timezone: str, **percent: int) -> None:
        """Change costs (``cost_percent``) and payouts (``payout_percent``) of a day."""
        self._vendor.world.restate(*_span(day, day, timezone), **percent)

    def decline(self, day: str, timezone: str, count: int) -> list[str]:
        """Decline approved conversions of a day; gives their ids."""
        return self._vendor.world.decline(*_span(day, day, timezone), count)

    def vanish(self, day: str, timezone: str, source: int) -> None:
        """Remove what a source brought on a day."""
        self._vendor.world.vanish(*_span(day, day, timezone), source)

    def crowd(self, day: str, timezone: str, campaigns: int, conversions: int = 0) -> None:
        """Replace a day by so many campaigns, each with a source of its own."""
        self._vendor.world.crowd(*_span(day, day, timezone), campaigns, conversions)

    def totals(self, start: str, end: str, timezone: str) -> Any:
        """What daily spend must say, counted by another way than reports are."""
        world = self._vendor.world
        days: dict[tuple[str, str], dict[str, Any]] = defaultdict(
            lambda: {"clicks": 0, "conversions": 0, "cost": Decimal(0), "revenue": Decimal(0)}
        )
        day, last, zone = date.fromisoformat(start), date.fromisoformat(end), ZoneInfo(timezone)
        while day <= last:
            begin, until = span(day, day, zone)
            for clicks in world.clicks(begin, until):
                row = days[day.isoformat(), _source(clicks.campaign.source)]
                row["clicks"] += clicks.count
                row["cost"] += clicks.cost
            for item in world.conversions(begin, until):
                row = days[day.isoformat(), _source(item.campaign.source)]
                if item.type == 1:
                    row["conversions"] += 1
                    row["revenue"] += item.payout if item.status != "declined" else 0
            day += timedelta(days=1)
        return [{"date": key[0], "source_id": key[1], **row} for key, row in days.items()]

    def conversions(self, start: str, end: str, timezone: str) -> Any:
        """The conversions of whole days."""
        return [
            {
                "id": item.id,
                "at": datetime.fromtimestamp(item.at, UTC).isoformat(),
                "payout": item.payout,
                "status": item.status,
                "way": item.number % 6,
            }
            for item in self._vendor.world.conversions(*_span(start, end, timezone))
        ]

    def clicks(self, start: str, end: str, timezone: str) -> int:
        """How many clicks whole days have."""
        return sum(item.count for item in self._vendor.world.clicks(*_span(start, end, timezone)))


def _span(start: str, end: str, timezone: str) -> tuple[int, int]:
    return span(date.fromisoformat(start), date.fromisoformat(end), ZoneInfo(timezone))


def _source(number: int | None) -> str:
    return "" if number is None else object_id("source", number)
