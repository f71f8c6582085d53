"""Queries in HogQL, paged by keyset: https://posthog.com/docs/api/queries.

Personal keys may not use OFFSET, and a condition on the time alone loses what shares a moment with
a page's last row. So rows are sorted by the time and, within a moment, by their id as text:
ClickHouse compares UUIDs by their second half first, and text the same wherever it is compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from signalroom_singer import RefusedError, TapError, to_utc, utc_isoformat
from tap_posthog.client import QUERY, PostHogStream, QueryTooLargeError, named_rows
from tap_posthog.spans import Span, SpanStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Record

_PAGE_BYTES = 16 << 20
#: How large events are is not known before the first page: they may be of a megabyte each.
_FIRST_PAGE, _GROWTH = 250, 8
_SMALLEST_PAGE = 100


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row is in the order of all."""

    moment: str
    identifier: str


class HogQLStream(PostHogStream):
    """A stream that is a table of HogQL's."""

    path = QUERY
    #: The table.
    table: str
    #: The column that tells rows of one moment apart: a UUID.
    id_column: str
    #: How the table calls columns that have another name there.
    expressions: dict[str, str] = {}  # noqa: RUF012 - a declaration

    def columns(self) -> list[str]:
        """The columns to read: those that are selected, and that this PostHog has."""
        return [name for name in self._chosen if name not in self._missing]

    @cached_property
    def _chosen(self) -> tuple[str, ...]:
        ours = {"project_id", "_client_id", "_loaded_at", "_extra"}
        return tuple(
            name
            for name in [*self.schema["properties"]]
            if name not in ours and (name in self.record_keys or self.mask[("properties", name)])
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
        text = (
            f"SELECT {self.selected_columns()} FROM {self.table} WHERE {conditions} "  # noqa: S608
            f"ORDER BY {order} LIMIT {limit}"
        )
        columns = self.columns()
        try:
            return [*named_rows(self.query(project, text, values), columns)]
        except RefusedError as error:
            if error.status != HTTPStatus.BAD_REQUEST or not self._leave_out(columns, str(error)):
                raise
        return self.rows(project, conditions, order, **values, limit=limit)

    def _leave_out(self, columns: list[str], message: str) -> bool:
        """Do without a column that an older PostHog does not know; says whether there is one."""
        needed = {*self.record_keys, self.replication_key}
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


class HogQLSpanStream(HogQLStream, SpanStream):
    """A table of what happened, by time."""

    _largest_page = 0
    _limit = 0

    def read_span(self, span: Span, project: int) -> Iterator[list[Record]]:
        """Read a window, in parts where PostHog finds it too large.

        Args:
            span: What to read.
            project: Of which project.

        Yields:
            Pages.
        """
        # A dry run wants one record.
        most = self.ABORT_AT_RECORD_COUNT or int(self.config["page_size"])
        self._limit = self._limit or min(most, _FIRST_PAGE)
        spans, after = [span], None
        while spans:
            here = spans.pop(0)
            while True:
                left = _left(here, after)
                self._may_split = not left.is_smallest or self._limit > _SMALLEST_PAGE
                try:
                    page = self._page(left, project, after)
                except QueryTooLargeError as error:
                    if not self._may_split:
                        raise
                    here = self._smaller(left, spans, error)
                    continue
                is_last = self._is_last(len(page))
                if not is_last:
                    self._fit(page, most)
                if page:
                    after = self._checked(page, after)
                    # From here on its rows are another thread's, which changes them.
                    yield page
                if is_last:
                    break

    def _page(self, span: Span, project: int, after: Place | None) -> list[Record]:
        key = str(self.replication_key)
        time = self.expressions.get(key, key)
        time = f"`{time}`" if time.startswith("$") else time
        begin = "toDateTime64({begin}, 6, 'UTC')"
        conditions = f"{time} >= {begin} AND {time} < toDateTime64({{end}}, 6, 'UTC')"
        values = {"begin": literal(span.begin), "end": literal(span.end)}
        if after and after.moment == utc_isoformat(span.begin):
            values["after"] = after.identifier
            conditions += f" AND ({time} > {begin} OR toString({self.id_column}) > {{after}})"
        more, more_values = self.more_conditions(span)
        order = f"{time}, toString({self.id_column})"
        page = self.rows(
            project, conditions + more, order, **values, **more_values, limit=self._limit
        )
        for row in page:
            row[key] = to_utc(row[key])
        return page

    def more_conditions(self, span: Span) -> tuple[str, dict[str, str]]:  # noqa: ARG002
        """What else rows must be like, and what its placeholders stand for."""
        return "", {}

    def _checked(self, page: list[Record], after: Place | None) -> Place:
        """The last row's place, if all rows are in order; else some would be lost, or never end."""
        key = str(self.replication_key)
        for row in page:
            place = Place(str(row[key]), str(row[self.id_column]))
            # The same row may be there twice, until ClickHouse has merged its parts.
            if after and place < after:
                msg = (
                    f"{self.name}: PostHog's rows are not in the order that was asked for, at "
                    f"{self.id_column} {place.identifier}. Nothing after {after.moment} was "
                    "loaded; the bookmark is there. Please report this with PostHog's version."
                )
                raise TapError(msg)
            after = place
        if after is None:
            msg = "a page without rows has no place"
            raise ValueError(msg)
        return after

    def _is_last(self, count: int) -> bool:
        """Whether a page of so many rows is a window's last.

        PostHog cuts pages off at a size that it does not tell. A page that is smaller than another
        was not cut; else only an empty one tells that there is no more.
        """
        if count < min(self._largest_page, self._limit):
            return True
        self._largest_page = max(self._largest_page, count)
        return count == 0

    def _smaller(self, span: Span, spans: list[Span], error: QueryTooLargeError) -> Span:
        if span.is_smallest:
            self._limit = max(_SMALLEST_PAGE, self._limit // 4)
            self.logger.warning("%s; asking for %d rows at once", error, self._limit)
            return span
        first, second = span.halves()
        spans.insert(0, second)
        self.logger.warning("%s; reading %s by itself", error, first)
        return first

    def _fit(self, page: list[Record], most: int) -> None:
        """Ask for as many rows as make an answer of bearable size."""
        size = sum(len(value) for row in page for value in row.values() if value.__class__ is str)
        fitting = len(page) * _PAGE_BYTES // max(size, 1)
        wanted = min(most, fitting, self._limit * _GROWTH)
        self._limit = max(min(_SMALLEST_PAGE, most), wanted)


def _left(span: Span, after: Place | None) -> Span:
    """What is left of a window after a row."""
    if after is None or after.moment < utc_isoformat(span.begin):
        return span
    return Span(datetime.fromisoformat(after.moment), span.end)


def literal(moment: datetime) -> str:
    """A moment for ``toDateTime64(..., 6, 'UTC')``: without a zone it would be the project's."""
    return utc_isoformat(moment).replace("T", " ").removesuffix("Z")
