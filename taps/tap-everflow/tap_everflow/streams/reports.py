"""Aggregated reports, by the dimensions that each is keyed by."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import columns_of, invalid_setting, utc_isoformat
from tap_everflow.streams._report_base import ENTITIES, ReportStream, cells_by_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.helpers.types import Record

    from signalroom_singer import SignalRoomTap
    from tap_everflow.client import EverflowClient

MOST_COLUMNS = 10
_COUNTS = (
    *("imp", "total_click", "unique_click", "invalid_click", "duplicate_click", "gross_click"),
    *("cv", "invalid_cv_scrub", "view_through_cv", "total_cv", "event", "on_hold_conversion_count"),
)
_AMOUNTS = (
    *("ctr", "cvr", "evr", "cpc", "cpm", "cpa", "epc", "rpc", "rpa", "rpm", "event_revenue"),
    *("gross_sales", "margin", "roas", "avg_sale_value", "media_buying_cost"),
    *("on_hold_potential_revenue", "on_hold_potential_payout"),
)
_METRICS = (
    th.Property("clicks", th.IntegerType, description="All clicks: Everflow's total_click"),
    th.Property("conversions", th.IntegerType, description="Base conversions: Everflow's cv"),
    *columns_of(th.NumberType, "revenue", "payout"),
    th.Property("profit", th.NumberType, description="Revenue less payout"),
    *columns_of(th.IntegerType, *_COUNTS),
    *columns_of(th.NumberType, *_AMOUNTS),
)

_TIMES = ("date", "hour", "week", "month", "year", "unix_timestamp")


def _report_schema(*dimensions: str, hourly: bool = False, hashed: bool = False) -> dict[str, Any]:
    """The schema of a report by day and these dimensions.

    Args:
        dimensions: Everflow's report columns, without the time.
        hourly: Whether rows are by hour too.
        hashed: Whether rows are keyed by a hash of their dimensions.
    """
    keys = [th.Property("date", th.DateType, required=True)]
    if hourly:
        keys.append(th.Property("hour", th.DateTimeType, required=True))
    for name in dimensions:
        kind: th.JSONTypeHelper[Any] = th.IntegerType() if name in ENTITIES else th.StringType()
        keys += [
            th.Property(f"{name}_id", kind, required=True),
            th.Property(f"{name}_label", th.StringType),
        ]
    if hashed:
        keys.append(th.Property("_dimensions_key", th.StringType, required=True))
    return th.PropertiesList(*keys, *_METRICS).to_dict()


class DailyStats(ReportStream):
    """Performance by day, affiliate and advertiser."""

    name = "daily_stats"
    primary_keys = ("date", "affiliate_id", "advertiser_id")
    dimensions = ("date", "affiliate", "advertiser")
    schema = _report_schema("affiliate", "advertiser")


class DailyOfferStats(ReportStream):
    """Performance by day, offer, affiliate and advertiser."""

    name = "daily_offer_stats"
    selected_by_default = False
    primary_keys = ("date", "offer_id", "affiliate_id", "advertiser_id")
    dimensions = ("date", "offer", "affiliate", "advertiser")
    schema = _report_schema("offer", "affiliate", "advertiser")


class CustomReport(ReportStream):
    """A report by day and dimensions of your choice.

    Keyed by the ids of its dimensions where these are few and are entities; otherwise by
    ``_dimensions_key``, a hash of them: free text may be longer than an index takes.
    """

    one_for_each = "each entry of `custom_reports`"
    _FEW: ClassVar[int] = 3

    def __init__(
        self, tap: SignalRoomTap, client: EverflowClient, name: str, columns: Sequence[str]
    ) -> None:
        """Define the stream.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.
            name: The name of the stream.
            columns: Everflow's report columns, with or without a time column.

        Raises:
            ConfigValidationError: If Everflow would reject the columns.
        """
        times = [column for column in columns if column in _TIMES]
        others = [column for column in columns if column not in _TIMES]
        problem = ""
        if len(times) > 1 or (times and times[0] not in ("date", "hour")):
            problem = "has one time column, date or hour; coarser ones are a GROUP BY away"
        elif len(set(others)) < len(others):
            problem = "has each column once"
        elif not 0 < len(others) < MOST_COLUMNS:
            problem = f"has 1 to {MOST_COLUMNS - 1} columns besides the time"
        if problem:
            problem = f"a report {problem}; {name} has {', '.join(columns)}"
            raise invalid_setting("custom_reports", problem)
        self.dimensions = (*(times or ["date"]), *others)
        self._hourly = times == ["hour"]
        self._hashed = len(others) > self._FEW or not ENTITIES.issuperset(others)
        ids = tuple(f"{dimension}_id" for dimension in others)
        time_keys = ("date", "hour") if self._hourly else ("date",)
        keys = (*time_keys, *(("_dimensions_key",) if self._hashed else ids))
        schema = _report_schema(*others, hourly=self._hourly, hashed=self._hashed)
        super().__init__(tap, client, name=name, schema=schema, primary_keys=keys)
        # Everflow reads anything but entities and countries from BigQuery.
        self.client.uses_bigquery = not (ENTITIES | {"country", "country_code"}).issuperset(others)

    @override
    def parse_row(self, row: dict[str, Any]) -> Record:
        record = super().parse_row(row)
        if self._hourly:
            record["hour"] = utc_isoformat(self.parse_time(cells_by_type(row)))
        if self._hashed:
            ids = [str(record[f"{dimension}_id"]) for dimension in self.dimensions[1:]]
            record["_dimensions_key"] = hashlib.sha256(json.dumps(ids).encode()).hexdigest()
        return record
