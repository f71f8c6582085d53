"""How aggregated reports are read whole: https://developers.everflow.io/docs/network/reporting/aggregated_data."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from signalroom_singer import DateWindow, Loading, TapError
from tap_everflow.client import EverflowWindows, report_filter

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from singer_sdk.helpers.types import Context, Record

TABLE = "/networks/reporting/entity/table"
SUMMARY = "/networks/reporting/entity/summary"
#: Everflow cuts a table here, and does not always say so.
ROW_CAP = 10_000
_DAY_SECONDS = 86_400
_CONTROL_READS = 3

#: What a table's rows must add up to in the summary, and whether it is counted or money.
_CONTROLLED = {"total_click": True, "cv": True, "payout": False, "revenue": False}

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
    """Everflow did not give a whole report, whichever way it was asked for."""


class ReportStream(EverflowWindows):
    """A report by day and other dimensions, keyed by their ids."""

    path = TABLE
    replication_key = "date"
    loading = Loading(
        "Incremental by `date`; the last {stream.lookback_days} days are read again "
        "(`lookback_days`)",
        "All numbers of past days; Everflow does not say which changed",
        "A combination that has no activity any more keeps its last row",
    )
    #: The time column, then the others.
    dimensions: Sequence[str] = ()
    # A month a request; a table that is cut is split.
    window_days = 30

    @property
    @override
    def lookback_days(self) -> int:  # type: ignore[override]
        return int(self.config["lookback_days"])

    @override
    def read_window(self, window: DateWindow, context: Context | None) -> Iterable[list[Record]]:
        yield from self._read(window, self.filters)

    def _read(
        self, window: DateWindow, filters: list[dict[str, str]]
    ) -> Generator[list[Record], None, _Totals]:
        """Read a window, in parts where Everflow cuts the whole; gives the totals."""
        rows, cut = self._table(window, self.dimensions, filters)
        if not cut:
            return (yield from self._controlled(window, filters, rows))
        if self.config["on_incomplete"] == "fail":
            self._fail(window, filters, "on_incomplete is set to fail")
        if window.days > 1:
            first, second = window.halves()
            totals = yield from self._read(first, filters)
            return _added(totals, (yield from self._read(second, filters)))
        return (yield from self._split_day(window, filters))

    def _split_day(
        self, window: DateWindow, filters: list[dict[str, str]]
    ) -> Generator[list[Record], None, _Totals]:
        filtered = {entry["resource_type"] for entry in filters}
        splittable = [name for name in _SPLITTABLE if name in self.dimensions]
        dimension = next((name for name in splittable if name not in filtered), None)
        if dimension is None:
            self._fail(window, filters, f"split by {', '.join(splittable) or 'day'} already")
        listed, cut = self._table(window, [dimension], filters)
        if cut:
            self._fail(window, filters, f"even its list of {dimension} ids is cut")
        ids = [_id(cells_of(row)[dimension]) for row in listed]
        self.logger.info(
            "%s is cut at %d rows: reading %d %ss", window, ROW_CAP, len(ids), dimension
        )
        totals = _totals([])
        for value in ids:
            part = yield from self._read(window, [*filters, report_filter(dimension, value)])
            totals = _added(totals, part)
        if problem := self._difference(totals, self._summary(window, filters), len(ids)):
            self._mismatch(window, problem)
        return totals

    def _controlled(
        self, window: DateWindow, filters: list[dict[str, str]], rows: list[dict[str, Any]]
    ) -> Generator[list[Record], None, _Totals]:
        """Emit rows that add up to the summary, reading again where they do not."""
        totals = _totals(rows)
        if self.config["control_totals"] != "off":
            for attempt in range(_CONTROL_READS):
                if attempt:
                    rows, _ = self._table(window, self.dimensions, filters)
                    totals = _totals(rows)
                problem = self._difference(totals, self._summary(window, filters), len(rows))
                if not problem:
                    break
            else:
                self._mismatch(window, problem)
        yield self._unique(window, [self.record_of(row) for row in rows])
        return totals

    def _table(
        self, window: DateWindow, columns: Sequence[str], filters: list[dict[str, str]]
    ) -> tuple[list[dict[str, Any]], bool]:
        """One table, and whether it was cut."""
        answer = self.post(TABLE, self._query(window, columns, filters))
        rows = self.rows_of(answer, "table")
        cut = bool(answer.get("incomplete_results")) or len(rows) >= ROW_CAP
        matching = [row for row in rows if _matches(row, filters)]
        if len(matching) < len(rows):
            if cut:
                self._fail(window, filters, "Everflow ignored the filter")
            self.logger.warning(
                "%s: Everflow ignored the filter %s; dropped %d of %d rows that do not match it",
                window,
                filters,
                len(rows) - len(matching),
                len(rows),
            )
        return matching, cut

    def _summary(self, window: DateWindow, filters: list[dict[str, str]]) -> dict[str, Any]:
        answer: dict[str, Any] = self.post(SUMMARY, self._query(window, self.dimensions, filters))
        return answer

    def _query(
        self, window: DateWindow, columns: Sequence[str], filters: list[dict[str, str]]
    ) -> dict[str, Any]:
        return {
            "from": window.start.isoformat(),
            "to": window.end.isoformat(),
            "timezone_id": self.timezone_id,
            "currency_id": self.config["currency_id"].upper(),
            "columns": [{"column": column} for column in columns],
            "query": {"filters": filters},
        }

    def record_of(self, row: dict[str, Any]) -> Record:
        """A row of a table as a record: the day, each dimension's id and label, the metrics."""
        cells, metrics = cells_of(row), row.get("reporting") or {}
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

    def moment(self, cells: dict[str, Any]) -> datetime:
        """The moment that a row's time column names."""
        return datetime.fromtimestamp(int(cells[self.dimensions[0]]["id"]), UTC)

    def _day(self, cells: dict[str, Any]) -> str:
        # Whether a day's id is its midnight in UTC or in the report zone is not documented.
        # The two cannot be confused: only UTC midnights are whole multiples of a day.
        moment = self.moment(cells)
        if self.dimensions[0] == "hour" or moment.timestamp() % _DAY_SECONDS:
            moment = moment.astimezone(self.report_zone)
        return moment.date().isoformat()

    def _unique(self, window: DateWindow, records: list[Record]) -> list[Record]:
        """Drop repeated rows; two different rows of one key would overwrite each other."""
        found: dict[tuple[Any, ...], Record] = {}
        keys = self.record_keys
        for record in records:
            key = tuple(record[name] for name in keys)
            if found.setdefault(key, record) != record:
                named = ", ".join(f"{name} {value}" for name, value in zip(keys, key, strict=True))
                msg = f"{self.name}: {window}: Everflow gave two different rows for {named}"
                raise IncompleteReportError(msg)
        return list(found.values())

    @staticmethod
    def _difference(totals: _Totals, summary: dict[str, Any], rows: int) -> str:
        """What differs between a table and its summary; empty if nothing does."""
        found = []
        for metric, counted in _CONTROLLED.items():
            expected = Decimal(str(summary.get(metric) or 0))
            # Each row may be rounded to the cent where the summary is not.
            tolerance = Decimal(0) if counted else Decimal("0.005") * (rows + 1)
            if abs(expected - totals[metric]) > tolerance:
                found.append(f"{metric} {totals[metric]} in rows, {expected} in the summary")
        return "; ".join(found)

    def _mismatch(self, window: DateWindow, problem: str) -> None:
        # What is still being counted may differ between two requests.
        if self.config["control_totals"] == "warn" or window.end >= self.today():
            self.logger.warning("%s: rows and summary differ: %s", window, problem)
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


def cells_of(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A row's columns by type: their order is not that of the request."""
    return {cell["column_type"]: cell for cell in row.get("columns") or []}


def _id(cell: dict[str, Any]) -> str:
    """A cell's id as filters want it; 0 where there is none."""
    return str(cell.get("id") or 0)


def _matches(row: dict[str, Any], filters: list[dict[str, str]]) -> bool:
    cells = cells_of(row)
    return all(
        _id(cells[entry["resource_type"]]) == entry["filter_id_value"]
        for entry in filters
        if entry["resource_type"] in cells
    )


def _totals(rows: list[dict[str, Any]]) -> _Totals:
    reports = [row.get("reporting") or {} for row in rows]
    return {
        metric: sum((Decimal(str(report.get(metric) or 0)) for report in reports), Decimal(0))
        for metric in _CONTROLLED
    }


def _added(first: _Totals, second: _Totals) -> _Totals:
    return {metric: first[metric] + second[metric] for metric in _CONTROLLED}
