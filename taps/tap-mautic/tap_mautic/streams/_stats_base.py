"""The bases of tables of statistics: read by id and date, or by the columns of their key.

https://devdocs.mautic.org/en/latest/rest_api/stats.html; all values come as text, in UTC.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import FULL_TABLE, Loading, parse_midnight_setting
from tap_mautic.queries import STATS_KEY, STATS_PATH, Condition, mysql_datetime, sort_stats
from tap_mautic.streams._base import MauticStream
from tap_mautic.streams._keyset_scan import Lookup, ScannedStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer import SignalRoomTap
    from tap_mautic.client import MauticClient

#: Rows of statistics are small: a page has this many times as many as one of contacts.
_PAGE_FACTOR = 5
_TEXT_IDS = frozenset({"tracking_id", "message_id", "copy_id"})
_DROPPED = "Always empty: removed in Mautic 3"
#: Descriptions of columns that not every Mautic has.
_VERSION_NOTES = {
    "copy_id": "Which text was sent, if Mautic keeps it",
    "group_id": "From Mautic 5 on",
}
_FLAGS = re.compile(
    r"is_\w+|manually_\w+|viewed_in_browser|system_triggered|non_action_path_taken|preferred_\w+"
)
_TIMES = re.compile(r"date_\w+|\w+_date|last_(opened|clicked|exited|sent)")
_INTEGERS = re.compile(
    r"id|\w+_id|\w*_count|\w*hits|\w+_by|delta|rotation|reason|code|status_code|duration|"
    r"time_watched|object_id|frequency_number"
)


def _column_type(column: str) -> Any:
    if column in _TEXT_IDS:
        return th.StringType
    if _FLAGS.fullmatch(column):
        return th.BooleanType
    if _TIMES.fullmatch(column):
        return th.DateTimeType
    if _INTEGERS.fullmatch(column):
        return th.IntegerType
    return th.NumberType if column == "runtime" else th.StringType


def stats_schema(names: str, *, texts: str = "", dropped: str = "") -> dict[str, Any]:
    """Make a schema of columns; their names tell their types.

    Args:
        names: The columns of the key, a semicolon, and all other columns.
        texts: The columns that are text, whatever their name says.
        dropped: The columns that newer versions do not have.
    """
    key, _, rest = names.partition(";")
    return th.PropertiesList(
        *(
            th.Property(
                name,
                th.StringType if name in texts.split() else _column_type(name),
                required=name in key.split(),
                description=_DROPPED if name in dropped.split() else _VERSION_NOTES.get(name),
            )
            for name in f"{key} {rest}".split()
        )
    ).to_dict()


class _TableStream(MauticStream):
    """A table of statistics."""

    key = STATS_KEY
    page_factor = _PAGE_FACTOR
    # There are many, and most are large.
    selected_by_default = False
    #: The name of the table, where it is not that of the stream.
    table: ClassVar[str] = ""

    def __init__(self, tap: SignalRoomTap, client: MauticClient) -> None:
        """Initialize the stream with the path of its table.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.
        """
        super().__init__(tap, client)
        self.path = f"{STATS_PATH}{self.table or self.name}"

    @cached_property
    def _nulls(self) -> Record:
        names = [name for name in self.schema["properties"] if not name.startswith("_")]
        return dict.fromkeys(names)

    @override
    def clean(self, row: Record) -> Record:
        # With all columns: Mautic leaves out those that are null.
        return self._nulls | row


class StatsStream(_TableStream, ScannedStream):
    """A table that grows, and whose rows may change for a while."""

    primary_keys = ("id",)
    #: Columns by which new and changed rows are found: there is a step for each, and the first is
    #: the replication key. Without any, all rows are read each time.
    dates: ClassVar[tuple[str, ...]] = ("date_added",)
    #: Whether rows get the first of these dates when they are added, and keep it.
    first_date_is_fixed: ClassVar[bool] = True
    #: Days in which rows change without a date.
    changes_for: ClassVar[int] = 1
    #: The conditions that all rows must meet.
    conditions: ClassVar[tuple[Condition, ...]] = ()
    #: Whether rows move to another contact if contacts are merged: no date says so.
    moves: ClassVar[bool] = False
    #: Whether Mautic deletes rows with their contact (`CASCADE` in its entity); it empties their
    #: `lead_id` otherwise, and the rows stay.
    goes_with_contact: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.dates:
            cls.replication_key = cls.dates[0]  # type: ignore[assignment, method-assign]

    @property
    @override
    def loading(self) -> Loading:  # type: ignore[override]
        if self.is_full_refresh:
            return FULL_TABLE
        days = f"{self.changes_for} days" if self.changes_for > 1 else "day"
        dated = " or ".join(f"`{name}`" for name in self.dates)
        changes = f"Rows of the last {days}, by {dated}; changes of older rows have no date"
        moves = "; rows of contacts that were merged" if self.moves else ""
        return Loading(
            f"Incremental by `id`; rows of the last {days} are read again",
            f"{changes}{moves}",
            self._describe_deleted(days),
        )

    def _describe_deleted(self, days: str) -> str:
        if self.keeps_vanished:
            return "They stay in the table"
        removed = [f"Those of the last {days}"] if self.fixed_date else []
        removed += ["those of deleted contacts"] if self.goes_with_contact else []
        text = " and ".join(removed)
        return f"{text[:1].upper()}{text[1:]} are removed; others stay"

    @property
    def start(self) -> datetime | None:
        """The time of the first rows that are read; None for all."""
        return parse_midnight_setting(self.config, "start_date")

    @property
    @override
    def fixed_date(self) -> str | None:
        return self.dates[0] if self.dates and self.first_date_is_fixed else None

    @property
    @override
    def scope_columns(self) -> Sequence[str]:
        columns = super().scope_columns
        return (*columns, "lead_id") if columns and self.goes_with_contact else columns

    @property
    @override
    def lookback(self) -> timedelta:
        return max(timedelta(days=self.changes_for), super().lookback)

    @override
    def plan_lookups(self, since: datetime) -> Iterable[Lookup]:
        if not (self.moves or self.goes_with_contact):
            return
        changes = self.client.request_recent_changes(since)
        start = self.start
        from_start = (Condition(self.dates[0], "gte", mysql_datetime(start)),) if start else ()
        # First rows that moved: they are not gone with the contact that they belonged to. Mautic
        # 5.1 does not move those of all these tables; a newer version may.
        yield Lookup("lead_id", changes.winners_since(since), conditions=from_start)
        if self.goes_with_contact:
            gone = changes.gone_since(since)
            yield Lookup("lead_id", gone, are_gone=True, conditions=from_start)

    @override
    def plan_steps(self, since: datetime | None) -> Sequence[Sequence[Condition]]:
        first = since or self.start
        dates = self.dates if since else self.dates[:1]
        if first is None:
            return [()]
        return [(Condition(name, "gte", mysql_datetime(first)),) for name in dates]

    @override
    def read_step(self, conditions: Sequence[Condition], after: int) -> Iterator[list[Record]]:
        yield from super().read_step((*conditions, *self.conditions), after)


class PairStream(_TableStream):
    """A table without an id, read in full each time: rows that were removed from it are gone."""

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        for rows in self._iter_by_key():
            yield from rows

    def _iter_by_key(self) -> Iterator[list[Record]]:
        """Read rows in the order of their key, whatever is added and removed meanwhile.

        After a page come the rows that share all but the last column of the key with its last row,
        then all but the last two, and so on. Each is a plain condition: how Mautic nests
        conditions is not certain.
        """
        names = self.record_keys
        rows = self._get_rows(())
        while rows:
            last = [str(rows[-1][name]) for name in names]
            yield rows
            for depth in reversed(range(len(names))):
                same = (
                    Condition(name, "eq", value)
                    for name, value in zip(names[:depth], last, strict=False)
                )
                if rows := self._get_rows((*same, Condition(names[depth], "gt", last[depth]))):
                    break
            # Otherwise it would start over, and never end.
            for row in rows:
                key = [str(row[name]) for name in names]
                if key == last or key[:depth] != last[:depth]:
                    after = dict(zip(names, last, strict=True))
                    raise self.client.ignored_filter_error(after, row)

    def _get_rows(self, conditions: Sequence[Condition]) -> list[Record]:
        order = sort_stats(self.record_keys)
        return self.client.get_rows(self.path, self.key, order, conditions)
