"""The base of reports by day: ``GET /report``."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_singer import (
    DateWindow,
    Loading,
    RequestRejectedError,
    TapError,
    from_client,
    from_setting,
    parse_number,
    split_days,
)
from tap_redtrack.metrics import group_conversion_types
from tap_redtrack.paging import PagingError, StablePager
from tap_redtrack.streams._adaptive_windows import AdaptiveWindowStream, WindowTooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Record

    from tap_redtrack.client import Page

#: RedTrack returns no more rows, whatever ``per`` asks for, and does not say so.
ROW_CAP = 1_000
#: Dimensions that have an id, and a filter by it.
ENTITIES = ("campaign", "source", "offer", "landing", "network")
#: In place of the id that is missing: traffic that came from no source, or reached no offer.
NO_ID = "(none)"
#: The metrics whose sums over the rows must equal those of the day.
_CONTROL_METRICS = ("clicks", "conversions", "cost")
#: Days of which the totals are requested at once.
_MONTH = 30
#: Ids in one filter; more may not fit into a URL.
_IDS_PER_REQUEST = 100

_Key = tuple[Any, ...]
#: The control metrics of each row that was emitted, by its key.
_Totals = dict[_Key, tuple[Decimal, ...]]


class ReportError(TapError):
    """A report has other rows than requested, or not all of them."""


class ReportStream(AdaptiveWindowStream):
    """A report by day and other dimensions, keyed by their ids."""

    path = "/report"
    replication_key = "date"
    window_column = "date"
    control_columns = _CONTROL_METRICS
    loading = Loading(
        "Incremental by `date`; the last {stream.lookback_days} days are read again "
        "(`lookback_days`)",
        "Costs and conversions of past days; RedTrack does not say which changed",
        "A combination that has no activity any more is removed with the days that are read again",
    )
    dimensions: Sequence[str] = ()
    report_zone = from_client("report_zone")
    lookback_days = from_setting("lookback_days")
    max_rows = ROW_CAP
    #: Whether RedTrack does not group by several dimensions at once: then each request is a day.
    _is_day_by_day = False
    _is_sortable = True

    @property
    @override
    def max_window_days(self) -> int:
        return 1 if self._is_day_by_day else super().max_window_days

    @override
    def control_totals(self, window: DateWindow) -> dict[date, dict[str, Decimal]]:
        return {
            date.fromisoformat(str(row["date"])[:10]): sum_metrics([row])
            for month in split_days(window.start, window.end, days=_MONTH, zone=window.zone)
            for row in self._request_report(month, ("date",)).rows
        }

    def read_in_parts(self, window: DateWindow) -> Iterator[Record]:
        """Read the rows of a window as they are, in parts that fit into one response each.

        Args:
            window: The days to read.

        Raises:
            ReportError: If those of a single day do not fit.
        """
        rows = self._request_whole(window) if window.days <= self.max_window_days else None
        if rows is not None:
            yield from (self.parse_row(row, window) for row in rows)
        elif window.days > 1:
            for part in window.split():
                yield from self.read_in_parts(part)
        else:
            msg = f"{self.name}: {window}: {ROW_CAP} rows or more; so many cannot be compared."
            raise ReportError(msg)

    def _request_whole(self, window: DateWindow) -> list[Record] | None:
        """Request the rows of a window; None if they do not fit into one response."""
        try:
            rows = self.request_window(window).rows
        except WindowTooLargeError:
            return None
        return rows if len(rows) < ROW_CAP else None

    # Requests

    @override
    def request_window(self, window: DateWindow) -> Page:
        if self._is_day_by_day:
            return self._request_day(window)
        rejection = None
        try:
            page = self._request_rows(window)
            if self._is_grouped(page, ("date", *self.dimensions)):
                return page
        except RequestRejectedError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            rejection = error
        # Some accounts' reports have one dimension: then the day follows from the window.
        day = DateWindow(window.start, window.start, window.zone)
        self._is_day_by_day = True
        try:
            page = self._request_day(day)
        except (RequestRejectedError, ReportError):
            # It was not the groups, then: RedTrack's first error says more.
            self._is_day_by_day = False
            if rejection is None:
                raise
            raise rejection from None
        self.logger.warning(
            "RedTrack does not group by date and %s at once: reading each day by itself, which "
            "takes many more requests",
            " and ".join(self.dimensions),
        )
        if window.days > 1:
            self.shorten(window, 1)
        return page

    def _request_day(self, day: DateWindow) -> Page:
        page = self._request_rows(day)
        if self._is_grouped(page, self.dimensions):
            return page
        msg = (
            f"{self.name}: {day}: RedTrack ignores a part of group={','.join(self.dimensions)}. "
            "Deselect the stream, or use fewer groups in custom_reports."
        )
        raise ReportError(msg)

    def _request_rows(self, window: DateWindow, **params: Any) -> Page:
        """Request a page of the stream's rows, each with its day."""
        group = self.dimensions if self._is_day_by_day else ("date", *self.dimensions)
        page = self._request_report(window, group, **params)
        if self._is_day_by_day:
            for row in page.rows:
                row["date"] = window.start.isoformat()
        first, last = window.start.isoformat(), window.end.isoformat()
        for row in page.rows:
            if "date" in row and not first <= str(row["date"])[:10] <= last:
                msg = (
                    f"{self.name}: {window}: RedTrack answered with a row of another day, "
                    "which was not requested. Nothing was bookmarked; run again later."
                )
                raise ReportError(msg)
        return page

    def _request_report(self, window: DateWindow, group: Sequence[str], **params: Any) -> Page:
        query = {
            "group": ",".join(group),
            "date_from": window.start.isoformat(),
            "date_to": window.end.isoformat(),
            "timezone": window.zone.key,
            "per": ROW_CAP,
            "page": 1,
        }
        return self.request_page(window, query | params)

    @staticmethod
    def _is_grouped(page: Page, dimensions: Sequence[str]) -> bool:
        """Whether rows have their dimensions: one without a source may have no such key."""
        return not page.rows or all(
            any(name in row or f"{name}_id" in row for row in page.rows) for name in dimensions
        )

    @override
    def rows_per_day(self, window: DateWindow, page: Page) -> float:
        counts = Counter(str(row.get("date")) for row in page.rows)
        return max(counts.values(), default=0)

    # Rows of complete responses

    @override
    def parse_window(self, window: DateWindow, rows: list[Record]) -> Iterator[list[Record]]:
        records: dict[_Key, Record] = {}
        for row in rows:
            record = self.parse_row(row, window)
            key = self._key(record)
            if records.setdefault(key, record) != record:
                msg = (
                    f"{self.name}: {window}: RedTrack returned two different rows for {key}. "
                    "Nothing was bookmarked; run again later."
                )
                raise ReportError(msg)
        yield self.filter_records(window, [records[key] for key in sorted(records)])

    def parse_row(self, row: dict[str, Any], window: DateWindow) -> Record:
        """Make a record of a row: the day, each dimension, the metrics.

        Args:
            row: A row of a report, as RedTrack returns it.
            window: The days that were requested.
        """
        metrics = group_conversion_types(row)
        record: Record = {
            "date": str(metrics.pop("date", ""))[:10],
            "report_timezone": window.zone.key,
        }
        for name in self.dimensions:
            value = metrics.pop(name, None)
            value = "" if value is None else str(value)
            if name in ENTITIES:
                # By names, where there is no id: two rows without one are two rows.
                fallback = f"{NO_ID} {value}".strip()
                record[f"{name}_id"] = str(metrics.pop(f"{name}_id", None) or fallback)
                record[f"{name}_name"] = value or None
            else:
                record[name] = value
        return record | metrics

    def filter_records(self, window: DateWindow, records: list[Record]) -> list[Record]:  # noqa: ARG002
        """Drop records that are not to be loaded; they count in the totals all the same.

        Args:
            window: The days that were read.
            records: The records of these days.
        """
        return records

    def _key(self, record: Record) -> _Key:
        return tuple(record[name] for name in self.record_keys)

    # Days with more rows than a response has

    @override
    def read_in_pages(self, window: DateWindow, first_page: Page) -> Iterator[list[Record]]:
        if len(first_page.rows) < ROW_CAP and not self._request_rows(window, page=2).rows:
            # It only looked like a full page.
            yield from self.parse_window(window, first_page.rows)
            return
        totals: _Totals = {}
        try:
            for rows in self._pager(window):
                yield self._changed_records(window, rows, totals)
            problem = self._describe_difference(window, totals)
        except PagingError as error:
            problem = str(error)
        if not problem:
            return
        self.logger.warning("%s: %s; reading by ids", window, problem)
        for rows in self._read_by_ids(window):
            yield self._changed_records(window, rows, totals)
        if problem := self._describe_difference(window, totals):
            self._mismatch(window, problem)

    def _pager(self, window: DateWindow) -> StablePager:
        first = self.dimensions[0]
        order = f"{first}_id" if first in ENTITIES else first

        def request_page(number: int) -> Page:
            if self._is_sortable:
                try:
                    # By what does not change: sorted by clicks, rows move while pages are read.
                    # Without a direction: RedTrack's Swagger has an integer there, its clients
                    # send asc and desc, and either order is as good.
                    return self._request_rows(window, page=number, sortby=order)
                except RequestRejectedError as error:
                    if error.status != HTTPStatus.BAD_REQUEST:
                        raise
                    self._is_sortable = False
            return self._request_rows(window, page=number)

        return StablePager(
            request_page,
            lambda row: self._key(self.parse_row(row, window)),
            size=ROW_CAP,
            label=f"{self.name}: {window}",
            logger=self.logger,
        )

    def _changed_records(
        self, window: DateWindow, rows: list[Record], totals: _Totals
    ) -> list[Record]:
        """Make records of rows that were not emitted before, or with other metrics."""
        records = []
        for row in rows:
            record = self.parse_row(row, window)
            values = tuple(parse_amount(record.get(name)) for name in _CONTROL_METRICS)
            if totals.get(self._key(record)) != values:
                totals[self._key(record)] = values
                records.append(record)
        return self.filter_records(window, records)

    def _describe_difference(self, window: DateWindow, totals: _Totals) -> str:
        """Say what differs between the rows and the report by day alone; empty if nothing does."""
        expected = sum_metrics(self._request_report(window, ("date",)).rows)
        # Each row may be rounded where the sum is not.
        tolerance = Decimal("0.005") * (len(totals) + 1)
        differences = []
        for index, name in enumerate(_CONTROL_METRICS):
            total = sum((values[index] for values in totals.values()), Decimal(0))
            if abs(expected[name] - total) > (tolerance if name == "cost" else 0):
                differences.append(f"{name} {total} in rows, {expected[name]} in the day's report")
        return "; ".join(differences)

    def _mismatch(self, window: DateWindow, problem: str) -> None:
        # What is still being counted differs between two requests.
        if window.end >= self.today():
            self.logger.warning("%s: rows and the day's report differ: %s", window, problem)
            self.keep_vanished(window)
            return
        msg = (
            f"{self.name}: {window}: the rows do not add up to RedTrack's own report of the day: "
            f"{problem}. Nothing was bookmarked. Run again later; if it persists, read fewer rows "
            "at once, by campaign_ids, source_ids or offer_ids."
        )
        raise ReportError(msg)

    def _read_by_ids(self, window: DateWindow) -> Iterator[list[Record]]:
        name = next((name for name in self.dimensions if name in ENTITIES), None)
        if name is None:
            msg = (
                f"{self.name}: {window}: more than {ROW_CAP} rows a day, and RedTrack's pages "
                "cannot be trusted. Nothing was bookmarked. Add campaign or source to the group of "
                "this report, so that it can be read in parts."
            )
            raise ReportError(msg)
        configured = self.client.filters.get(f"{name}_id")
        ids = configured.split(",") if configured else self._request_ids(name)
        for start in range(0, len(ids), _IDS_PER_REQUEST):
            yield from self._read_ids(window, name, ids[start : start + _IDS_PER_REQUEST])

    def _request_ids(self, name: str) -> list[str]:
        path = f"/{name}s"
        pager = StablePager(
            lambda number: self.client.get_page(path, {"page": number, "per": ROW_CAP}),
            lambda row: row["id"],
            size=ROW_CAP,
            label=f"{self.name}: {path}",
            logger=self.logger,
        )
        return [str(row["id"]) for rows in pager for row in rows]

    def _read_ids(self, window: DateWindow, name: str, ids: list[str]) -> Iterator[list[Record]]:
        rows = self._request_rows(window, **{f"{name}_id": ",".join(ids)}).rows
        if len(rows) < ROW_CAP:
            yield rows
        elif len(ids) > 1:
            yield from self._read_ids(window, name, ids[: len(ids) // 2])
            yield from self._read_ids(window, name, ids[len(ids) // 2 :])
        else:
            msg = (
                f"{self.name}: {window}: {name} {ids[0]} alone has {ROW_CAP} rows or more. "
                "Nothing was bookmarked. Use fewer groups, or deselect the stream."
            )
            raise ReportError(msg)


def sum_metrics(rows: Iterable[Record]) -> dict[str, Decimal]:
    """Add up the metrics that tables are compared by.

    Args:
        rows: Rows of a report.
    """
    return {
        name: sum((parse_amount(row.get(name)) for row in rows), Decimal(0))
        for name in _CONTROL_METRICS
    }


def parse_amount(value: Any) -> Decimal:
    """Parse a metric, to compare it; 0 where it is not a number.

    Args:
        value: A number, or the text of one.
    """
    try:
        return parse_number(str(value or 0))
    except ValueError:
        return Decimal(0)
