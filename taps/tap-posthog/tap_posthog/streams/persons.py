"""Persons: all at once, or by when they were created, where that is too much for PostHog."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import msgspec
from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import TapError
from tap_posthog.client import PROJECT_ID, QueryTooLargeError, project_of
from tap_posthog.hogql import HogQLStream, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

#: ClickHouse has no earlier moments; the oldest range has no bound all the same.
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
#: PostHog shows nobody who was created later than in a day.
_AHEAD = timedelta(days=1)
_FIRST_LENGTH, _SMALLEST_LENGTH = timedelta(days=365), timedelta(seconds=1)
_SMALLEST_PAGE = 100
#: A range with so small a part of the persons that one query could bear is too short.
_SPARSE = 10
#: After so many answers, what was too slow once is tried again: the day's peak may be over.
_TRY_MORE_AFTER = 32


@dataclass(frozen=True, slots=True)
class Created:
    """Those who were created from a moment on, before another; behind an id in order.

    Attributes:
        begin: Included; none if there is no such bound.
        end: Not included, likewise.
        after: Up to this id they were read.
    """

    begin: datetime | None = None
    end: datetime | None = None
    after: str = ""


class Persons(HogQLStream):
    """Persons; whole each time, as nothing tells which were changed.

    PostHog puts all versions of all persons together that match a query, and only then sorts and
    limits them (posthog/hogql/database/schema/persons.py): smaller pages are not faster, but a
    condition on ``created_at`` is. So where all at once is too slow, ranges of it are read, which
    are halved until they are fast enough; within a range the order is that of the ids.

    Merging two persons leaves the older ``created_at`` of both, so persons only ever move to older
    ranges. The newest range is read first: who moves meanwhile is read twice, never missed.
    """

    name = "persons"
    table = "persons"
    ties = ("id",)
    primary_keys = ("id",)
    selected_by_default = False
    state_partitioning_keys = ()
    personal_fields = HogQLStream.personal_fields | {"properties"}
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("created_at", th.DateTimeType),
        th.Property("properties", th.ObjectType(additional_properties=True)),
        th.Property("is_identified", th.BooleanType),
        PROJECT_ID,
    ).to_dict()

    #: How many rows to ask for, and how long ranges are; without a length all is one range.
    _limit = 0
    _length: timedelta | None = None
    _latest = _EARLIEST
    #: The most persons of a range that was fast enough, and how many the current one has.
    _bearable = 0
    _rows = 0
    _answers = 0

    @override
    def read_project(self, context: Context | None) -> Iterator[Record]:
        project = project_of(context)
        self._limit = self.ABORT_AT_RECORD_COUNT or int(self.config["page_size"])
        self._length, self._latest = None, datetime.now(UTC) + _AHEAD
        self._bearable = self._rows = self._answers = 0
        pending = [Created()]
        while pending:
            part = self._next(pending)
            self._may_split = self._span(part) > _SMALLEST_LENGTH or self._limit > _SMALLEST_PAGE
            try:
                page = self._page(part, project)
            except QueryTooLargeError as error:
                if not self._may_split:
                    self._give_up(error)
                self._ask_for_less(part, error)
                pending.append(part)
                continue
            self._ask_for_more(page)
            if page:
                # The last id now: whoever takes the rows changes them.
                pending.append(replace(part, after=self._last(page, part)))
                yield from page

    def _next(self, pending: list[Created]) -> Created:
        """Take the newest range; of one that is too long only its newest part."""
        whole = pending.pop()
        if self._length is None or self._span(whole) <= self._length:
            return whole
        cut = (whole.end or self._latest) - self._length
        pending.append(replace(whole, end=cut))
        return replace(whole, begin=cut)

    def _span(self, part: Created) -> timedelta:
        return (part.end or self._latest) - (part.begin or _EARLIEST)

    def _page(self, part: Created, project: int) -> list[Record]:
        conditions, values = ["toString(id) > {after}"], {"after": part.after}
        if part.begin:
            conditions.append("created_at >= toDateTime64({begin}, 6, 'UTC')")
            values["begin"] = literal(part.begin)
        if part.end:
            conditions.append("created_at < toDateTime64({end}, 6, 'UTC')")
            values["end"] = literal(part.end)
        where = " AND ".join(conditions)
        return self.rows(project, where, "toString(id)", **values, limit=self._limit)

    def _last(self, page: list[Record], part: Created) -> str:
        """The last id of a page in order; out of order, some would be lost."""
        reached = part.after
        for row in page:
            if str(row["id"]) < reached:
                self.refuse_rows("by their ids")
            reached = str(row["id"])
        return reached

    def _ask_for_less(self, part: Created, error: QueryTooLargeError) -> None:
        self._answers = self._rows = 0
        if self._length is None:
            self._length = _FIRST_LENGTH
        elif self._span(part) > _SMALLEST_LENGTH:
            self._length = max(_SMALLEST_LENGTH, min(self._length, self._span(part)) / 2)
        else:
            self._limit = max(_SMALLEST_PAGE, self._limit // 4)
        self.logger.warning(
            "%s; reading persons that were created within %s at once", error, self._length
        )

    def _ask_for_more(self, page: list[Record]) -> None:
        """Longer ranges, where few persons are in them, or after a while."""
        self._answers += 1
        self._rows += len(page)
        if page or self._length is None:
            return
        if self._rows * _SPARSE <= self._bearable or self._answers >= _TRY_MORE_AFTER:
            self._answers = 0
            self._length *= 2
        self._bearable = max(self._bearable, self._rows)
        self._rows = 0

    def _give_up(self, error: QueryTooLargeError) -> NoReturn:
        msg = (
            f"{error}. PostHog is too slow even for {self._limit} persons of one second; the table "
            "is as it was. Run it again when PostHog is less busy, or deselect persons and load "
            "them with a batch export (https://posthog.com/docs/cdp/batch-exports)."
        )
        raise TapError(msg) from None

    @override
    def cleaned(self, row: Record) -> Record:
        if (text := row.get("properties")).__class__ is str:
            try:
                row["properties"] = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeError):
                return row
        return row
