"""The bases of streams that are HogQL tables: https://posthog.com/docs/api/queries.

Pages follow each other by keyset: personal keys may not use OFFSET, and a condition on the time
alone loses rows that share a moment with a page's last row. So rows are sorted by the time and,
within a moment, by everything that tells them apart, their id as text: ClickHouse compares UUIDs by
their second half first, and text the same everywhere.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from singer_sdk.exceptions import RetriableAPIError
from typing_extensions import override

from signalroom_singer import RequestRejectedError, TapError, to_utc, utc_isoformat
from tap_posthog.client import QUERY, QueryTooLargeError, budget_wait
from tap_posthog.keyset import KeysetCursor, condition_after
from tap_posthog.query_size import QuerySize
from tap_posthog.streams._base import PostHogStream
from tap_posthog.streams._time_window_base import TimeWindowStream
from tap_posthog.time_windows import TimeWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.helpers.types import Record

_EARLIEST = "1970-01-01T00:00:00Z"


class HogQLStream(PostHogStream):
    """A stream that is a table of HogQL's."""

    scope_object = "query"
    path = QUERY
    #: The name of the table.
    table: str
    #: The columns that tell rows of one moment apart, the id first: a UUID. They are always read.
    ties: tuple[str, ...]
    #: Columns that PostHog does not have.
    own_columns = frozenset({"project_id", "_client_id", "_loaded_at", "_extra"})
    #: Columns of ``ties`` that are times.
    time_columns = frozenset({"timestamp", "created_at"})
    #: The table's names of columns that the stream names differently.
    expressions: dict[str, str] = {}  # noqa: RUF012 - a declaration
    #: Optional columns that this version of PostHog does not have.
    _missing_columns: frozenset[str] = frozenset()

    def columns(self) -> list[str]:
        """The columns to read: those that are selected, and that this PostHog has."""
        return [name for name in self._selected_columns if name not in self._missing_columns]

    @cached_property
    def _required_columns(self) -> frozenset[str | None]:
        return frozenset({*self.record_keys, *self.ties, self.replication_key})

    @cached_property
    def _selected_columns(self) -> tuple[str, ...]:
        return tuple(
            name
            for name in [*self.schema["properties"]]
            if name not in self.own_columns
            and (name in self._required_columns or self.mask[("properties", name)])
        )

    def request_rows(
        self,
        project: int,
        conditions: str,
        order: str,
        *,
        limit: int,
        may_shrink: bool,
        **values: Any,
    ) -> list[Record]:
        """Request one page of rows.

        Args:
            project: The id of the project to query.
            conditions: The WHERE clause.
            order: The ORDER BY clause.
            limit: The most rows of the page.
            may_shrink: Whether the caller can send a smaller query if this one is too large.
            values: The values of placeholders.

        Raises:
            QueryTooLargeError: If PostHog cannot answer in time.
            TapError: If PostHog's budget of bytes is used up.
        """
        columns = self.columns()
        selected = ", ".join(
            f"`{self.expressions[name]}` AS {name}" if name in self.expressions else name
            for name in columns
        )
        text = (
            f"SELECT {selected} FROM {self.table} "  # nosec # noqa: S608
            f"WHERE {conditions} ORDER BY {order} LIMIT {limit}"
        )
        try:
            payload = self.client.query(project, text, values, may_shrink=may_shrink)
            return [*self._parse_rows(payload, columns)]
        except RequestRejectedError as error:
            if error.status != HTTPStatus.BAD_REQUEST or not self._drop_unknown(columns, error):
                raise
        except RetriableAPIError as error:
            if budget_wait(error) is None:
                raise
            consequence = (
                "The state has all that was read: the next run resumes there"
                if self.replication_key
                else "The table is as it was; the next run reads all of it"
            )
            msg = f"{error}. {consequence}. To wait instead, set max_budget_wait to more seconds."
            raise TapError(msg) from None
        return self.request_rows(
            project, conditions, order, limit=limit, may_shrink=may_shrink, **values
        )

    def _parse_rows(self, payload: Mapping[str, Any], columns: list[str]) -> Iterator[Record]:
        """Make rows by the names of the response's columns, which may come in any order."""
        names = [str(name).strip("`") for name in payload.get("columns") or []]
        results = payload.get("results")
        problem = ""
        if missing := {*columns} - {*names}:
            problem = f"the columns {', '.join(sorted(missing))}"
        elif not isinstance(results, list):
            problem = "results"
        if problem:
            msg = f"{self.name}: POST .../query/ responded without {problem}: nothing was loaded"
            raise TapError(msg)
        for row in results or ():
            yield dict(zip(names, row, strict=True))

    def _drop_unknown(self, columns: list[str], error: RequestRejectedError) -> bool:
        """Drop optional columns that an older PostHog does not know; returns whether it did."""
        message = str(error)
        unknown = {
            name
            for name in columns
            if name not in self._required_columns
            and re.search(
                rf"resolve field: `?{re.escape(self.expressions.get(name, name))}\b", message
            )
        }
        if unknown:
            self.logger.warning("This PostHog has no columns %s: %s", ", ".join(unknown), message)
            self._missing_columns |= unknown
        return bool(unknown)

    def reject_rows(self, requested: str) -> NoReturn:
        """Fail at a page after which the next one cannot be requested.

        Args:
            requested: Which rows were requested, for the message.

        Raises:
            TapError: Always.
        """
        msg = (
            f"{self.name}: PostHog's query API was asked for rows {requested}, and returned "
            "others, or in another order. Nothing of this page was loaded. Run "
            "it again; if it persists, open an issue with this line and PostHog's version."
        )
        raise TapError(msg)


