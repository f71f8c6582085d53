"""Reads a range of days in windows: several at once, in order, resumable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.read_ahead import ReadAhead
from signalroom_singer.scopes import between, one_of
from signalroom_singer.settings.dates import parse_date_setting
from signalroom_singer.settings.variables import setting_label
from signalroom_singer.stream import ManualBookmarkStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer.scopes import Condition

_DAY = timedelta(days=1)
#: Early enough for data, and late enough to subtract a lookback of any length.
_EARLIEST = date(1900, 1, 1)

#: Settings of every tap that reads ranges of days.
WINDOW_SETTINGS = (
    th.Property(
        "start_date",
        th.DateType,
        title="Start date",
        description=(
            "The first day to read, `YYYY-MM-DD`. Without it the first run reads as far back as "
            "the lookback. Once there is a bookmark, it only matters if it is later."
        ),
        examples=["2026-01-01"],
    ),
    th.Property(
        "end_date",
        th.DateType,
        title="End date",
        description="The last day to read, `YYYY-MM-DD`. Default: yesterday in the report zone.",
        examples=["2026-01-31"],
    ),
    th.Property(
        "include_today",
        th.BooleanType,
        default=False,
        title="Include today",
        description=(
            "Also read the current day, which is incomplete. The bookmark stays on the last "
            "complete day, so the next run reads it again."
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class DateWindow:
    """Whole days of a time zone, both ends included."""

    start: date
    end: date
    zone: ZoneInfo

    def __str__(self) -> str:
        return str(self.start) if self.start == self.end else f"{self.start}..{self.end}"

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.end - self.start).days + 1

    @property
    def start_utc(self) -> datetime:
        """The start of the first day, in UTC; when the clocks change, a day has 23 or 25 hours."""
        return datetime.combine(self.start, time.min, self.zone).astimezone(UTC)

    @property
    def end_utc(self) -> datetime:
        """The end of the last day, in UTC: the first moment that does not belong to it."""
        return datetime.combine(self.end + _DAY, time.min, self.zone).astimezone(UTC)

    def split(self) -> tuple[DateWindow, DateWindow]:
        """Split the window into two of about equal length.

        Raises:
            ValueError: If it is a single day.
        """
        if self.days == 1:
            msg = f"a single day has no halves: {self}"
            raise ValueError(msg)
        middle = self.start + timedelta(days=self.days // 2 - 1)
        return (
            DateWindow(self.start, middle, self.zone),
            DateWindow(middle + _DAY, self.end, self.zone),
        )


def split_days(start: date, end: date, *, days: int, zone: ZoneInfo) -> list[DateWindow]:
    """Split a range of days into windows.

    Args:
        start: The first day.
        end: The last day; before ``start`` there are no windows.
        days: The maximum number of days in a window.
        zone: The time zone of the days.

    Returns:
        The windows in order; each day is in exactly one.
    """
    windows = []
    while start <= end:
        last = min(end, start + timedelta(days=days - 1))
        windows.append(DateWindow(start, last, zone))
        start = last + _DAY
    return windows


class WindowedStream(ManualBookmarkStream, ABC):
    """A stream read in windows of days of the report's time zone.

    The bookmark is the last day of which everything was read: it moves after each window,
    so an interrupted run resumes there; it never passes yesterday, whatever records there
    are; and it never moves back while the lookback is read again.

    Settings used: those of :data:`signalroom_singer.WINDOW_SETTINGS`.
    """

    #: Days per window.
    window_days: int = 1
    #: Days before the bookmark that are read again, as vendors restate them.
    lookback_days: int = 0
    #: Days that the vendor keeps data; ``None`` if there is no limit.
    retention_days: ClassVar[int | None] = None
    #: The column of days, or of moments, that is within a row's window: rows of a window that are
    #: gone at the vendor are removed from the table. None if they stay.
    window_column: ClassVar[str | None] = None
    #: Days for which the vendor is known to keep rows; older ones that it does not return stay.
    #: ``None`` if it keeps them for ever.
    kept_days: ClassVar[int | None] = None
    #: Columns whose sums by day the vendor can tell, as `control_totals` returns them.
    control_columns: ClassVar[Sequence[str]] = ()
    #: The number of windows that are read at once.
    concurrency: int = 1
    #: The zone whose days these are. Without a default: a wrong day is wrong money.
    report_zone: ZoneInfo

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize as the base does.

        Args:
            args: As for the base.
            kwargs: As for the base.
        """
        super().__init__(*args, **kwargs)
        self._doubtful_days: set[date] = set()

    @abstractmethod
    def read_window(self, window: DateWindow, context: Context | None) -> Iterable[list[Record]]:
        """Read one window; runs in a thread, several at a time.

        Args:
            window: The days to read.
            context: The stream's partition, if any.

        Yields:
            Pages of records.
        """

    @property
    @override
    def scope_columns(self) -> Sequence[str]:
        if not self.window_column:
            return ()
        partitions = {name for partition in self.partitions or () for name in partition}
        return (self.window_column, *partitions)

    def scope_of(self, window: DateWindow) -> dict[str, Condition]:
        """The conditions that the rows of a window meet, by column.

        Args:
            window: The days that were read.
        """
        column = str(self.window_column)
        if self.schema["properties"][column].get("format") == "date":
            return {column: between(window.start, window.end + _DAY)}
        return {column: between(window.start_utc, window.end_utc)}

    def keep_vanished(self, window: DateWindow) -> None:
        """Note that what was read of a window may not be all of it: no row of it is removed.

        Args:
            window: The window, or a part of it.
        """
        self._doubtful_days.add(window.start)

    def _is_certain(self, window: DateWindow) -> bool:
        """Whether rows of a window that did not come are gone at the vendor."""
        days = self.kept_days
        if days is not None and window.start < self.today() - timedelta(days=days):
            return False
        # A copy: other threads read other windows meanwhile.
        return not any(window.start <= day <= window.end for day in tuple(self._doubtful_days))

    def control_totals(self, window: DateWindow) -> Mapping[date, Mapping[str, Decimal]]:
        """Request the vendor's own totals, with which the sums of the table can be compared.

        Args:
            window: The days that are compared.

        Returns:
            The sums of `control_columns` by day; days without any activity may be missing.
        """
        raise NotImplementedError

    def loaded_again(self, context: Context | None) -> DateWindow | None:
        """The days that the last run read: those of the lookback, up to the bookmark.

        Args:
            context: The stream's partition, if any.

        Returns:
            The days; None if no day was loaded yet.
        """
        bookmark = self.bookmark(context)
        if bookmark is None:
            return None
        start = self._start_after(bookmark)
        if start_date := parse_date_setting(self.config, "start_date"):
            start = max(start, start_date)
        return DateWindow(min(start, bookmark), bookmark, self.report_zone)

    def _start_after(self, bookmark: date) -> date:
        """The first day that a run reads, with a bookmark and no later `start_date`."""
        return bookmark + _DAY - timedelta(days=self.lookback_days)

    def today(self) -> date:
        """The current day in the report zone."""
        return datetime.now(self.report_zone).date()

    def plan(self, context: Context | None) -> list[DateWindow]:
        """Plan the windows of this run.

        Args:
            context: The stream's partition, if any.

        Returns:
            The windows in order; empty if there is nothing to read.
        """
        today = self.today()
        last = today if self.config.get("include_today") else today - _DAY
        end = min(parse_date_setting(self.config, "end_date") or last, today)
        bookmark = self.bookmark(context)
        start_date = parse_date_setting(self.config, "start_date")
        if bookmark:
            start = self._start_after(bookmark)
            start = max(start, start_date) if start_date else start
        else:
            start = start_date or end + _DAY - timedelta(days=max(1, self.lookback_days))
        if self.retention_days is not None:
            earliest = today - timedelta(days=self.retention_days)
            if start < earliest:
                self.logger.warning(
                    "The vendor keeps %d days: reading from %s, not from %s",
                    self.retention_days,
                    earliest,
                    start,
                )
                start = earliest
        windows = split_days(start, end, days=self.window_days, zone=self.report_zone)
        if windows:
            self.logger.info(
                "%s: reading %s to %s (%s) in %d request%s, bookmark %s",
                *(self.name, start, end, self.report_zone.key),
                *(len(windows), "s" * (len(windows) > 1), bookmark or "none"),
            )
            self.progress.expect(sum(window.days for window in windows), "days")
        else:
            self.logger.info("%s: %s", self.name, self._nothing_to_read(start, end, bookmark))
        return windows

    def _nothing_to_read(self, start: date, end: date, bookmark: date | None) -> str:
        if (last := parse_date_setting(self.config, "end_date")) and bookmark and last <= bookmark:
            return (
                f"nothing to read, {setting_label('end_date')}, {last}, is before what is left; "
                f"everything up to {bookmark} is loaded"
            )
        if bookmark and start == self._start_after(bookmark):
            return f"nothing to read, everything up to {bookmark} is loaded"
        begins = f"{setting_label('start_date')} is {start}, and {end} is the last day to read"
        return f"nothing to read yet, {begins}"

    def bookmark(self, context: Context | None) -> date | None:
        """The last day that was read completely; None if there is none. It is never today or later.

        Args:
            context: The stream's partition, if any.

        Raises:
            TapError: If the state holds something that is not a date.
        """
        state = self.get_context_state(context)
        if state.get("replication_key") != self.replication_key:
            return None
        value = state.get("replication_key_value")
        try:
            # A clock that was ahead may have moved it too far: then days would be skipped.
            last = self.today() - _DAY
            day = date.fromisoformat(str(value)[:10]) if value else None
            return max(min(day, last), _EARLIEST) if day else None
        except ValueError:
            msg = (
                f"{self.name}: the bookmark {str(value)[:100]!r} in the state is not a date "
                "(YYYY-MM-DD). "
                "Fix it with `meltano state edit`, or read everything again with --full-refresh."
            )
            raise TapError(msg, exit_code=ExitCode.DATA) from None

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        """Read all windows of the plan, in order, moving the bookmark after each.

        Args:
            context: The stream's partition, if any.

        Yields:
            Records.
        """
        complete = self.today() - _DAY
        # A dry run (--test) wants one record, not a window a thread.
        workers = 1 if self.ABORT_AT_RECORD_COUNT else self.concurrency
        with ReadAhead(
            self.plan(context), lambda window: self.read_window(window, context), workers=workers
        ) as pages:
            for window, page in pages:
                if page is not None:
                    yield from page
                else:
                    self._finish(window, complete, context)

    def _finish(self, window: DateWindow, complete: date, context: Context | None) -> None:
        self.progress.done += window.days
        reached = min(window.end, complete)
        bookmark = self.bookmark(context)
        moves = window.start <= reached and (bookmark is None or reached > bookmark)
        if self.scope_columns and self._is_certain(window):
            if moves:
                self.move_bookmark(reached.isoformat(), context)
            of_partition = {name: one_of([value]) for name, value in (context or {}).items()}
            self.write_scope(self.scope_of(window) | of_partition)
        elif moves:
            self.save_bookmark(reached.isoformat(), context)
