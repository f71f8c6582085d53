"""Events by the endpoint from before queries: https://posthog.com/docs/api/events."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from signalroom_singer import TapError, to_utc, utc_isoformat
from tap_posthog.client import PostHogStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Record

    from tap_posthog.spans import Span

_TICK = timedelta(microseconds=1)
#: What the endpoint gives at once, and how far it counts.
_CLAMP, _MOST_OFFSET = 1000, 50_000


class OlderEndpointStream(PostHogStream):
    """A stream of events that can be read by the older endpoint."""

    def read_endpoint(self, span: Span, project: int) -> Iterator[list[Record]]:
        """Read a window.

        A page may end between events of one moment: those of its last moment are asked for apart.
        That also shows whether PostHog's moments are those that it is asked by: some versions
        write the project's local time as if it were UTC
        (https://github.com/PostHog/posthog/issues/67175).

        Args:
            span: What to read.
            project: Of which project.

        Yields:
            Pages, in order of time; the timestamp is as ``utc_isoformat`` writes it.

        Raises:
            TapError: If an event is not where it was asked for, or too many share a moment.
        """
        # Both ends are strict.
        after = span.begin - _TICK
        while rows := self._page_of_endpoint(project, after, span.end):
            last = rows[-1]["timestamp"]
            after = datetime.fromisoformat(last)
            page = [row for row in rows if row["timestamp"] != last]
            page += self._of_moment(project, after, most=len(rows))
            # From here on its rows are another thread's, which changes them.
            yield page

    def _of_moment(self, project: int, moment: datetime, *, most: int) -> list[Record]:
        """All events of a moment in which there is one; an answer may hold ``most`` at least."""
        found: list[Record] = []
        begin, end = moment - _TICK, moment + _TICK
        while rows := self._page_of_endpoint(project, begin, end, len(found)):
            found += rows
            if len(rows) < most:
                break
            if len(found) > _MOST_OFFSET:
                msg = (
                    f"{self.name}: more than {_MOST_OFFSET} events of {utc_isoformat(moment)} "
                    "cannot be read by the older endpoint; nothing from there on was loaded."
                )
                raise TapError(msg)
        if not found:
            self._refuse_endpoint(begin, end)
        return found

    def _page_of_endpoint(
        self, project: int, after: datetime, before: datetime, offset: int = 0
    ) -> list[Record]:
        params = {
            "after": utc_isoformat(after),
            "before": utc_isoformat(before),
            # Any other order is by falling time, and hides what is behind a gap.
            "orderBy": json.dumps(["timestamp"]),
            "limit": _CLAMP,
        }
        if offset:
            params["offset"] = offset
        answer = self.get(f"/api/projects/{project}/events/", params)
        rows = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            msg = f"{self.name}: the events endpoint answered without results; nothing was loaded"
            raise TapError(msg)
        for row in rows:
            row["uuid"], row["timestamp"] = row.pop("id"), to_utc(row["timestamp"])
            for name in ("person", "elements"):
                row.pop(name, None)
        moments = [row["timestamp"] for row in rows]
        ends = utc_isoformat(after), utc_isoformat(before)
        if moments != sorted(moments) or not all(ends[0] < at < ends[1] for at in moments):
            self._refuse_endpoint(after, before)
        return rows

    def _refuse_endpoint(self, after: datetime, before: datetime) -> NoReturn:
        asked = f"{utc_isoformat(after)} and {utc_isoformat(before)}"
        msg = (
            f"{self.name}: PostHog's older events endpoint was asked for events between {asked}, "
            "and left some out, or answered with others, or not in order. Some versions write the "
            "project's local time as if it were UTC "
            "(https://github.com/PostHog/posthog/issues/67175). Nothing from there on was loaded. "
            "Set events_api to query, which is not affected; without a query API, upgrade PostHog, "
            "or make UTC the project's time zone. Then run it again."
        )
        raise TapError(msg)
