"""The base of streams that are read by time: in windows, page by page, resumable after each."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING

from typing_extensions import override

from signalroom_singer import (
    ManualBookmarkStream,
    ReadAhead,
    one_of,
    parse_bookmark,
    parse_midnight_setting,
    setting_label,
    utc_isoformat,
)
from tap_posthog.streams._base import PostHogStream, project_of
from tap_posthog.time_windows import TimeWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer import Conditions

_FIRST_RUN = timedelta(days=30)
_HOUR = timedelta(hours=1)


class TimeWindowStream(ManualBookmarkStream, PostHogStream):
    """A stream read in order of its replication key, within windows of time.

    The bookmark is a moment before which everything was read. It moves with each page. It never
    passes the end of a window that was read to its end, the last record that was read, or the
    settling time, however far in the future records are dated; and it never moves back while the
    lookback is read again.

    What was read up to a bookmark is a scope, if the stream says by which columns.
    """

    @abstractmethod
    def read_window(self, window: TimeWindow, project: int) -> Iterable[list[Record]]:
        """Read a window; runs in a thread.

        Args:
            window: The time to read.
            project: The id of the project to read.

        Yields:
            Pages of records in order; the replication key is as ``utc_isoformat`` writes it.
        """

    def scope_of(self, window: TimeWindow) -> Conditions | None:  # noqa: ARG002
        """The conditions that the rows of a window meet, by column.

        Args:
            window: A time that was read completely, all of it or a part of a window.

        Returns:
            The conditions, without the project's; None if PostHog may have rows that did not come.
        """
        return None

    @property
    def lookback(self) -> timedelta:
        """How far before the bookmark a run begins."""
        return timedelta(hours=float(self.config["lookback_hours"]))

    @property
    def window_length(self) -> timedelta:
        """The longest window, by the settings."""
        return timedelta(hours=float(self.config["window_hours"]))

    def plan(self, project: int, context: Context | None) -> list[TimeWindow]:
        """Decide what this run reads.

        Args:
            project: The id of the project.
            context: The stream's partition, which holds the bookmark.

        Returns:
            Windows in order; none if there is nothing to read.
        """
        settled = self.settled_until()
        end = settled
        if last_day := parse_midnight_setting(self.config, "end_date"):
            end = min(end, last_day + timedelta(days=1))
        bookmark, start = self.bookmark(context), parse_midnight_setting(self.config, "start_date")
        if bookmark and bookmark > settled:
            self.logger.warning(
                "The bookmark %s of project %s is ahead of the clock; reading again from %s, as "
                "what came before it may not have been read",
                *(utc_isoformat(bookmark), project, utc_isoformat(settled - self.lookback)),
            )
        if bookmark:
            begin = min(bookmark, settled) - self.lookback
            begin = max(begin, start) if start else begin
        else:
            begin = start or end - _FIRST_RUN
        if begin >= end:
            if bookmark and bookmark >= end:
                reason = f"everything up to {utc_isoformat(bookmark)} is loaded"
            else:
                reason = f"{setting_label('start_date')} is after the last moment to read"
            self.logger.info(
                "%s: nothing to read before %s, %s", self.name, utc_isoformat(end), reason
            )
            return []
        windows = TimeWindow(begin, end).split(self.window_length)
        self.logger.info(
            "%s: reading %s of project %s in %d window%s, bookmark %s",
            *(self.name, TimeWindow(begin, end), project),
            *(len(windows), "s" * (len(windows) > 1)),
            utc_isoformat(bookmark) if bookmark else "none",
        )
        self.progress.expect((end - begin) / _HOUR, "hours")
        return windows

    def settled_until(self) -> datetime:
        """The moment before which all records are expected to have arrived."""
        return datetime.now(UTC) - timedelta(minutes=float(self.config["settle_minutes"]))

    def bookmark(self, context: Context | None) -> datetime | None:
        """The moment before which everything was read, if any was.

        Args:
            context: The stream's partition.

        Raises:
            TapError: If the state holds something that is not a timestamp.
        """
        state = self.get_context_state(context)
        if state.get("replication_key") != self.replication_key:
            return None
        return parse_bookmark(state.get("replication_key_value"), stream=self.name)

    @override
    def read_project(self, project: int, context: Context | None) -> Iterator[Record]:
        """Read all windows of the plan, in order, moving the bookmark with each page.

        Args:
            project: The id of the project.
            context: The stream's partition, which holds the bookmark.

        Yields:
            Records.
        """
        done = self.progress.done
        windows = self.plan(project, context)
        if not windows:
            return
        key, begin = str(self.replication_key), windows[0].begin
        # One at a time, as queries are; but the next is read while this one is emitted.
        with ReadAhead(
            windows, lambda window: self.read_window(window, project), workers=1
        ) as pages:
            for window, page in pages:
                if page == []:
                    continue
                rows = page or []
                end = rows[-1][key] if rows else utc_isoformat(window.end)
                # The next page may go on within the last moment: its rows belong to the next scope.
                complete = bisect_left(rows, end, key=itemgetter(key))
                yield from rows[:complete]
                moment = datetime.fromisoformat(end)
                self._finish(TimeWindow(begin, moment), context)
                begin = moment
                self.progress.done = done + (moment - windows[0].begin) / _HOUR
                yield from rows[complete:]

    def _finish(self, window: TimeWindow, context: Context | None) -> None:
        """Move the bookmark to the end of a time, all records of which have been emitted."""
        bookmark = self.bookmark(context)
        moves = bookmark is None or window.end > bookmark or bookmark > self.settled_until()
        if self.scope_columns and window.length:
            if moves:
                self.move_bookmark(utc_isoformat(window.end), context)
            conditions = self.scope_of(window)
            project = {"project_id": one_of([project_of(context)])}
            self.write_scope(conditions and {**conditions, **project})
        elif moves:
            self.save_bookmark(utc_isoformat(window.end), context)
