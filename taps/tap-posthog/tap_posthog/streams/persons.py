"""Persons: all at once, or by ranges of their creation where that is too much for PostHog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import msgspec
from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import AdaptiveLimit, TapError
from tap_posthog.client import QueryTooLargeError
from tap_posthog.query_size import SMALLEST_PAGE, SUCCESSES_TO_GROW
from tap_posthog.streams._base import PROJECT_ID
from tap_posthog.streams._hogql_base import HogQLStream, time_literal
from tap_posthog.time_windows import SHORTEST, TimeWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

#: ClickHouse has no earlier times; the oldest range has no bound all the same.
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
#: PostHog does not return persons with a later time of creation than in a day.
_AHEAD = timedelta(days=1)
#: The length of ranges after all persons at once were too many.
_FIRST_LENGTH = timedelta(days=365)
#: A range with less than one person in ten of those that one query can bear is too short.
_SPARSE = 10


class CreationRanges:
    """Ranges of creation times that are still to be read, each as long as PostHog can bear.

    Args:
        now: The current time.
    """

    def __init__(self, now: datetime) -> None:
        #: All times: its ends are open, as nothing is expected beyond them.
        self.all_times = TimeWindow(_EARLIEST, now + _AHEAD)
        #: The length of ranges, at most all times at once.
        self.length = AdaptiveLimit(
            self.all_times.length, smallest=SHORTEST, divisor=2, successes=SUCCESSES_TO_GROW
        )
        # Each with the id up to which it was read, the newest one last.
        self._pending = [(self.all_times, "")]
        # The most persons of a range that was fast enough, and how many the current one has.
        self._most_persons = self._persons = 0

    def __bool__(self) -> bool:
        return bool(self._pending)

    def take(self) -> tuple[TimeWindow, str]:
        """Take the newest range, or its newest part if it is too long, and the id to read after."""
        newest, after = self._pending.pop()
        if newest.length <= self.length.value:
            return newest, after
        middle = newest.end - self.length.value
        self._pending.append((TimeWindow(newest.begin, middle), after))
        return TimeWindow(middle, newest.end), after

    def put_back(self, window: TimeWindow, after: str) -> None:
        """Note that a range has to be read again, or further.

        Args:
            window: The range that was taken last.
            after: The id up to which it was read.
        """
        self._pending.append((window, after))

    def shrink(self, window: TimeWindow) -> None:
        """Use shorter ranges after a query that was too large.

        Args:
            window: The range of that query.
        """
        self._persons = 0
        is_first = window == self.all_times
        length = min(self.length.value, window.length)
        self.length.shrink(2 * _FIRST_LENGTH if is_first else length)

    def note_page(self, persons: int) -> None:
        """Use longer ranges where few persons are in them, or after a while.

        Args:
            persons: The number of persons of a response; 0 ends a range.
        """
        self.length.note_success()
        self._persons += persons
        if persons:
            return
        if self._persons * _SPARSE <= self._most_persons:
            self.length.grow()
        self._most_persons = max(self._most_persons, self._persons)
        self._persons = 0


class Persons(HogQLStream):
    """Persons, all of them in each run, as PostHog does not say which were changed.

    PostHog merges all versions of all persons that match a query, and only then sorts and
    limits them (posthog/hogql/database/schema/persons.py): smaller pages are not faster, but a
    condition on ``created_at`` is. So where all at once is too slow, ranges of it are read, which
    are halved until they are fast enough; within a range the order is that of the ids.

    Merging two persons leaves the older ``created_at`` of both, so persons only ever move to older
    ranges. The newest range is read first: a person who moves meanwhile is read twice, never
    missed.
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

    @override
    def read_project(self, project: int, context: Context | None) -> Iterator[Record]:
        rows = AdaptiveLimit(
            self.ABORT_AT_RECORD_COUNT or int(self.config["page_size"]), smallest=SMALLEST_PAGE
        )
        ranges = CreationRanges(datetime.now(UTC))
        while ranges:
            window, after = ranges.take()
            may_shrink = not (window.is_shortest and rows.is_smallest)
            conditions, values = self._conditions(window, after, ranges.all_times)
            try:
                page = self.request_rows(
                    project,
                    conditions,
                    "toString(id)",
                    limit=rows.value,
                    may_shrink=may_shrink,
                    **values,
                )
            except QueryTooLargeError as error:
                if not may_shrink:
                    self._give_up(error, rows.value)
                if window.is_shortest:
                    rows.shrink()
                else:
                    ranges.shrink(window)
                self.logger.warning(
                    "%s; reading persons that were created within %s at once",
                    *(error, ranges.length.value),
                )
                ranges.put_back(window, after)
                continue
            ranges.note_page(len(page))
            if page:
                # The last id now: the rows are changed once they are emitted.
                ranges.put_back(window, self._last_id(page, after))
                yield from page

    @staticmethod
    def _conditions(
        window: TimeWindow, after: str, all_times: TimeWindow
    ) -> tuple[str, dict[str, str]]:
        """The WHERE clause of a range, and the values of its placeholders."""
        conditions, values = ["toString(id) > {after}"], {"after": after}
        if window.begin > all_times.begin:
            conditions.append("created_at >= toDateTime64({begin}, 6, 'UTC')")
            values["begin"] = time_literal(window.begin)
        if window.end < all_times.end:
            conditions.append("created_at < toDateTime64({end}, 6, 'UTC')")
            values["end"] = time_literal(window.end)
        return " AND ".join(conditions), values

    def _last_id(self, page: list[Record], after: str) -> str:
        """The last id of a page, which must be in order: otherwise some would be lost."""
        previous = after
        for row in page:
            if str(row["id"]) < previous:
                self.reject_rows("by their ids")
            previous = str(row["id"])
        return previous

    def _give_up(self, error: QueryTooLargeError, rows: int) -> NoReturn:
        msg = (
            f"{error}. PostHog is too slow even for {rows} persons of one second; the table "
            "is as it was. Run it again when PostHog is less busy, or deselect persons and load "
            "them with a batch export (https://posthog.com/docs/cdp/batch-exports)."
        )
        raise TapError(msg) from None

    @override
    def clean(self, row: Record) -> Record:
        if (text := row.get("properties")).__class__ is str:
            try:
                row["properties"] = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeError):
                return row
        return row
