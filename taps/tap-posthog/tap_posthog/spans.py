"""Reading what happened in a span of time: in windows, page by page, resumable after each page."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from signalroom_singer import (
    OwnBookmarkStream,
    ReadAhead,
    configured_midnight,
    named,
    stored_moment,
    utc_isoformat,
)
from tap_posthog.client import PostHogStream, project_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record

_FIRST_RUN = timedelta(days=30)
_SMALLEST = timedelta(seconds=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment (included) to another (not included), in UTC."""

    begin: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{utc_isoformat(self.begin)} to {utc_isoformat(self.end)}"

    @property
    def is_smallest(self) -> bool:
        """Whether there is no point in asking for less."""
        return self.end - self.begin <= _SMALLEST

    def cut(self, length: timedelta) -> list[Span]:
        """In windows of a length."""
        found, begin = [], self.begin
        while begin < self.end:
            found.append(Span(begin, min(self.end, begin + length)))
            begin += length
        return found


class SpanStream(OwnBookmarkStream, PostHogStream):
    """A stream read in order of its replication key, within windows of time.

    The bookmark is a moment before which everything was read. It moves with each page, never past
    the end of a window that was read whole or the last record that was handed on, never past the
    settling time, however far into the future records are dated, and never back while the lookback
    is read again.
    """

    @abstractmethod
    def read_span(self, span: Span, project: int) -> Iterable[list[Record]]:
        """Read a window; runs in a thread.

        Args:
            span: What to read.
            project: Of which project.

        Yields:
            Pages of records in order; the replication key is as ``utc_isoformat`` writes it.
        """

    @property
    def lookback(self) -> timedelta:
        """How far before the bookmark to begin."""
        return timedelta(hours=float(self.config["lookback_hours"]))

    def plan(self, context: Context | None) -> list[Span]:
        """Decide what this run reads.

        Args:
            context: The project.

        Returns:
            Windows in order; none if there is nothing to read.
        """
        end = self.settled()
        if last := configured_midnight(self.config, "end_date"):
            end = min(end, last + timedelta(days=1))
        bookmark, wanted = self.bookmark(context), configured_midnight(self.config, "start_date")
        if bookmark and bookmark > self.settled():
            self.logger.warning(
                "The bookmark %s of project %s is ahead of the clock; reading again from %s, as "
                "what came before it may not have been read",
                utc_isoformat(bookmark),
                (context or {}).get("project_id"),
                utc_isoformat(self.settled() - self.lookback),
            )
        if bookmark:
            begin = min(bookmark, self.settled()) - self.lookback
            begin = max(begin, wanted) if wanted else begin
        else:
            begin = wanted or end - _FIRST_RUN
        if begin >= end:
            if bookmark and bookmark >= end:
                reason = f"everything up to {utc_isoformat(bookmark)} is loaded"
            else:
                reason = f"{named('start_date')} is after the last moment to read"
            self.logger.info(
                "%s: nothing to read before %s, %s", self.name, utc_isoformat(end), reason
            )
            return []
        windows = Span(begin, end).cut(timedelta(hours=float(self.config["window_hours"])))
        self.logger.info(
            "%s: reading %s of project %s in %d window%s, bookmark %s",
            *(self.name, Span(begin, end), (context or {}).get("project_id")),
            *(len(windows), "s" * (len(windows) > 1)),
            utc_isoformat(bookmark) if bookmark else "none",
        )
        self.progress.expect((end - begin) / _HOUR, "hours")
        return windows

    def settled(self) -> datetime:
        """Up to when records have come in."""
        return datetime.now(UTC) - timedelta(minutes=float(self.config["settle_minutes"]))

    def bookmark(self, context: Context | None) -> datetime | None:
        """The moment before which everything was read, if any was.

        Args:
            context: The project.

        Raises:
            TapError: If the state holds something else.
        """
        state = self.get_context_state(context)
        if state.get("replication_key") != self.replication_key:
            return None
        return stored_moment(state.get("replication_key_value"), stream=self.name)

    @override
    def read_project(self, context: Context | None) -> Iterator[Record]:
        """Read all windows of the plan, in order, moving the bookmark with each page.

        Args:
            context: The project.

        Yields:
            Records.
        """
        project = project_of(context)
        done = self.progress.done
        windows = self.plan(context)
        # One at a time, as queries are; but the next is asked for while this one is handed on.
        with ReadAhead(windows, lambda span: self.read_span(span, project), workers=1) as pages:
            for span, page in pages:
                if page is None:
                    moment = span.end
                elif page:
                    moment = datetime.fromisoformat(page[-1][str(self.replication_key)])
                    yield from page
                else:
                    continue
                self.progress.done = done + (moment - windows[0].begin) / _HOUR
                self._reach(moment, context)

    def _reach(self, moment: datetime, context: Context | None) -> None:
        bookmark = self.bookmark(context)
        if bookmark is None or moment > bookmark or bookmark > self.settled():
            self.save_bookmark(utc_isoformat(moment), context)
