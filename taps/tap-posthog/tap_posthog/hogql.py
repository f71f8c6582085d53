"""Queries in HogQL, paged by keyset: https://posthog.com/docs/api/queries.

Personal keys may not use OFFSET, and a condition on the time alone loses what shares a moment with
a page's last row. So rows are sorted by the time and, within a moment, by all that tells them
apart, their id as text: ClickHouse compares UUIDs by their second half first, and text the same
wherever it is compared.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from signalroom_singer import RequestRejectedError, TapError, to_utc, utc_isoformat
from tap_posthog.client import QUERY, PostHogStream, QueryTooLargeError, named_rows
from tap_posthog.keyset import Place, behind, place_of
from tap_posthog.spans import Span, SpanStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Record

_PAGE_BYTES = 16 << 20
#: How large events are is not known before the first page: they may be of a megabyte each.
_FIRST_PAGE, _GROWTH = 250, 8
_SMALLEST_PAGE = 100
_EARLIEST = "1970-01-01T00:00:00Z"
#: After so many answers, what was too large once is tried again: the day's peak may be over.
_TRY_MORE_AFTER = 32


class HogQLStream(PostHogStream):
    """A stream that is a table of HogQL's."""

    scope_object = "query"
    path = QUERY
    #: The table.
    table: str
    #: The columns that tell rows of one moment apart, the id first: a UUID. They are always read.
    ties: tuple[str, ...]
    #: Columns that PostHog does not have.
    own_columns = frozenset({"project_id", "_client_id", "_loaded_at", "_extra"})
    #: Columns of ``ties`` that are moments.
    moments = frozenset({"timestamp", "created_at"})
    #: How the table calls columns that have another name there.
    expressions: dict[str, str] = {}  # noqa: RUF012 - a declaration

    def columns(self) -> list[str]:
        """The columns to read: those that are selected, and that this PostHog has."""
        return [name for name in self._chosen if name not in self._missing]

    @cached_property
    def _chosen(self) -> tuple[str, ...]:
        needed = {*self.record_keys, *self.ties, self.replication_key}
        return tuple(
            name
            for name in [*self.schema["properties"]]
            if name not in self.own_columns and (name in needed or self.mask[("properties", name)])
        )

    #: Optional columns that this version of PostHog does not have.
    _missing: frozenset[str] = frozenset()

    def selected_columns(self) -> str:
        """The columns as a SELECT has them."""
        return ", ".join(
            f"`{self.expressions[name]}` AS {name}" if name in self.expressions else name
            for name in self.columns()
        )

    def rows(self, project: int, conditions: str, order: str, **values: Any) -> list[Record]:
        """One page.

        Args:
            project: Of which project.
            conditions: What rows must be like.
            order: What they are sorted by.
            values: What placeholders stand for; ``limit`` is the most rows.
        """
        limit = values.pop("limit")
        chosen = f"SELECT {self.selected_columns()} FROM {self.table}"  # nosec # noqa: S608
        text = f"{chosen} WHERE {conditions} ORDER BY {order} LIMIT {limit}"
        columns = self.columns()
        try:
            return [*named_rows(self.query(project, text, values), columns, stream=self.name)]
        except RequestRejectedError as error:
            if error.status != HTTPStatus.BAD_REQUEST or not self._leave_out(columns, str(error)):
                raise
        return self.rows(project, conditions, order, **values, limit=limit)

    def _leave_out(self, columns: list[str], message: str) -> bool:
        """Do without a column that an older PostHog does not know; says whether there is one."""
        needed = {*self.record_keys, *self.ties, self.replication_key}
        unknown = {
            name
            for name in columns
            if name not in needed
            and re.search(
                rf"resolve field: `?{re.escape(self.expressions.get(name, name))}\b", message
            )
        }
        if unknown:
            self.logger.warning("This PostHog has no columns %s: %s", ", ".join(unknown), message)
            self._missing |= unknown
        return bool(unknown)

    def refuse_rows(self, asked: str) -> NoReturn:
        """End the run at a page that cannot be gone on from.

        Args:
            asked: Which rows it was to have.

        Raises:
            TapError: Always.
        """
        msg = (
            f"{self.name}: PostHog's query API was asked for rows {asked}, and answered with "
            "others, or not in the order that was asked for. Nothing of this page was loaded. Run "
            "it again; if it persists, open an issue with this line and PostHog's version."
        )
        raise TapError(msg)


