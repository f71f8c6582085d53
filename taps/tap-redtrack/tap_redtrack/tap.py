"""The tap: its settings and its streams."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    COMMON_SETTINGS,
    HTTP_SETTINGS,
    KEY,
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
from tap_redtrack.client import FILTERS, RedTrackClient
from tap_redtrack.streams import STREAM_TYPES, CustomReport

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap_redtrack.streams._base import RedTrackStream


class TapRedTrack(SignalRoomTap):
    """Reads a RedTrack account: reports by day, conversions, clicks and entities."""

    name = "tap-redtrack"
    package_name = "tap-redtrack"

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="API key",
            description="The account's key: Tools > Integrations > API access.",
            **KEY,
            **env_aliases("REDTRACK_API_KEY"),
        ),
        th.Property(
            "api_url",
            th.StringType,
            default="https://api.redtrack.io",
            title="API address",
            description="The host alone: RedTrack's API has no version in its address.",
            **env_aliases("REDTRACK_BASE_URL", shared=True),
        ),
        TIMEZONE_SETTING,
        th.Property(
            "account_timezone",
            th.StringType,
            title="Account time zone",
            description=(
                "The zone of the account, if it is not `timezone`: the days of conversions and "
                "clicks are its days, and times that RedTrack writes without a zone are in it."
            ),
        ),
        th.Property(
            "lookback_days",
            th.IntegerType(minimum=0, maximum=366),
            default=7,
            title="Lookback of reports",
            description=(
                "Days before the bookmark to read again: costs are corrected later, and "
                "conversions arrive late."
            ),
        ),
        th.Property(
            "conversions_lookback_days",
            # At least a day: the account's yesterday may not be over when this zone's is.
            th.IntegerType(minimum=1, maximum=366),
            default=30,
            title="Lookback of conversions",
            description=(
                "Days before the bookmark to read again. RedTrack does not say when a conversion "
                "was changed, so a change is only found by reading its day again."
            ),
        ),
        *(
            th.Property(
                f"{name}_ids",
                th.ArrayType(th.StringType),
                title=f"{name.capitalize()}s",
                description=f"Read reports, conversions and clicks of these {name}s only, by id.",
            )
            for name in FILTERS
        ),
        custom_reports_setting(
            th.Property(
                "group",
                th.ArrayType(th.StringType),
                required=True,
                description="RedTrack's dimensions, such as campaign, sub1, country.",
            ),
            description="Reports by day and dimensions of your choice, a stream each.",
            example={"name": "by_ad", "group": ["campaign", "rt_ad"]},
        ),
        th.Property(
            "include_unattributed",
            th.BooleanType,
            default=False,
            title="Include spend without a source",
            description=(
                "Also load rows of `daily_spend` that have no source, under the id `(none)`. The "
                "other reports always have them."
            ),
        ),
        th.Property(
            "include_personal_data",
            th.BooleanType,
            default=False,
            title="Include personal data",
            description=(
                "Also load IP addresses, user agents, fingerprints and visitors' ids, and "
                "other personal data: names, e-mail addresses, phone numbers, postal addresses."
            ),
        ),
        rate_limit_setting(
            "requests_per_minute",
            "Requests a minute",
            "RedTrack allows 20; lower it where something else reads the account.",
            default=18,
            integer=True,
        ),
        th.Property(
            "report_window_days",
            th.IntegerType(minimum=1, maximum=366),
            default=90,
            title="Days a request",
            description=(
                "Maximum days per request. The tap requests as many as one response can hold, and "
                "fewer where RedTrack is too slow."
            ),
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=10_000),
            default=5_000,
            title="Page size of logs",
            description="Conversions or clicks per request; more take more memory.",
        ),
        *RATE_LIMIT_SETTINGS,
        *WINDOW_SETTINGS,
        *HTTP_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

    @cached_property
    def report_zone(self) -> ZoneInfo:
        """The zone whose days are reported."""
        return parse_zone_setting(self.config, "timezone")

    @cached_property
    def client(self) -> RedTrackClient:
        """The client that all streams share."""
        has_own_zone = bool(self.config.get("account_timezone"))
        return RedTrackClient(
            self.client_context,
            base_url=validate_base_url(self.config["api_url"], setting="api_url"),
            report_zone=self.report_zone,
            account_zone=(
                parse_zone_setting(self.config, "account_timezone")
                if has_own_zone
                else self.report_zone
            ),
        )

    @override
    def discover_streams(self) -> list[RedTrackStream]:
        custom = self.config.get("custom_reports") or []
        return [
            *(stream(self, self.client) for stream in STREAM_TYPES),
            *(
                CustomReport(self, self.client, report["name"], report["group"])
                for report in custom
            ),
        ]
