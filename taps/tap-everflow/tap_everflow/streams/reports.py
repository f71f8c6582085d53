"""Aggregated reports, by the dimensions that each is keyed by."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import invalid_setting, utc_isoformat
from tap_everflow.streams._report_base import ENTITIES, ReportStream, cells_by_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.helpers.types import Record

    from signalroom_singer import SignalRoomTap
    from tap_everflow.client import EverflowClient

MOST_COLUMNS = 10
_COUNTS = (
    "imp",
    "total_click",
    "unique_click",
    "invalid_click",
    "duplicate_click",
    "gross_click",
    "cv",
    "invalid_cv_scrub",
    "view_through_cv",
    "total_cv",
    "event",
    "on_hold_conversion_count",
)
_AMOUNTS = (
    "ctr",
    "cvr",
    "evr",
    "cpc",
    "cpm",
    "cpa",
    "epc",
    "rpc",
    "rpa",
    "rpm",
    "event_revenue",
    "gross_sales",
    "margin",
    "roas",
    "avg_sale_value",
    "media_buying_cost",
    "on_hold_potential_revenue",
    "on_hold_potential_payout",
)
_METRICS = (
    th.Property("clicks", th.IntegerType, description="All clicks: Everflow's total_click"),
    th.Property("conversions", th.IntegerType, description="Base conversions: Everflow's cv"),
    th.Property("revenue", th.NumberType),
    th.Property("payout", th.NumberType),
    th.Property("profit", th.NumberType, description="Revenue less payout"),
    *(th.Property(name, th.IntegerType) for name in _COUNTS),
    *(th.Property(name, th.NumberType) for name in _AMOUNTS),
)

_TIMES = ("date", "hour", "week", "month", "year", "unix_timestamp")


class DailyStats(ReportStream):
    """Performance by day, affiliate and advertiser."""

    name = "daily_stats"
    primary_keys = ("date", "affiliate_id", "advertiser_id")
    dimensions = ("date", "affiliate", "advertiser")
    schema = th.PropertiesList(
        th.Property("date", th.DateType, required=True),
        th.Property("affiliate_id", th.IntegerType, required=True),
        th.Property("affiliate_label", th.StringType),
        th.Property("advertiser_id", th.IntegerType, required=True),
        th.Property("advertiser_label", th.StringType),
        *_METRICS,
    ).to_dict()


class DailyOfferStats(ReportStream):
    """Performance by day, offer, affiliate and advertiser."""

    name = "daily_offer_stats"
    selected_by_default = False
    primary_keys = ("date", "offer_id", "affiliate_id", "advertiser_id")
    dimensions = ("date", "offer", "affiliate", "advertiser")
    schema = th.PropertiesList(
        th.Property("date", th.DateType, required=True),
        th.Property("offer_id", th.IntegerType, required=True),
        th.Property("offer_label", th.StringType),
        th.Property("affiliate_id", th.IntegerType, required=True),
        th.Property("affiliate_label", th.StringType),
        th.Property("advertiser_id", th.IntegerType, required=True),
        th.Property("advertiser_label", th.StringType),
        *_METRICS,
    ).to_dict()


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
        schema = self._schema_of(others)
        super().__init__(tap, client, name=name, schema=schema, primary_keys=keys)
        # Everflow reads anything but entities and countries from BigQuery.
        self.client.uses_bigquery = not (ENTITIES | {"country", "country_code"}).issuperset(others)

    def _schema_of(self, others: Sequence[str]) -> dict[str, Any]:
        properties = [th.Property("date", th.DateType, required=True)]
        if self._hourly:
            properties.append(th.Property("hour", th.DateTimeType, required=True))
        for dimension in others:
            kind: th.JSONTypeHelper[Any] = (
                th.IntegerType() if dimension in ENTITIES else th.StringType()
            )
            properties += [
                th.Property(f"{dimension}_id", kind, required=True),
                th.Property(f"{dimension}_label", th.StringType),
            ]
        if self._hashed:
            properties.append(th.Property("_dimensions_key", th.StringType, required=True))
        return th.PropertiesList(*properties, *_METRICS).to_dict()

    @override
    def parse_row(self, row: dict[str, Any]) -> Record:
        record = super().parse_row(row)
        if self._hourly:
            record["hour"] = utc_isoformat(self.parse_time(cells_by_type(row)))
        if self._hashed:
            ids = [str(record[f"{dimension}_id"]) for dimension in self.dimensions[1:]]
            record["_dimensions_key"] = hashlib.sha256(json.dumps(ids).encode()).hexdigest()
        return record
