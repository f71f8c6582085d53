"""Windows of days that are as long as one response can hold."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from signalroom_singer import (
    DateWindow,
    RequestTooLargeError,
    ShrinkInstead,
    WindowedStream,
    from_setting,
)
from tap_redtrack.paging import may_be_cut
from tap_redtrack.streams._base import RedTrackStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record

    from tap_redtrack.client import Page

_DAY = timedelta(days=1)
_CENTURY = 36_525
#: Statuses that a request with less to compute may avoid.
_TOO_SLOW = frozenset({500, 502, 503, 504})


class WindowTooLargeError(Exception):
    """A window has to be shorter; none of its rows was emitted."""


class AdaptiveWindowStream(WindowedStream, RedTrackStream):
    """A stream whose windows are as long as one response can hold.

    A response with fewer rows than RedTrack returns at most is complete, however its pages behave.
    So the length of a window follows from the rows of the windows before it. A window that is cut
    all the same is shortened; only a single day is read in pages.
    """

    # The plan is one window; `get_records` splits it as it goes.
    window_days = _CENTURY
    #: The most days of a window.
    max_window_days = from_setting("report_window_days")
    #: Days of the first window, before it is known how many rows a day has.
    first_window_days: int = 30
    #: Days of the next window.
    _days = 1
    #: The most rows that one response had.
    _most_rows = 0

    @property
    @abstractmethod
    def max_rows(self) -> int:
        """The most rows of a response."""

    @abstractmethod
    def request_window(self, window: DateWindow) -> Page:
        """Request a window's rows, at most `max_rows` of them.

        Args:
            window: The days to read.
        """

    @abstractmethod
    def parse_window(self, window: DateWindow, rows: list[Record]) -> Iterable[list[Record]]:
        """Make records of a window's rows.

        Args:
            window: The days that were read.
            rows: All rows of these days.
        """

    @abstractmethod
    def read_in_pages(self, window: DateWindow, first_page: Page) -> Iterable[list[Record]]:
        """Read a window in pages, and check that no row is missing.

        Args:
            window: The days to read.
            first_page: The response to `request_window`, which may be cut.
        """

    @abstractmethod
    def rows_per_day(self, window: DateWindow, page: Page) -> float:
        """How many rows a day has, at least.

        Args:
            window: The days that were requested.
            page: The response to that, which may be cut.
        """

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        last_complete_day = self.today() - _DAY
        self._days = min(self.first_window_days, self.max_window_days)
        for planned in self.plan(context):
            start = planned.start
            while start <= planned.end:
                end = min(planned.end, start + timedelta(days=self._days - 1))
                window = DateWindow(start, end, planned.zone)
                try:
                    for page in self.read_window(window, context):
                        yield from page
                except WindowTooLargeError:
                    continue
                self._finish(window, last_complete_day, context)
                start = end + _DAY

    @override
    def read_window(self, window: DateWindow, context: Context | None) -> Iterator[list[Record]]:
        try:
            page = self.request_window(window)
        except RequestTooLargeError as error:
            self.logger.warning("%s", error)
            self.shorten(window, window.days)
        rows = len(page.rows)
        self._days = self._fitting_days(window, page)
        is_cut = rows >= self.max_rows or rows < (page.total or 0)
        if is_cut and window.days > 1:
            self.shorten(window, self._days)
        # A usual page size may be a clamp, unless an earlier response had more rows.
        may_be_clamped = may_be_cut(rows, self.max_rows) and rows >= self._most_rows
        self._most_rows = max(self._most_rows, rows)
        if is_cut or may_be_clamped:
            yield from self.read_in_pages(window, page)
        else:
            yield from self.parse_window(window, page.rows)

    def request_page(self, window: DateWindow, params: dict[str, Any]) -> Page:
        """Request a page of a window; a window of several days that is too slow is shortened.

        Args:
            window: The days that are requested.
            params: The query, without the filters of the settings.

        Raises:
            RequestTooLargeError: If a shorter window may be faster.
        """
        shrink = ShrinkInstead(
            _TOO_SLOW, after_tries=self.config["max_tries"], also_without_response=True
        )
        query = self.client.filters | params
        return self.client.get_page(self.path, query, shrink=shrink if window.days > 1 else None)

    def shorten(self, window: DateWindow, days: int) -> NoReturn:
        """Give up a window, before any of its rows was emitted, for shorter ones.

        Args:
            window: The days that were requested.
            days: How many days to request; at most half of the window.

        Raises:
            WindowTooLargeError: Always.
        """
        self._days = min(days, window.days // 2)
        self.logger.info("%s is too much at once: reading %d day(s)", window, self._days)
        raise WindowTooLargeError

    def _fitting_days(self, window: DateWindow, page: Page) -> int:
        """How many days fit into a response, by the rows of this one."""
        rows = self.rows_per_day(window, page)
        limit: int = self.max_window_days
        fitting = int((self.max_rows - 1) / rows) if rows else limit
        # Twice as many at most: one quiet day says little about the next.
        most = max(2 * window.days, self.first_window_days)
        return max(1, min(fitting, limit, most))
