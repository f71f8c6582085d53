"""The tap: its settings and its streams."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    COMMON_SETTINGS,
    CONCURRENCY_LIMIT,
    HTTP_SETTINGS,
    KEY,
    PERSONAL_DATA_SETTING,
    RATE_LIMIT_SETTINGS,
    TIMEZONE_SETTING,
    WINDOW_SETTINGS,
    SignalRoomTap,
    custom_reports_setting,
    env_aliases,
    parse_zone_setting,
    rate_limit_setting,
    validate_base_url,
)
from tap_everflow.client import EverflowClient
from tap_everflow.streams import STREAM_TYPES, CustomReport

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap_everflow.streams._base import EverflowStream

API_VERSION = "/v1"


class TapEverflow(SignalRoomTap):
    """Reads an Everflow network: performance reports, conversions, clicks and entities."""

    name = "tap-everflow"
    package_name = "tap-everflow"

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType,
            required=True,
            secret=True,
            title="API key",
            description=(
                "A network API key: Control Center > Security > API Keys, with read permission "
                "for reporting, affiliates, advertisers and offers."
            ),
            **KEY,
            **env_aliases("EVERFLOW_API_KEY"),
        ),
        th.Property(
            "api_url",
            th.StringType,
            default="https://api.eflow.team",
            title="API address",
            description="EU accounts: https://api-eu.eflow.team. A trailing `/v1` is ignored.",
            **env_aliases("EVERFLOW_BASE_URL", shared=True),
        ),
        TIMEZONE_SETTING,
        th.Property(
            "currency_id",
            th.StringType,
            default="USD",
            title="Report currency",
            description="The ISO code that reports are converted to. Conversions stay in theirs.",
        ),
        th.Property(
            "advertiser_id",
            th.IntegerType,
            title="Advertiser",
            description="Read reports, conversions and clicks of this advertiser only.",
        ),
        th.Property(
            "lookback_days",
            th.IntegerType(minimum=0, maximum=366),
            default=30,
            title="Lookback of reports",
            description="Days before the bookmark to read again: Everflow restates past days.",
        ),
        th.Property(
            "conversions_lookback_days",
            th.IntegerType(minimum=0, maximum=365),
            default=30,
            title="Lookback of conversions and events",
            description=(
                "Days before the bookmark to read again. Everflow does not say when a conversion "
                "was changed, so a change is only found by reading its day again."
            ),
        ),
        custom_reports_setting(
            th.Property(
                "columns",
                th.ArrayType(th.StringType),
                required=True,
                description="Everflow's report columns, such as offer, sub1, country.",
            ),
            description=(
                "Reports by dimensions of your choice, a stream each. `date` (or `hour`) is added "
                "to the columns where there is no time column; at most ten columns with it."
            ),
            example={"name": "by_country", "columns": ["offer", "country"]},
        ),
        PERSONAL_DATA_SETTING,
        th.Property(
            "incremental_entities",
            th.BooleanType,
            default=False,
            title="Incremental offers and affiliates",
            description=(
                "Read only offers and affiliates saved since the last run. Everflow does not count "
                "changes of an offer's payouts or visibility as saving it: these are missed."
            ),
        ),
        th.Property(
            "on_incomplete",
            th.StringType(allowed_values=["split", "fail"]),
            default="split",
            title="On a cut report",
            description=(
                "Everflow cuts reports at 10,000 rows. `split` reads a cut report again in "
                "smaller parts: days, affiliates, offers, advertisers. `fail` stops."
            ),
        ),
        th.Property(
            "control_totals",
            th.StringType(allowed_values=["fail", "warn", "off"]),
            default="fail",
            title="Control totals",
            description=(
                "Compare clicks, conversions, payout and revenue of each report with Everflow's "
                "own summary. If they still differ after another read: `fail` or only `warn`; "
                "`off` does not compare."
            ),
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=2000),
            default=2000,
            title="Page size",
            description="Rows per request, where Everflow pages.",
        ),
        rate_limit_setting(
            "requests_per_second",
            "Requests a second",
            "Everflow allows 30 to all keys of a network together.",
            default=29,
        ),
        th.Property(
            "max_concurrency",
            th.IntegerType(minimum=1, maximum=10),
            default=8,
            title="Concurrent reports",
            description=(
                "Everflow allows 10 concurrent requests to all keys of a network together, and "
                "counts a request until its response has been sent. 8 saturates the rate limit."
            ),
            **CONCURRENCY_LIMIT,
        ),
        rate_limit_setting(
            "bigquery_requests_per_hour",
            "High-cardinality reports an hour",
            "Everflow allows 1,000 reports by sub ids and the like an hour.",
            default=950,
            integer=True,
        ),
        *RATE_LIMIT_SETTINGS,
        *WINDOW_SETTINGS,
        *HTTP_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

    @cached_property
    def api_url(self) -> str:
        """The base of all endpoints, with the version."""
        address = validate_base_url(self.config["api_url"], setting="api_url")
        return address.removesuffix(API_VERSION) + API_VERSION

    @cached_property
    def report_zone(self) -> ZoneInfo:
        """The zone whose days are reported."""
        return parse_zone_setting(self.config, "timezone")

    @cached_property
    def client(self) -> EverflowClient:
        """The client that all streams share."""
        return EverflowClient(
            self.client_context, base_url=self.api_url, report_zone=self.report_zone
        )

    @override
    def discover_streams(self) -> list[EverflowStream]:
        custom = self.config.get("custom_reports") or []
        return [
            *(stream(self, self.client) for stream in STREAM_TYPES),
            *(
                CustomReport(self, self.client, report["name"], report["columns"])
                for report in custom
            ),
        ]
