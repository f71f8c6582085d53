"""Windows of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from signalroom_singer import utc_isoformat

#: The shortest window that is worth a request.
SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From one moment (included) to another (not included), in UTC."""

    begin: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{utc_isoformat(self.begin)} to {utc_isoformat(self.end)}"

    @property
    def length(self) -> timedelta:
        """The time from its beginning to its end."""
        return self.end - self.begin

    @property
    def is_shortest(self) -> bool:
        """Whether it is too short to be split."""
        return self.length <= SHORTEST

    def split(self, length: timedelta) -> list[TimeWindow]:
        """Split it into windows, in order; the last one may be shorter.

        Args:
            length: The length of a window.
        """
        windows, begin = [], self.begin
        while begin < self.end:
            windows.append(TimeWindow(begin, min(self.end, begin + length)))
            begin += length
        return windows