class HogQLTimeStream(HogQLStream, TimeWindowStream):
    """A table of what happened, read by time."""

    @cached_property
    def query_size(self) -> QuerySize:
        """The size of queries that works, for all windows of a run."""
        # A connection test needs one record.
        most_rows = self.ABORT_AT_RECORD_COUNT or int(self.config["page_size"])
        return QuerySize(self.window_length, most_rows)

    @override
    def read_window(self, window: TimeWindow, project: int) -> Iterator[list[Record]]:
        """Read a window, in parts where PostHog finds it too large.

        PostHog cuts pages at a size that it does not state, and that may change: only an empty
        page means that there are no more rows.

        Args:
            window: The time to read.
            project: The id of the project to read.

        Yields:
            Pages of records in order.
        """
        size = self.query_size
        begin, cursor = window.begin, None
        while begin < window.end:
            part = TimeWindow(begin, min(window.end, begin + size.length))
            may_shrink = size.can_shrink(part)
            try:
                page = self._request_page(part, project, cursor, may_shrink=may_shrink)
            except QueryTooLargeError as error:
                if not may_shrink:
                    raise
                self.logger.warning("%s; %s", error, size.shrink(part))
                continue
            size.note_page(page)
            if page:
                cursor = self._check_page(page, part, cursor)
                begin = datetime.fromisoformat(cursor.moment)
                # From here on the rows belong to another thread, which changes them.
                yield page
            else:
                begin = part.end

    def _request_page(
        self, window: TimeWindow, project: int, cursor: KeysetCursor | None, *, may_shrink: bool
    ) -> list[Record]:
        """Request the rows of a window, after a cursor that is at its beginning."""
        key = str(self.replication_key)
        time = self._expression(key)
        begin = "toDateTime64({begin}, 6, 'UTC')"
        conditions = f"{time} >= {begin} AND {time} < toDateTime64({{end}}, 6, 'UTC')"
        values = {"begin": time_literal(window.begin), "end": time_literal(window.end)}
        sort_keys = [self._sort_key(name) for name in self._ties]
        if cursor and cursor.moment == utc_isoformat(window.begin):
            parameters = [self._parameter(*tie) for tie in enumerate(self._ties)]
            is_after, tie_values = condition_after(sort_keys, parameters, self._literals(cursor))
            values |= tie_values
            conditions += f" AND ({time} > {begin} OR {is_after})"
        more_conditions, more_values = self.more_conditions(window)
        page = self.request_rows(
            project,
            conditions + more_conditions,
            ", ".join([time, *sort_keys]),
            limit=self.query_size.rows,
            may_shrink=may_shrink,
            **values,
            **more_values,
        )
        times = {key, "timestamp"} & {*self.columns()}
        for row in page:
            for name in times:
                row[name] = to_utc(row[name])
        return page

    @property
    def _ties(self) -> list[str]:
        return [name for name in self.ties if name != self.replication_key]

    def _expression(self, column: str) -> str:
        name = self.expressions.get(column, column)
        return f"`{name}`" if name.startswith("$") else name

    def _sort_key(self, tie: str) -> str:
        name = self._expression(tie)
        return f"toString({name})" if tie == self.ties[0] else name

    def _parameter(self, number: int, tie: str) -> str:
        value = f"{{after_{number}}}"
        return f"toDateTime64({value}, 6, 'UTC')" if tie in self.time_columns else value

    def _literals(self, cursor: KeysetCursor) -> list[str]:
        return [
            time_literal(datetime.fromisoformat(value or _EARLIEST))
            if tie in self.time_columns
            else value
            for tie, value in zip(self._ties, cursor.ties, strict=True)
        ]

    def more_conditions(self, window: TimeWindow) -> tuple[str, dict[str, str]]:  # noqa: ARG002
        """Further conditions for rows, and the values of their placeholders.

        Args:
            window: The time that is requested.
        """
        return "", {}

    def _check_page(
        self, page: list[Record], window: TimeWindow, cursor: KeysetCursor | None
    ) -> KeysetCursor:
        """Check that all rows are in the window and in order: otherwise some would be lost.

        Args:
            page: The rows of the response.
            window: The time that was requested.
            cursor: The row after which the page was requested.

        Returns:
            The cursor of the last row.

        Raises:
            TapError: If a row is somewhere else.
        """
        key, identifier = str(self.replication_key), self.ties[0]
        begin, end = utc_isoformat(window.begin), utc_isoformat(window.end)
        previous = (cursor.moment, cursor.ties[0]) if cursor else (begin, "")
        for row in page:
            # Ids as text; the ties after them only PostHog can compare. The same row may come
            # twice, until ClickHouse has merged its parts.
            current = (row[key], str(row[identifier]))
            if not previous <= current or current[0] >= end:
                self.reject_rows(f"from {window}")
            previous = current
        last = KeysetCursor.from_row(page[-1], key, self._ties)
        if last == cursor:
            self.reject_rows(f"from {window}, after the previous page")
        return last


def time_literal(moment: datetime) -> str:
    """Write a moment for ``toDateTime64(..., 6, 'UTC')``: bare text would be in the project's zone.

    Args:
        moment: The moment, with a time zone.
    """
    return utc_isoformat(moment).replace("T", " ").removesuffix("Z")
