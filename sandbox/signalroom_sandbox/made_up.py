"""Made-up data by day of UTC: each day is made when it is first read, and then stays."""

from __future__ import annotations

import random
from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

HOUR = 3600
DAY = 24 * HOUR

_Day = TypeVar("_Day")


@dataclass
class DailyWorld(Generic[_Day]):
    """What happened at a vendor, by day of UTC.

    Attributes:
        seed: Another seed makes other data.
        scale: How much happens on a day, relative to the default.
        ahead: How far the vendor's clock is ahead of the machine's.
    """

    seed: int = 713
    scale: float = 1.0
    ahead: timedelta = timedelta()
    _days: dict[date, _Day] = field(default_factory=dict, init=False)

    def now(self) -> datetime:
        """The vendor's clock."""
        return datetime.now(UTC) + self.ahead

    def until_now(self, end: int, *, unit: int = 1) -> int:
        """The end of a range of epoch seconds, or the last full unit of time if that is earlier.

        Args:
            end: The end of the range, in epoch seconds.
            unit: Seconds of the unit, such as those of an hour.
        """
        return min(end, int(self.now().timestamp()) // unit * unit)

    def days_between(self, begin: int, end: int) -> Iterator[_Day]:
        """The days of a range of epoch seconds, of which the end is excluded."""
        day = utc_date(begin)
        while day <= utc_date(max(begin, end - 1)):
            yield self.day(day)
            day += timedelta(days=1)

    def day(self, day: date) -> _Day:
        """What happened on a day of UTC."""
        if day not in self._days:
            self._days[day] = self._make_day(day)
        return self._days[day]

    @abstractmethod
    def _make_day(self, day: date) -> _Day: ...


def seeded_random(*parts: object) -> random.Random:
    """Randomness that is the same for the same parts, on every machine."""
    return random.Random("-".join(map(str, parts)))  # noqa: S311 - made-up data, no secrets


def span(start: date, end: date, zone: ZoneInfo) -> tuple[int, int]:
    """The epoch seconds of whole days of a time zone; the end is excluded."""
    begin = datetime.combine(start, time.min, zone)
    after = datetime.combine(end + timedelta(days=1), time.min, zone)
    return int(begin.timestamp()), int(after.timestamp())


def utc_date(at: int) -> date:
    """The day of UTC of a moment in epoch seconds."""
    return datetime.fromtimestamp(at, UTC).date()


def midnight(day: date) -> int:
    """The epoch seconds at which a day of UTC begins."""
    return int(datetime.combine(day, time.min, UTC).timestamp())
