"""The slices of a date range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise


@dataclass(frozen=True)
class Slice:
    """The days that one run loads, both included."""

    first: date
    last: date

    @property
    def suffix(self) -> str:
        """The suffix of the run's state ID."""
        return f"backfill-{self.first}-{self.last}"

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def split_days(first: date, last: date, count: int) -> list[Slice]:
    """Split a date range into slices of almost the same length.

    Args:
        first: The first day of the range.
        last: The last day of the range.
        count: The number of slices; with fewer days, there is one slice for each day.
    """
    days = (last - first).days + 1
    count = min(count, days)
    starts = [first + timedelta(days=days * number // count) for number in range(count + 1)]
    return [Slice(start, end - timedelta(days=1)) for start, end in pairwise(starts)]
