"""The base of events by the endpoint that is older than queries: https://posthog.com/docs/api/events."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from signalroom_singer import TapError, to_utc, utc_isoformat
from tap_posthog.streams._base import PostHogStream, parse_results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Record

    from tap_posthog.time_windows import TimeWindow

_TICK = timedelta(microseconds=1)
#: The most rows of a response, and the largest offset.
_MAX_ROWS, _MAX_OFFSET = 1000, 50_000


class OlderEndpointStream(PostHogStream):
    """A stream of events that can be read by the older endpoint."""

    def read_endpoint(self, window: TimeWindow, project: int) -> Iterator[list[Record]]:
        """Read a window.

        A page may end between events of one moment: those of its last moment are requested
        separately. That also shows whether the endpoint's times are those that it filters by: some
        versions write the project's local time as if it were UTC
        (https://github.com/PostHog/posthog/issues/67175).

        Args:
            window: The time to read.
            project: The id of the project to read.

        Yields:
            Pages, in order of time; the timestamp is as ``utc_isoformat`` writes it.

        Raises:
            TapError: If an event is not where it was requested, or too many share a moment.
        """
        # Both ends are exclusive.
        after = window.begin - _TICK
        while rows := self._request_events(project, after, window.end):
            last = rows[-1]["timestamp"]
            after = datetime.fromisoformat(last)
            page = [row for row in rows if row["timestamp"] != last]
            page += self._request_moment(project, after, max_rows=len(rows))
            # From here on the rows belong to another thread, which changes them.
            yield page

    def _request_moment(self, project: int, moment: datetime, *, max_rows: int) -> list[Record]:
        """Request all events of a moment that has one; a full response has ``max_rows`` or more."""
        events: list[Record] = []
        begin, end = moment - _TICK, moment + _TICK
        while rows := self._request_events(project, begin, end, len(events)):
            events += rows
            if len(rows) < max_rows:
                break
            if len(events) > _MAX_OFFSET:
                msg = (
                    f"{self.name}: more than {_MAX_OFFSET} events of {utc_isoformat(moment)} "
                    "cannot be read by the older endpoint; nothing from there on was loaded."
                )
                raise TapError(msg)
        if not events:
            self._reject_events(begin, end)
        return events

    def _request_events(
        self, project: int, after: datetime, before: datetime, offset: int = 0
    ) -> list[Record]:
        params: dict[str, Any] = {
            "after": utc_isoformat(after),
            "before": utc_isoformat(before),
            # Any other order is by falling time, and hides what is behind a gap.
            "orderBy": json.dumps(["timestamp"]),
            "limit": _MAX_ROWS,
            "offset": offset or None,
        }
        rows = parse_results(self.client.get(f"/api/projects/{project}/events/", params))
        if rows is None:
            msg = f"{self.name}: the events endpoint responded without results; nothing was loaded"
            raise TapError(msg)
        for row in rows:
            row["uuid"], row["timestamp"] = row.pop("id"), to_utc(row["timestamp"])
            for name in ("person", "elements"):
                row.pop(name, None)
        times = [row["timestamp"] for row in rows]
        begin, end = utc_isoformat(after), utc_isoformat(before)
        if times != sorted(times) or not all(begin < time < end for time in times):
            self._reject_events(after, before)
        return rows

    def _reject_events(self, after: datetime, before: datetime) -> NoReturn:
        msg = (
            f"{self.name}: PostHog's older events endpoint was asked for events between "
            f"{utc_isoformat(after)} and {utc_isoformat(before)}, "
            "and left some out, or returned others, or not in order. Some versions write the "
            "project's local time as if it were UTC "
            "(https://github.com/PostHog/posthog/issues/67175). Nothing from there on was loaded. "
            "Set events_api to query, which is not affected; without a query API, upgrade PostHog, "
            "or make UTC the project's time zone. Then run it again."
        )
        raise TapError(msg)
