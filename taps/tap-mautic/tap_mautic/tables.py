"""How tables of statistics are read: by id and date, or by the columns of their key.

https://devdocs.mautic.org/en/latest/rest_api/stats.html; all values come as text, in UTC.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import FULL_TABLE, Loading
from tap_mautic.client import MauticStream
from tap_mautic.queries import MOST_NAMED, Is, moment, order
from tap_mautic.sweeps import Sweep, SweptStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record


_PATH = "/api/stats/{}"
_DAY = timedelta(days=1)
#: In place of a condition: rows of contacts into whom others were merged.
_MOVED = Is("lead_id", "in")
_KEY = "stats"
#: These rows are small: so many times as many as of contacts.
_FACTOR = 5
_TEXT_IDS = frozenset({"tracking_id", "message_id", "copy_id"})
_GONE = "Empty: Mautic has it no more since version 3"
#: Columns that not every Mautic has.
_SOME_VERSIONS = {
    "copy_id": "Which text was sent, if Mautic keeps it",
    "group_id": "From Mautic 5 on",
}
_FLAGS = re.compile(
    r"is_\w+|manually_\w+|viewed_in_browser|system_triggered|non_action_path_taken|preferred_\w+"
)
_MOMENTS = re.compile(r"date_\w+|\w+_date|last_(opened|clicked|exited|sent)")
_WHOLES = re.compile(
    r"id|\w+_id|\w*_count|\w*hits|\w+_by|delta|rotation|reason|code|status_code|duration|"
    r"time_watched|object_id|frequency_number"
)


def _type(column: str) -> Any:
    if column in _TEXT_IDS:
        return th.StringType
    if _FLAGS.fullmatch(column):
        return th.BooleanType
    if _MOMENTS.fullmatch(column):
        return th.DateTimeType
    if _WHOLES.fullmatch(column):
        return th.IntegerType
    return th.NumberType if column == "runtime" else th.StringType


def columns(names: str, *, texts: str = "", gone: str = "") -> dict[str, Any]:
    """A schema of columns by their names: the first ones are the key.

    Args:
        names: Of the key, a semicolon, and all others.
        texts: Those that are text, whatever their name says.
        gone: Those that newer versions do not have.
    """
    key, _, rest = names.partition(";")
    return th.PropertiesList(
        *(
            th.Property(
                name,
                th.StringType if name in texts.split() else _type(name),
                required=name in key.split(),
                description=_GONE if name in gone.split() else _SOME_VERSIONS.get(name),
            )
            for name in f"{key} {rest}".split()
        )
    ).to_dict()


class _TableStream(MauticStream):
    """A table of statistics."""

    key = _KEY
    page_factor = _FACTOR

    @cached_property
    def _nulls(self) -> Record:
        names = [name for name in self.schema["properties"] if not name.startswith("_")]
        return dict.fromkeys(names)

    @override
    def cleaned(self, row: Record) -> Record:
        # With all of its columns: Mautic leaves those out that are null.
        return self._nulls | row


class StatsStream(_TableStream, SweptStream):
    """A table that grows, and whose rows may change for a while."""

    primary_keys = ("id",)
    #: Columns by which new and changed rows are found: each is looked through by itself.
    dates: ClassVar[tuple[str, ...]]
    #: Days in which rows change without a date.
    changes_for: ClassVar[int] = 1
    #: What rows must be like.
    conditions: ClassVar[tuple[Is, ...]] = ()
    table: ClassVar[str] = ""
    #: Whether Mautic moves rows to another contact where contacts are merged: that has no date.
    moves: ClassVar[bool] = False

    @property
    @override
    def loading(self) -> Loading:  # type: ignore[override]
        if self.replaces:
            return FULL_TABLE
        days = f"{self.changes_for} days" if self.changes_for > 1 else "day"
        dated = " or ".join(f"`{name}`" for name in self.dates)
        found = f"Rows of the last {days}, by {dated}; changes of older rows have no date"
        moved = "; rows of contacts that were merged" if self.moves else ""
        return Loading(
            f"Incremental by `id`; rows of the last {days} are read again", f"{found}{moved}"
        )

    @property
    def path(self) -> str:  # type: ignore[override]
        """Below the base."""
        return _PATH.format(self.table or self.name)

    @override
    def _planned(self, sweep: Sweep) -> list[Sequence[Is]]:
        planned = super()._planned(sweep)
        if not (self.moves and sweep.since):
            return planned
        # Of a day, however long a run took: it costs no more than the rows of these contacts.
        since = datetime.fromisoformat(sweep.since) + self.lookback - _DAY
        self._winners = self._tap.winners(self, since)
        if not self._winners:
            return planned
        start = self._tap.start
        from_start = (Is(self.dates[0], "gte", moment(start)),) if start else ()
        # After all others, whose numbers are in the state; in no state itself.
        return [*planned, (_MOVED, *from_start, self._up_to(sweep.until))]

    #: Contacts to whom rows were moved.
    _winners: Sequence[int] = ()

    @property
    @override
    def lookback(self) -> timedelta:
        return max(timedelta(days=self.changes_for), super().lookback)

    @override
    def steps(self, since: datetime | None) -> Sequence[Sequence[Is]]:
        first = since or self._tap.start
        dates = self.dates if since else self.dates[:1]
        if first is None:
            return [()]
        return [(Is(name, "gte", moment(first)),) for name in dates]

    @override
    def in_order(self, way: str = "ASC") -> dict[str, str]:
        return order(["id"], way)

    @override
    def read_step(self, conditions: Sequence[Is], after: int) -> Iterator[list[Record]]:
        conditions = (*conditions, *self.conditions)
        if _MOVED not in conditions:
            yield from super().read_step(conditions, after)
            return
        others = [one for one in conditions if one != _MOVED]
        # Each part from its beginning, also after a stop: ids of rows go on with no part.
        for first in range(0, len(self._winners), MOST_NAMED):
            named = ",".join(map(str, self._winners[first : first + MOST_NAMED]))
            yield from super().read_step([Is("lead_id", "in", named), *others], 0)


class PairStream(_TableStream):
    """A table without an id, whole each time: rows that end there are gone."""

    # Whole tables, which may have a row for each contact and each segment.
    selected_by_default = False

    @property
    def path(self) -> str:  # type: ignore[override]
        """Below the base."""
        return _PATH.format(self.name)

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        for rows in self._in_order():
            yield from rows

    def _in_order(self) -> Iterator[list[Record]]:
        """Read rows in order of their key, whatever comes and goes.

        After a page: what shares all but the last column of the key with its last row, then all
        but the last two, and so on. Each is a plain condition: how Mautic nests them is not sure.
        """
        names = self.record_keys
        rows = self._ask(())
        while rows:
            last = [str(rows[-1][name]) for name in names]
            yield rows
            for depth in reversed(range(len(names))):
                same = (
                    Is(name, "eq", value) for name, value in zip(names[:depth], last, strict=False)
                )
                if rows := self._ask((*same, Is(names[depth], "gt", last[depth]))):
                    break
            # Else it would begin anew, and never end.
            for row in rows:
                key = [str(row[name]) for name in names]
                if key == last or key[:depth] != last[:depth]:
                    raise self.unfiltered(dict(zip(names, last, strict=True)), row)

    def _ask(self, conditions: Sequence[Is]) -> list[Record]:
        return self.ask(self.path, self.key, order(self.record_keys), conditions)
