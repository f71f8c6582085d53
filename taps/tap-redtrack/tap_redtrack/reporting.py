"""How reports by day are read whole: ``GET /report``."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_singer import DateWindow, Loading, RequestRejectedError, TapError, number_in
from tap_redtrack.metrics import by_conversion_type
from tap_redtrack.paging import Pages, PagingError
from tap_redtrack.sweeping import SweptStream, most_a_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers.types import Record

    from tap_redtrack.client import Answer

REPORT = "/report"
#: RedTrack gives no more rows, whatever ``per`` asks for, and does not say so.
ROW_CLAMP = 1_000
#: Dimensions that have an id, and a filter by it.
ENTITIES = ("campaign", "source", "offer", "landing", "network")
#: In place of the id of what has none: traffic that came from no source, reached no offer.
NONE = "(none)"
_CONTROLLED = ("clicks", "conversions", "cost")
#: Ids in one filter; longer ones may not fit into a URL.
_IDS = 100


class ReportError(TapError):
    """A report is not what was asked for, or not whole."""


class ReportStream(SweptStream):
    """A report by day and other dimensions, keyed by their ids."""

    path = REPORT
    replication_key = "date"
    loading = Loading(
        "Incremental by `date`; the last {stream.lookback_days} days are read again "
        "(`lookback_days`)",
        "Costs and conversions of past days; RedTrack does not say which changed",
        "A combination that has no activity any more keeps its last row",
    )
    dimensions: Sequence[str] = ()
    #: RedTrack does not group by several dimensions at once: a request a day then.
    _day_by_day = False
    _sortable = True

    @property
    @override
    def lookback_days(self) -> int:  # type: ignore[override]
        return int(self.config["lookback_days"])

    @property
    @override
    def capacity(self) -> int:
        return ROW_CLAMP

    @property
    @override
    def longest_days(self) -> int:
        return 1 if self._day_by_day else super().longest_days

    # Asking

    @override
    def ask_window(self, window: DateWindow) -> Answer:
        if self._day_by_day:
            return self._ask_day(window)
        refusal = None
        try:
            answer = self._ask_group(window)
            if self._is_grouped(answer, ("date", *self.dimensions)):
                return answer
        except RequestRejectedError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            refusal = error
        # An account whose reports have one dimension: the day is then said by the window.
        day = DateWindow(window.start, window.start, window.zone)
        self._day_by_day = True
        try:
            answer = self._ask_day(day)
        except (RequestRejectedError, ReportError):
            # It was not the groups, then: what RedTrack said at first says more.
            self._day_by_day = False
            if refusal is None:
                raise
            raise refusal from None
        self.logger.warning(
            "RedTrack does not group by date and %s at once: asking for each day by itself, which "
            "takes many more requests",
            " and ".join(self.dimensions),
        )
        if window.days > 1:
            self.shorten(window, 1)
        return answer

    def _ask_day(self, day: DateWindow) -> Answer:
        answer = self._ask_group(day)
        if self._is_grouped(answer, self.dimensions):
            return answer
        msg = (
            f"{self.name}: {day}: RedTrack ignores a part of group={','.join(self.dimensions)}. "
            "Deselect the stream, or use fewer groups in custom_reports."
        )
        raise ReportError(msg)

    def _ask_group(self, window: DateWindow, **more: Any) -> Answer:
        """A page of the rows themselves; each then has its day."""
        group = self.dimensions if self._day_by_day else ("date", *self.dimensions)
        answer = self._ask(window, group, **more)
        if self._day_by_day:
            for row in answer.rows:
                row["date"] = window.start.isoformat()
        first, last = window.start.isoformat(), window.end.isoformat()
        for row in answer.rows:
            if "date" in row and not first <= str(row["date"])[:10] <= last:
                msg = (
                    f"{self.name}: {window}: RedTrack answered with a row of another day, "
                    "which was not asked for. Nothing was bookmarked; run again later."
                )
                raise ReportError(msg)
        return answer

    def _ask(self, window: DateWindow, group: Sequence[str], **more: Any) -> Answer:
        query = {
            "group": ",".join(group),
            "date_from": window.start.isoformat(),
            "date_to": window.end.isoformat(),
            "timezone": window.zone.key,
            "per": ROW_CLAMP,
            "page": 1,
        }
        return self.ask(REPORT, query | self.filters | more)

    @staticmethod
    def _is_grouped(answer: Answer, dimensions: Sequence[str]) -> bool:
        """Whether rows have their dimensions: one without a source may have no such key."""
        return not answer.rows or all(
            any(name in row or f"{name}_id" in row for row in answer.rows) for name in dimensions
        )

    @override
    def busiest(self, window: DateWindow, answer: Answer) -> float:
        return most_a_day(answer.rows)

    # Rows that are all there

    @override
    def whole(self, window: DateWindow, rows: list[Record]) -> Iterator[list[Record]]:
        found: dict[tuple[Any, ...], Record] = {}
        for row in rows:
            record = self.record_of(row, window)
            key = self._key(record)
            if found.setdefault(key, record) != record:
                msg = (
                    f"{self.name}: {window}: RedTrack gave two different rows for {key}. Nothing "
                    "was bookmarked; run again later."
                )
                raise ReportError(msg)
        yield self.wanted(window, [found[key] for key in sorted(found)])

    def record_of(self, row: dict[str, Any], window: DateWindow) -> Record:
        """A row of a report as a record: the day, each dimension, the metrics."""
        rest = by_conversion_type(row)
        record: Record = {
            "date": str(rest.pop("date", ""))[:10],
            "report_timezone": window.zone.key,
        }
        for name in self.dimensions:
            value = rest.pop(name, None)
            value = "" if value is None else str(value)
            if name in ENTITIES:
                # By names, where there is no id: two rows without one are two rows.
                nameless = f"{NONE} {value}".strip()
                record[f"{name}_id"] = str(rest.pop(f"{name}_id", None) or nameless)
                record[f"{name}_name"] = value or None
            else:
                record[name] = value
        return record | rest

    def wanted(self, window: DateWindow, records: list[Record]) -> list[Record]:  # noqa: ARG002
        """Leave out what is not to be loaded; it was counted in the sums all the same.

        Args:
            window: The days.
            records: What was read of them.
        """
        return records

    def _key(self, record: Record) -> tuple[Any, ...]:
        return tuple(record[name] for name in self.record_keys)

    # Days with more rows than an answer has

    @override
    def paged(self, window: DateWindow, first: Answer) -> Iterator[list[Record]]:
        if len(first.rows) < ROW_CLAMP and not self._ask_group(window, page=2).rows:
            # It only looked like a full page.
            yield from self.whole(window, first.rows)
            return
        sums: dict[tuple[Any, ...], tuple[Decimal, ...]] = {}
        problem = ""
        try:
            for rows in self._pages(window):
                yield self._new(window, rows, sums)
            problem = self._difference(window, sums)
        except PagingError as error:
            problem = str(error)
        if not problem:
            return
        self.logger.warning("%s: %s; reading by ids", window, problem)
        for rows in self._by_ids(window):
            yield self._new(window, rows, sums)
        if problem := self._difference(window, sums):
            self._mismatch(window, problem)

    def _pages(self, window: DateWindow) -> Pages:
        def ask(page: int) -> Answer:
            if self._sortable:
                try:
                    # By what does not change: sorted by clicks, rows move while pages are read.
                    # Without a direction: RedTrack's Swagger has an integer there, its clients
                    # send asc and desc, and either order is as good.
                    return self._ask_group(window, page=page, sortby=self._order)
                except RequestRejectedError as error:
                    if error.status != HTTPStatus.BAD_REQUEST:
                        raise
                    self._sortable = False
            return self._ask_group(window, page=page)

        def key(row: Record) -> tuple[Any, ...]:
            return self._key(self.record_of(row, window))

        what = f"{self.name}: {window}"
        return Pages(ask, key, size=ROW_CLAMP, what=what, logger=self.logger)

    @property
    def _order(self) -> str:
        first = self.dimensions[0]
        return f"{first}_id" if first in ENTITIES else first

    def _new(
        self,
        window: DateWindow,
        rows: list[Record],
        sums: dict[tuple[Any, ...], tuple[Decimal, ...]],
    ) -> list[Record]:
        """Those that were not emitted, or were otherwise."""
        found = []
        for row in rows:
            record = self.record_of(row, window)
            values = tuple(amount(record.get(name)) for name in _CONTROLLED)
            if sums.get(self._key(record)) != values:
                sums[self._key(record)] = values
                found.append(record)
        return self.wanted(window, found)

    def _difference(
        self, window: DateWindow, sums: dict[tuple[Any, ...], tuple[Decimal, ...]]
    ) -> str:
        """What differs between the rows and the same days without other dimensions."""
        days = self._ask(window, ("date",)).rows
        # Each row may be rounded where the sum is not.
        tolerance = Decimal("0.005") * (len(sums) + 1)
        differences = []
        for index, name in enumerate(_CONTROLLED):
            expected = sum((amount(day.get(name)) for day in days), Decimal(0))
            found = sum((values[index] for values in sums.values()), Decimal(0))
            if abs(expected - found) > (tolerance if name == "cost" else 0):
                differences.append(f"{name} {found} in rows, {expected} in the day's report")
        return "; ".join(differences)

    def _mismatch(self, window: DateWindow, problem: str) -> None:
        # What is still being counted differs between two requests.
        if window.end >= self.today():
            self.logger.warning("%s: rows and the day's report differ: %s", window, problem)
            return
        msg = (
            f"{self.name}: {window}: the rows do not add up to RedTrack's own report of the day: "
            f"{problem}. Nothing was bookmarked. Run again later; if it stays, read fewer rows at "
            "once, by campaign_ids, source_ids or offer_ids."
        )
        raise ReportError(msg)

    def _by_ids(self, window: DateWindow) -> Iterator[list[Record]]:
        name = next((name for name in self.dimensions if name in ENTITIES), None)
        if name is None:
            msg = (
                f"{self.name}: {window}: more than {ROW_CLAMP} rows a day, and RedTrack's pages "
                "cannot be trusted. Nothing was bookmarked. Add campaign or source to the group of "
                "this report, so that it can be read in parts."
            )
            raise ReportError(msg)
        given = self.filters.get(f"{name}_id")
        ids = given.split(",") if given else list(self._ids(name))
        for start in range(0, len(ids), _IDS):
            yield from self._of_ids(window, name, ids[start : start + _IDS])

    def _ids(self, name: str) -> Iterator[str]:
        path = f"/{name}s"
        pages = Pages(
            lambda page: self.ask(path, {"page": page, "per": ROW_CLAMP}),
            lambda row: row["id"],
            size=ROW_CLAMP,
            what=f"{self.name}: {path}",
            logger=self.logger,
        )
        for rows in pages:
            yield from (str(row["id"]) for row in rows)

    def _of_ids(self, window: DateWindow, name: str, ids: list[str]) -> Iterator[list[Record]]:
        rows = self._ask_group(window, **{f"{name}_id": ",".join(ids)}).rows
        if len(rows) < ROW_CLAMP:
            yield rows
        elif len(ids) > 1:
            yield from self._of_ids(window, name, ids[: len(ids) // 2])
            yield from self._of_ids(window, name, ids[len(ids) // 2 :])
        else:
            msg = (
                f"{self.name}: {window}: {name} {ids[0]} alone has {ROW_CLAMP} rows or more. "
                "Nothing was bookmarked. Use fewer groups, or deselect the stream."
            )
            raise ReportError(msg)


def amount(value: Any) -> Decimal:
    """A metric as a number to compare; 0 where it is none.

    Args:
        value: A number, or a text of one.
    """
    try:
        return number_in(str(value or 0))
    except ValueError:
        return Decimal(0)
