"""Reports by day and other dimensions."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Conditions, invalid_setting, without_prefix
from tap_redtrack.metrics import METRICS
from tap_redtrack.streams._report_base import (
    ENTITIES,
    NO_ID,
    ReportStream,
    parse_amount,
    sum_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from singer_sdk.helpers.types import Record

    from signalroom_singer import DateWindow, SignalRoomTap
    from tap_redtrack.client import RedTrackClient

#: Those of https://api.redtrack.io/docs/index.html: RedTrack ignores some others without an error.
DIMENSIONS = (
    *ENTITIES,
    *("prelanding", "hour_of_day", "day_of_week", "country", "region", "city", "language"),
    *("os", "browser", "device", "device_brand", "connection_type", "isp"),
    *(f"sub{number}" for number in range(1, 21)),
    *(f"rt_{name}" for name in ("source", "medium", "campaign", "adgroup", "ad", "placement")),
    "rt_keyword",
)
_REPORT_TIMEZONE = th.Property(
    "report_timezone", th.StringType, description="The zone whose day `date` is: setting timezone"
)


def _dimension_columns(name: str) -> list[th.Property[Any]]:
    if name not in ENTITIES:
        return [th.Property(name, th.StringType)]
    return [
        th.Property(f"{name}_id", th.StringType, required=True),
        th.Property(f"{name}_name", th.StringType),
        *([th.Property("source_alias", th.StringType)] if name == "source" else ()),
    ]


def _schema(*dimensions: str) -> dict[str, Any]:
    columns = [column for name in dimensions for column in _dimension_columns(name)]
    date = th.Property("date", th.DateType, required=True)
    return th.PropertiesList(date, *columns, *METRICS, _REPORT_TIMEZONE).to_dict()


class DailySpend(ReportStream):
    """Clicks, conversions and cost by day and source: the table of the legacy pipeline."""

    name = "daily_spend"
    primary_keys = ("date", "source_id")
    dimensions = ("source",)
    schema = _schema("source")

    @property
    @override
    def filters_in_force(self) -> Conditions | None:
        filters = super().filters_in_force
        if filters is None or self.config["include_unattributed"]:
            return filters
        return {**filters, "source_id": {**filters.get("source_id", {}), **without_prefix(NO_ID)}}

    @override
    def control_totals(self, window: DateWindow) -> dict[date, dict[str, Decimal]]:
        totals = super().control_totals(window)
        if self.config["include_unattributed"]:
            return totals
        for record in self.read_in_parts(window):
            if not _has_source(record):
                of_day = totals[date.fromisoformat(record["date"])]
                for name, value in sum_metrics([record]).items():
                    of_day[name] -= value
        return totals

    @override
    def filter_records(self, window: DateWindow, records: list[Record]) -> list[Record]:
        if self.config["include_unattributed"]:
            return records
        attributed: list[Record] = []
        unattributed: list[Record] = []
        for record in records:
            (attributed if _has_source(record) else unattributed).append(record)
        if unattributed:
            self.logger.info(
                "%s: left out %d row(s) without a source, with a cost of %s (setting "
                "include_unattributed)",
                window,
                len(unattributed),
                sum(parse_amount(record.get("cost")) for record in unattributed),
            )
        return attributed


def _has_source(record: Record) -> bool:
    return not record["source_id"].startswith(NO_ID)


class CampaignDaily(ReportStream):
    """By day and campaign."""

    name = "campaign_daily"
    primary_keys = ("date", "campaign_id")
    dimensions = ("campaign",)
    schema = _schema("campaign")


class OfferDaily(ReportStream):
    """By day and offer."""

    name = "offer_daily"
    selected_by_default = False
    primary_keys = ("date", "offer_id")
    dimensions = ("offer",)
    schema = _schema("offer")


class LandingDaily(ReportStream):
    """By day and landing page."""

    name = "landing_daily"
    selected_by_default = False
    primary_keys = ("date", "landing_id")
    dimensions = ("landing",)
    schema = _schema("landing")


class NetworkDaily(ReportStream):
    """By day and affiliate network."""

    name = "network_daily"
    selected_by_default = False
    primary_keys = ("date", "network_id")
    dimensions = ("network",)
    schema = _schema("network")


class CustomReport(ReportStream):
    """A report by day and dimensions of your choice.

    Keyed by ``_dimensions_key``, a hash of their ids and texts: these may be long, and empty.
    """

    one_for_each = "each entry of `custom_reports`"
    _max_dimensions: ClassVar[int] = 9

    def __init__(
        self, tap: SignalRoomTap, client: RedTrackClient, name: str, group: Sequence[str]
    ) -> None:
        """Initialize a report of the setting ``custom_reports``.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.
            name: The name of the stream, and of its table.
            group: RedTrack's dimensions; ``date`` may be one of them.

        Raises:
            ConfigValidationError: If RedTrack has no such dimensions.
        """
        self.dimensions = tuple(dict.fromkeys(item for item in group if item != "date"))
        unknown = [item for item in self.dimensions if item not in DIMENSIONS]
        problem = ""
        if unknown:
            problem = f"knows no {', '.join(unknown)}; there are {', '.join(DIMENSIONS)}"
        elif not 0 < len(self.dimensions) <= self._max_dimensions:
            problem = f"is by date and 1 to {self._max_dimensions} other dimensions"
        if problem:
            raise invalid_setting("custom_reports", f"{name}: a report {problem}")
        schema = _schema(*self.dimensions)
        schema["properties"]["_dimensions_key"] = {"type": ["string"]}
        schema["required"].append("_dimensions_key")
        super().__init__(
            tap, client, name=name, schema=schema, primary_keys=("date", "_dimensions_key")
        )

    @override
    def parse_row(self, row: dict[str, Any], window: DateWindow) -> Record:
        record = super().parse_row(row, window)
        values = [record[f"{name}_id" if name in ENTITIES else name] for name in self.dimensions]
        record["_dimensions_key"] = hashlib.sha256(json.dumps(values).encode()).hexdigest()
        return record
