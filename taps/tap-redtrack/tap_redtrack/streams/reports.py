"""Reports by day and other dimensions."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import invalid_setting
from tap_redtrack.metrics import METRICS
from tap_redtrack.reporting import ENTITIES, NONE, ReportStream, amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.helpers.types import Record

    from signalroom_singer import DateWindow
    from tap_redtrack.tap import TapRedTrack

#: https://api.redtrack.io/docs/index.html; others give one error or none.
DIMENSIONS = (
    *ENTITIES,
    *("prelanding", "hour_of_day", "day_of_week", "country", "region", "city", "language"),
    *("os", "browser", "device", "device_brand", "connection_type", "isp"),
    *(f"sub{number}" for number in range(1, 21)),
    *(f"rt_{name}" for name in ("source", "medium", "campaign", "adgroup", "ad", "placement")),
    "rt_keyword",
)
_ZONE = th.Property(
    "report_timezone", th.StringType, description="The zone whose day `date` is: setting timezone"
)


def _dimension(name: str) -> list[th.Property[Any]]:
    if name not in ENTITIES:
        return [th.Property(name, th.StringType)]
    return [
        th.Property(f"{name}_id", th.StringType, required=True),
        th.Property(f"{name}_name", th.StringType),
        *([th.Property("source_alias", th.StringType)] if name == "source" else ()),
    ]


def _schema(*dimensions: str) -> dict[str, Any]:
    columns = [column for name in dimensions for column in _dimension(name)]
    date = th.Property("date", th.DateType, required=True)
    return th.PropertiesList(date, *columns, *METRICS, _ZONE).to_dict()


class DailySpend(ReportStream):
    """Clicks, conversions and cost by day and source: the table of the legacy pipeline."""

    name = "daily_spend"
    primary_keys = ("date", "source_id")
    dimensions = ("source",)
    schema = _schema("source")

    @override
    def wanted(self, window: DateWindow, records: list[Record]) -> list[Record]:
        if self.config["include_unattributed"]:
            return records
        kept = [record for record in records if not record["source_id"].startswith(NONE)]
        if len(kept) < len(records):
            cost = sum(
                amount(record.get("cost"))
                for record in records
                if record["source_id"].startswith(NONE)
            )
            self.logger.info(
                "%s: left out %d row(s) without a source, with a cost of %s (setting "
                "include_unattributed)",
                window,
                len(records) - len(kept),
                cost,
            )
        return kept


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
    _MOST: ClassVar[int] = 9

    def __init__(self, tap: TapRedTrack, name: str, group: Sequence[str]) -> None:
        """Define the stream.

        Args:
            tap: The tap.
            name: The stream's name.
            group: RedTrack's dimensions; ``date`` may be among them.

        Raises:
            ConfigValidationError: If RedTrack has no such dimensions.
        """
        self.dimensions = tuple(dict.fromkeys(item for item in group if item != "date"))
        unknown = [item for item in self.dimensions if item not in DIMENSIONS]
        problem = ""
        if unknown:
            problem = f"knows no {', '.join(unknown)}; there are {', '.join(DIMENSIONS)}"
        elif not 0 < len(self.dimensions) <= self._MOST:
            problem = f"is by date and 1 to {self._MOST} other dimensions"
        if problem:
            raise invalid_setting("custom_reports", f"{name}: a report {problem}")
        schema = _schema(*self.dimensions)
        schema["properties"]["_dimensions_key"] = {"type": ["string"]}
        schema["required"].append("_dimensions_key")
        super().__init__(tap, name=name, schema=schema, primary_keys=("date", "_dimensions_key"))

    @override
    def record_of(self, row: dict[str, Any], window: DateWindow) -> Record:
        record = super().record_of(row, window)
        values = [record[f"{name}_id" if name in ENTITIES else name] for name in self.dimensions]
        record["_dimensions_key"] = hashlib.sha256(json.dumps(values).encode()).hexdigest()
        return record
