"""The base of reports: https://developers.everflow.io/docs/network/reporting/aggregated_data."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from signalroom_singer import DateWindow, Loading, TapError, from_setting, split_days
from tap_everflow.client import report_filter
from tap_everflow.streams._base import WindowedEverflowStream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from singer_sdk.helpers.types import Context, Record

TABLE = "/networks/reporting/entity/table"
SUMMARY = "/networks/reporting/entity/summary"
#: Everflow cuts a table here, and does not always say so.
ROW_CAP = 10_000
_DAY_SECONDS = 86_400
_CONTROL_READS = 3

#: The metrics whose sum over a table must equal the summary's, and whether they are counts.
_CONTROL_METRICS = {"total_click": True, "cv": True, "payout": False, "revenue": False}

#: The columns with these metrics that a table can be compared by, and Everflow's name of each.
_CONTROL_COLUMNS = {
    "clicks": "total_click",
    "conversions": "cv",
    "payout": "payout",
    "revenue": "revenue",
}

#: Dimensions whose ids are the integers of an entity stream.
ENTITIES = frozenset(
    {
        "account_manager",
        "advertiser",
        "affiliate",
        "affiliate_manager",
        "campaign",
        "creative",
        "offer",
        "offer_group",
        "offer_url",
    }
)
#: Along these a day is split when its table is cut: the ids are few and can be listed.
_SPLITTABLE = ("affiliate", "offer", "advertiser")


_Totals = dict[str, Decimal]


class IncompleteReportError(TapError):
    """Everflow did not return all rows of a report, in whichever parts it was requested."""


class ReportStream(WindowedEverflowStream):
    """A report by day and other dimensions, keyed by their ids."""

    path = TABLE
    replication_key = "date"
    window_column = "date"
    control_columns = (*_CONTROL_COLUMNS,)
    loading = Loading(
        "Incremental by `date`; the last {stream.lookback_days} days are read again "
        "(`lookback_days`)",
        "All numbers of past days; Everflow does not say which changed",
        "A combination that has no activity any more is removed with the days that are read again",
    )
    #: The time column, then the others.
    dimensions: Sequence[str] = ()
    # A month a request; a table that is cut is split.
    window_days = 30
    lookback_days = from_setting("lookback_days")

    @override
    def control_totals(self, window: DateWindow) -> dict[date, dict[str, Decimal]]:
        totals = {}
        for day in split_days(window.start, window.end, days=1, zone=window.zone):
            summary = self._request_summary(day, self.filters)
            totals[day.start] = {
                column: _number(summary, metric) for column, metric in _CONTROL_COLUMNS.items()
            }
        return totals

    @override
    def read_window(self, window: DateWindow, context: Context | None) -> Iterable[list[Record]]:
        yield from self._read(window, self.filters)

    def _read(
        self, window: DateWindow, filters: list[dict[str, str]]
    ) -> Generator[list[Record], None, _Totals]:
        """Read a window, in parts where Everflow cuts the report; returns the totals."""
        rows, is_cut = self._request_table(window, self.dimensions, filters)
        if not is_cut:
            return (yield from self._reconcile(window, filters, rows))
        if self.config["on_incomplete"] == "fail":
            self._fail(window, filters, "on_incomplete is set to fail")
        if window.days > 1:
            first, second = window.split()
            totals = yield from self._read(first, filters)
            return _add(totals, (yield from self._read(second, filters)))
        return (yield from self._split_day(window, filters))

    def _split_day(
        self, window: DateWindow, filters: list[dict[str, str]]
    ) -> Generator[list[Record], None, _Totals]:
        """Read a day in one part for each id of a dimension; returns the totals."""
        filter_types = {entry["resource_type"] for entry in filters}
        splittable = [name for name in _SPLITTABLE if name in self.dimensions]
        dimension = next((name for name in splittable if name not in filter_types), None)
        if dimension is None:
            self._fail(window, filters, f"split by {', '.join(splittable) or 'day'} already")
        rows, is_cut = self._request_table(window, [dimension], filters)
        if is_cut:
            self._fail(window, filters, f"even its list of {dimension} ids is cut")
        ids = [_id(cells_by_type(row)[dimension]) for row in rows]
        self.logger.info(
            "%s is cut at %d rows: reading %d %ss", window, ROW_CAP, len(ids), dimension
        )
        totals = _sum_metrics([])
        for value in ids:
            part = yield from self._read(window, [*filters, report_filter(dimension, value)])
            totals = _add(totals, part)
        summary = self._request_summary(window, filters)
        if problem := self._describe_difference(totals, summary, len(ids)):
            self._mismatch(window, problem)
        return totals

    def _reconcile(
        self, window: DateWindow, filters: list[dict[str, str]], rows: list[dict[str, Any]]
    ) -> Generator[list[Record], None, _Totals]:
        """Emit rows that add up to the summary, after another request where they do not."""
        totals = _sum_metrics(rows)
        if self.config["control_totals"] != "off":
            for attempt in range(_CONTROL_READS):
                if attempt:
                    rows, _ = self._request_table(window, self.dimensions, filters)
                    totals = _sum_metrics(rows)
                summary = self._request_summary(window, filters)
                problem = self._describe_difference(totals, summary, len(rows))
                if not problem:
                    break
            else:
                self._mismatch(window, problem)
        yield self._drop_repeated(window, [self.parse_row(row) for row in rows])
        return totals

    def _request_table(
        self, window: DateWindow, columns: Sequence[str], filters: list[dict[str, str]]
    ) -> tuple[list[dict[str, Any]], bool]:
        """Request one table; returns its rows, and whether Everflow cut it."""
        payload = self.client.post(TABLE, self._body(window, columns, filters))
        rows = self.client.extract_rows(payload, "table")
        is_cut = bool(payload.get("incomplete_results")) or len(rows) >= ROW_CAP
        matching = [row for row in rows if _matches(row, filters)] if filters else rows
        if len(matching) < len(rows):
            if is_cut:
                self._fail(window, filters, "Everflow ignored the filter")
            self.logger.warning(
                "%s: Everflow ignored the filter %s; dropped %d of %d rows that do not match it",
                window,
                filters,
                len(rows) - len(matching),
                len(rows),
            )
        return matching, is_cut

    def _request_summary(self, window: DateWindow, filters: list[dict[str, str]]) -> dict[str, Any]:
        body = self._body(window, self.dimensions, filters)
        summary: dict[str, Any] = self.client.post(SUMMARY, body)
        return summary

    def _body(
        self, window: DateWindow, columns: Sequence[str], filters: list[dict[str, str]]
    ) -> dict[str, Any]:
        return {
            "from": window.start.isoformat(),
            "to": window.end.isoformat(),
            "timezone_id": self.client.request_timezone_id(self.report_zone.key),
            "currency_id": self.config["currency_id"].upper(),
            "columns": [{"column": column} for column in columns],
            "query": {"filters": filters},
        }

    def parse_row(self, row: dict[str, Any]) -> Record:
        """Make a record of a row: the day, each dimension's id and label, the metrics.

        Args:
            row: A row of a table, as Everflow returns it.
        """
        cells, metrics = cells_by_type(row), row.get("reporting") or {}
        record: Record = {"date": self._day(cells)}
        for dimension in self.dimensions[1:]:
            cell = cells.get(dimension) or {}
            # Activity without, say, an affiliate has the id 0; a key column is never null.
            record[f"{dimension}_id"] = _id(cell) if dimension in ENTITIES else cell.get("id") or ""
            record[f"{dimension}_label"] = cell.get("label")
        record["clicks"] = metrics.get("total_click", 0)
        record["conversions"] = metrics.get("cv", 0)
        record.update(metrics)
        # Account-defined metrics are lists; they have no columns and so end in _extra.
        for name in ("usm_columns", "custom_metric_columns"):
            if row.get(name):
                record[name] = row[name]
        return record

    def parse_time(self, cells: dict[str, Any]) -> datetime:
        """Parse the time column of a row.

        Args:
            cells: The cells of the row by type, as `cells_by_type` returns them.
        """
        return datetime.fromtimestamp(int(cells[self.dimensions[0]]["id"]), UTC)

    def _day(self, cells: dict[str, Any]) -> str:
        # Whether a day's id is its midnight in UTC or in the report zone is not documented.
        # The two cannot be confused: only UTC midnights are whole multiples of a day.
        time = self.parse_time(cells)
        if self.dimensions[0] == "hour" or time.timestamp() % _DAY_SECONDS:
            time = time.astimezone(self.report_zone)
        return time.date().isoformat()

    def _drop_repeated(self, window: DateWindow, records: list[Record]) -> list[Record]:
        """Drop repeated rows; two different rows of one key would overwrite each other."""
        records_by_key: dict[tuple[Any, ...], Record] = {}
        keys = self.record_keys
        for record in records:
            key = tuple(record[name] for name in keys)
            if records_by_key.setdefault(key, record) != record:
                text = ", ".join(f"{name} {value}" for name, value in zip(keys, key, strict=True))
                msg = f"{self.name}: {window}: Everflow returned two different rows for {text}"
                raise IncompleteReportError(msg)
        return list(records_by_key.values())

    @staticmethod
    def _describe_difference(totals: _Totals, summary: dict[str, Any], rows: int) -> str:
        """Say what differs between a table and its summary; empty if nothing does."""
        differences = []
        for metric, is_count in _CONTROL_METRICS.items():
            expected = _number(summary, metric)
            # Each row may be rounded to the cent where the summary is not.
            tolerance = Decimal(0) if is_count else Decimal("0.005") * (rows + 1)
            if abs(expected - totals[metric]) > tolerance:
                differences.append(f"{metric} {totals[metric]} in rows, {expected} in the summary")
        return "; ".join(differences)

    def _mismatch(self, window: DateWindow, problem: str) -> None:
        # What is still being counted may differ between two requests.
        if self.config["control_totals"] == "warn" or window.end >= self.today():
            self.logger.warning("%s: rows and summary differ: %s", window, problem)
            self.keep_vanished(window)
            return
        msg = (
            f"{self.name}: {window}: the rows do not add up to Everflow's summary: {problem}. "
            "Nothing was bookmarked. If Everflow's own pages show the same difference, set "
            "control_totals to warn."
        )
        raise IncompleteReportError(msg)

    def _fail(self, window: DateWindow, filters: list[dict[str, str]], reason: str) -> NoReturn:
        msg = (
            f"{self.name}: {window}: Everflow cuts the report at {ROW_CAP} rows and it cannot be "
            f"read in smaller parts: {reason} (filters: {filters or 'none'}). Nothing was "
            "bookmarked. Use fewer or coarser columns."
        )
        raise IncompleteReportError(msg)


def cells_by_type(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The cells of a row by their column's type: their order is not that of the request.

    Args:
        row: A row of a table, as Everflow returns it.
    """
    return {cell["column_type"]: cell for cell in row.get("columns") or []}


def _id(cell: dict[str, Any]) -> str:
    """The id of a cell, as filters expect it; 0 where it has no id."""
    return str(cell.get("id") or 0)


def _matches(row: dict[str, Any], filters: list[dict[str, str]]) -> bool:
    cells = cells_by_type(row)
    return all(
        _id(cells[entry["resource_type"]]) == entry["filter_id_value"]
        for entry in filters
        if entry["resource_type"] in cells
    )


def _sum_metrics(rows: list[dict[str, Any]]) -> _Totals:
    reports = [row.get("reporting") or {} for row in rows]
    return {
        metric: sum((_number(report, metric) for report in reports), Decimal(0))
        for metric in _CONTROL_METRICS
    }


def _number(metrics: dict[str, Any], name: str) -> Decimal:
    return Decimal(str(metrics.get(name) or 0))


def _add(first: _Totals, second: _Totals) -> _Totals:
    return {metric: first[metric] + second[metric] for metric in _CONTROL_METRICS}
