"""Reading days in as few answers as may be, none of them cut."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from singer_sdk.exceptions import RetriableAPIError
from typing_extensions import override

from signalroom_singer import DateWindow, WindowedStream
from tap_redtrack.client import RedTrackStream
from tap_redtrack.paging import may_be_cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

    from tap_redtrack.client import Answer

_DAY = timedelta(days=1)
_CENTURY = 36_525


class _TooMuchError(Exception):
    """A window has to be shorter; nothing of it was emitted."""


class SweptStream(WindowedStream, RedTrackStream):
    """A stream read window after window, each as long as fits into one answer.

    An answer with fewer rows than RedTrack gives at most is whole, whatever its pages do. So
    windows are measured by the rows that the ones before them had. One that is cut all the
    same is halved; only a single day is read in pages.
    """

    # The plan is one span; `get_records` cuts it as it goes.
    window_days = _CENTURY
    #: Days of the first window, while nobody knows how many rows a day has.
    first_days: int = 30

    @property
    @abstractmethod
    def capacity(self) -> int:
        """The most rows of an answer."""

    @property
    def longest_days(self) -> int:
        """The most days of a window."""
        return int(self.config["report_window_days"])

    @abstractmethod
    def ask_window(self, window: DateWindow) -> Answer:
        """Ask for a window's rows, at most `capacity` of them."""

    @abstractmethod
    def whole(self, window: DateWindow, rows: list[Record]) -> Iterable[list[Record]]:
        """Make records of a window's rows, which are all there."""

    @abstractmethod
    def paged(self, window: DateWindow, first: Answer) -> Iterable[list[Record]]:
        """Read a window in pages, and make sure that they are all there.

        Args:
            window: What to read.
            first: Its first page.
        """

    @abstractmethod
    def busiest(self, window: DateWindow, answer: Answer) -> float:
        """Rows of a day, at least, by an answer that may be cut."""

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        complete = self.today() - _DAY
        self._days = min(self.first_days, self.longest_days)
        for span in self.plan(context):
            start = span.start
            while start <= span.end:
                end = min(span.end, start + timedelta(days=self._days - 1))
                window = DateWindow(start, end, span.zone)
                try:
                    for page in self.read_window(window, context):
                        yield from page
                except _TooMuchError:
                    continue
                self._finish(window, complete, context)
                start = end + _DAY

    @override
    def read_window(self, window: DateWindow, context: Context | None) -> Iterator[list[Record]]:
        try:
            answer = self.ask_window(window)
        except RetriableAPIError as error:
            if window.days > 1 and _too_slow(error):
                self.shorten(window, window.days)
            raise
        rows = len(answer.rows)
        self._days = self._fitting(window, answer)
        cut = rows >= self.capacity or rows < (answer.total or 0)
        if cut and window.days > 1:
            self.shorten(window, self._days)
        # A size that servers like to have may be a clamp, unless more came in one answer before.
        suspect = may_be_cut(rows, self.capacity) and rows >= self._most
        self._most = max(self._most, rows)
        if cut or suspect:
            yield from self.paged(window, answer)
        else:
            yield from self.whole(window, answer.rows)

    #: Days of the window that comes next.
    _days = 1
    #: The most rows that came in one answer.
    _most = 0

    def shorten(self, window: DateWindow, days: int) -> NoReturn:
        """Give a window up, before anything of it was emitted, for shorter ones.

        Args:
            window: What was asked for.
            days: How many to ask for; at most half of the window.
        """
        self._days = min(days, window.days // 2)
        self.logger.info("%s is too much at once: reading %d day(s)", window, self._days)
        raise _TooMuchError

    def _fitting(self, window: DateWindow, answer: Answer) -> int:
        """How many days fit into an answer, by those of this one."""
        rows = self.busiest(window, answer)
        fitting = int((self.capacity - 1) / rows) if rows else self.longest_days
        # Twice as many at most: one quiet day says little about the next.
        return max(1, min(fitting, self.longest_days, max(2 * window.days, self.first_days)))


def most_a_day(rows: Iterable[Mapping[str, Any]]) -> int:
    """The most rows that a day has, of rows with a ``date``."""
    counts = Counter(str(row.get("date")) for row in rows)
    return max(counts.values(), default=0)


def _too_slow(error: RetriableAPIError) -> bool:
    """Whether it is of a kind that less to compute may avoid."""
    return error.response is None or error.response.status_code in {500, 502, 503, 504}
