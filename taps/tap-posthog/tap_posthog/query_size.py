"""How large queries are: as large as PostHog can answer in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_singer import AdaptiveLimit
from tap_posthog.time_windows import SHORTEST

if TYPE_CHECKING:
    from datetime import timedelta

    from singer_sdk.helpers.types import Record

    from tap_posthog.time_windows import TimeWindow

SMALLEST_PAGE = 100
#: After so many successes, what was too large once is tried again: the day's peak may be over.
SUCCESSES_TO_GROW = 32
#: Pages of more bytes are not worth their memory.
_PAGE_BYTES = 16 << 20
#: How large events are is not known before the first page: they may have a megabyte each.
_FIRST_PAGE, _PAGE_GROWTH = 250, 8


class QuerySize:
    """How much time and how many rows a query requests: as much as PostHog and memory can bear.

    What suits one query suits the next: PostHog would need its time to reject each of them.

    Args:
        longest: The longest window of a query.
        most_rows: The most rows of a page.
    """

    def __init__(self, longest: timedelta, most_rows: int) -> None:
        self._length = AdaptiveLimit(
            longest, smallest=SHORTEST, divisor=2, successes=SUCCESSES_TO_GROW
        )
        self._rows = AdaptiveLimit(
            most_rows, smallest=SMALLEST_PAGE, factor=4, successes=SUCCESSES_TO_GROW
        )
        self._smallest_page = min(SMALLEST_PAGE, most_rows)
        #: How many rows to request now.
        self.rows = min(most_rows, _FIRST_PAGE)

    @property
    def length(self) -> timedelta:
        """The length of the window to request now."""
        return self._length.value

    def can_shrink(self, window: TimeWindow) -> bool:
        """Whether a window can be read with smaller queries.

        Args:
            window: The window of a query.
        """
        return not window.is_shortest or self.rows > SMALLEST_PAGE

    def shrink(self, window: TimeWindow) -> str:
        """Request less time, or fewer rows, after a query that was too large.

        Args:
            window: The window of that query.

        Returns:
            What is requested from now on, for messages.
        """
        if window.is_shortest:
            self._rows.shrink(self.rows)
            self.rows = self._rows.value
            return f"requesting {self.rows} rows at once"
        self._length.shrink(window.length)
        return f"reading {self.length} at once"

    def note_page(self, page: list[Record]) -> None:
        """Request as many rows as make a page of bearable size, and what was once too much.

        Args:
            page: The rows of a response.
        """
        self._length.note_success()
        self._rows.note_success()
        size = sum(len(value) for row in page for value in row.values() if value.__class__ is str)
        fitting = len(page) * _PAGE_BYTES // max(size, 1) if page else self.rows
        rows = min(self._rows.value, fitting, self.rows * _PAGE_GROWTH)
        self.rows = max(self._smallest_page, rows)