class HogQLSpanStream(HogQLStream, SpanStream):
    """A table of what happened, by time."""

    #: How many rows to ask for, and at most; how much time a query spans. Found out by asking.
    _limit = 0
    _most_rows = 0
    _length = timedelta()
    _answers = 0

    def read_span(self, span: Span, project: int) -> Iterator[list[Record]]:
        """Read a window, in parts where PostHog finds it too large.

        PostHog cuts pages off at a size that it does not tell, and that may change: only an empty
        page tells that there is no more.

        Args:
            span: What to read.
            project: Of which project.

        Yields:
            Pages.
        """
        # A dry run wants one record.
        self._most_rows = self._most_rows or self.ABORT_AT_RECORD_COUNT or self._largest
        self._limit = self._limit or min(self._most_rows, _FIRST_PAGE)
        self._length = self._length or self._widest
        begin, after = span.begin, None
        while begin < span.end:
            part = Span(begin, min(span.end, begin + self._length))
            self._may_split = not part.is_smallest or self._limit > _SMALLEST_PAGE
            try:
                page = self._page(part, project, after)
            except QueryTooLargeError as error:
                if not self._may_split:
                    raise
                self._ask_for_less(part, error)
                continue
            self._ask_for_more(page)
            if page:
                after = self._checked(page, part, after)
                begin = datetime.fromisoformat(after.moment)
                # From here on its rows are another thread's, which changes them.
                yield page
            else:
                begin = part.end

    @property
    def _widest(self) -> timedelta:
        return timedelta(hours=float(self.config["window_hours"]))

    @property
    def _largest(self) -> int:
        return int(self.config["page_size"])

    def _page(self, span: Span, project: int, after: Place | None) -> list[Record]:
        key = str(self.replication_key)
        time = self._expression(key)
        begin = "toDateTime64({begin}, 6, 'UTC')"
        conditions = f"{time} >= {begin} AND {time} < toDateTime64({{end}}, 6, 'UTC')"
        values = {"begin": literal(span.begin), "end": literal(span.end)}
        compared = [self._compared(name) for name in self._ties]
        if after and after.moment == utc_isoformat(span.begin):
            parameters = [self._parameter(*one) for one in enumerate(self._ties)]
            further, more_values = behind(compared, parameters, self._literals(after))
            values |= more_values
            conditions += f" AND ({time} > {begin} OR {further})"
        more, more_values = self.more_conditions(span)
        order = ", ".join([time, *compared])
        page = self.rows(
            project, conditions + more, order, **values, **more_values, limit=self._limit
        )
        read = {key, "timestamp"} & {*self.columns()}
        for row in page:
            for name in read:
                row[name] = to_utc(row[name])
        return page

    @property
    def _ties(self) -> list[str]:
        return [name for name in self.ties if name != self.replication_key]

    def _expression(self, column: str) -> str:
        name = self.expressions.get(column, column)
        return f"`{name}`" if name.startswith("$") else name

    def _compared(self, tie: str) -> str:
        name = self._expression(tie)
        return f"toString({name})" if tie == self.ties[0] else name

    def _parameter(self, number: int, tie: str) -> str:
        value = f"{{after_{number}}}"
        return f"toDateTime64({value}, 6, 'UTC')" if tie in self.moments else value

    def _literals(self, after: Place) -> list[str]:
        return [
            literal(datetime.fromisoformat(value or _EARLIEST)) if tie in self.moments else value
            for tie, value in zip(self._ties, after.ties, strict=True)
        ]

    def more_conditions(self, span: Span) -> tuple[str, dict[str, str]]:  # noqa: ARG002
        """What else rows must be like, and what its placeholders stand for."""
        return "", {}

    def _checked(self, page: list[Record], part: Span, after: Place | None) -> Place:
        """The last row's place, if all rows are of that time and in order; else some would be lost.

        Args:
            page: What PostHog answered.
            part: The time that was asked for.
            after: The place that was asked for.

        Raises:
            TapError: If a row is somewhere else.
        """
        key, identifier = str(self.replication_key), self.ties[0]
        begin, end = utc_isoformat(part.begin), utc_isoformat(part.end)
        reached = (after.moment, after.ties[0]) if after else (begin, "")
        for row in page:
            # Ids as text; what follows them in the order only PostHog compares. The same row may
            # be there twice, until ClickHouse has merged its parts.
            place = (row[key], str(row[identifier]))
            if not reached <= place or place[0] >= end:
                self.refuse_rows(f"from {part}")
            reached = place
        last = place_of(page[-1], key, self._ties)
        if last == after:
            self.refuse_rows(f"from {part}, behind the page before")
        return last

    # What suits one page suits the next: PostHog would need its time to refuse each of them.

    def _ask_for_less(self, part: Span, error: QueryTooLargeError) -> None:
        self._answers = 0
        if part.is_smallest:
            self._most_rows = self._limit = max(_SMALLEST_PAGE, self._limit // 4)
            self.logger.warning("%s; asking for %d rows at once", error, self._limit)
        else:
            self._length = (part.end - part.begin) / 2
            self.logger.warning("%s; reading %s at once", error, self._length)

    def _ask_for_more(self, page: list[Record]) -> None:
        """As many rows as make an answer of bearable size; as much time as was once too much."""
        self._answers += 1
        most = self.ABORT_AT_RECORD_COUNT or self._largest
        if self._answers % _TRY_MORE_AFTER == 0:
            self._length = min(self._length * 2, self._widest)
            self._most_rows = min(self._most_rows * 4, most)
        size = sum(len(value) for row in page for value in row.values() if value.__class__ is str)
        fitting = len(page) * _PAGE_BYTES // max(size, 1) if page else self._limit
        wanted = min(self._most_rows, fitting, self._limit * _GROWTH)
        self._limit = max(min(_SMALLEST_PAGE, most), wanted)


def literal(moment: datetime) -> str:
    """A moment for ``toDateTime64(..., 6, 'UTC')``: without a zone it would be the project's."""
    return utc_isoformat(moment).replace("T", " ").removesuffix("Z")
