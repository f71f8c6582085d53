"""The tap: its settings and its streams."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from singer_sdk import typing as th
from singer_sdk.authenticators import APIKeyAuthenticator
from typing_extensions import override

from signalroom_singer import (
    COMMON_SETTINGS,
    CONCURRENCY_LIMIT,
    HTTP_SETTINGS,
    KEY,
    PERSONAL_DATA_SETTING,
    RATE_LIMIT,
    RATE_LIMIT_SETTINGS,
    WINDOW_SETTINGS,
    RateLimiter,
    SignalRoomTap,
    TapError,
    base_url,
    given_by,
    invalid_setting,
    unknown_time_zone,
)
from tap_everflow.streams import CustomReport, fixed_streams

if TYPE_CHECKING:
    from tap_everflow.client import EverflowStream

API_VERSION = "/v1"

_TIMEZONES = "/meta/timezones"
#: Of a second, by all keys of a network together, on Everflow's own hosts.
_MOST_REQUESTS = 30
_EVERFLOWS = ".eflow.team"


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
            **given_by("EVERFLOW_API_KEY"),
        ),
        th.Property(
            "api_url",
            th.StringType,
            default="https://api.eflow.team",
            title="API address",
            description="EU accounts: https://api-eu.eflow.team. A `/v1` at the end may stay.",
            **given_by("EVERFLOW_BASE_URL", shared=True),
        ),
        th.Property(
            "timezone",
            th.StringType,
            default="America/New_York",
            title="Report time zone",
            description=(
                "The zone whose days are reported, by its IANA name. Changing it makes old days "
                "and new ones disagree: read everything again afterwards."
            ),
        ),
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
        th.Property(
            "custom_reports",
            th.ArrayType(
                th.ObjectType(
                    th.Property(
                        "name",
                        th.StringType(pattern="^[a-z][a-z0-9_]*$"),
                        required=True,
                        description="The stream and table name, in snake_case.",
                    ),
                    th.Property(
                        "columns",
                        th.ArrayType(th.StringType),
                        required=True,
                        description="Everflow's report columns, such as offer, sub1, country.",
                    ),
                ),
            ),
            title="Custom reports",
            description=(
                "Reports by dimensions of your choice, a stream each. `date` (or `hour`) is added "
                "to the columns where there is no time column; at most ten columns with it."
            ),
            examples=[[{"name": "by_country", "columns": ["offer", "country"]}]],
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
                "own summary. If they still differ after reading again: stop, or go on."
            ),
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=2000),
            default=2000,
            title="Page size",
            description="Rows asked for at once, where Everflow pages.",
        ),
        th.Property(
            "requests_per_second",
            th.NumberType(minimum=1),
            default=29,
            title="Requests a second",
            description="Everflow allows 30 to all keys of a network together.",
            **RATE_LIMIT,
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
        th.Property(
            "bigquery_requests_per_hour",
            th.IntegerType(minimum=1),
            default=950,
            title="High-cardinality reports an hour",
            description="Everflow allows 1,000 reports by sub ids and the like an hour.",
            **RATE_LIMIT,
        ),
        *RATE_LIMIT_SETTINGS,
        *WINDOW_SETTINGS,
        *HTTP_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

    @cached_property
    def api_url(self) -> str:
        """The base of all endpoints, with the version."""
        address = base_url(self.config["api_url"], setting="api_url")
        return address.removesuffix(API_VERSION) + API_VERSION

    @cached_property
    def authenticator(self) -> APIKeyAuthenticator:
        """The network key, in a header."""
        return APIKeyAuthenticator(key="X-Eflow-API-Key", value=self.config["api_key"])

    @cached_property
    def report_zone(self) -> ZoneInfo:
        """The zone whose days are reported."""
        name = self.config["timezone"]
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise unknown_time_zone("timezone", name) from None

    # Everflow counts all keys of a network together, reports and BigQuery on top of that.

    @cached_property
    def account_pacer(self) -> RateLimiter:
        """All requests."""
        rate = self.config["requests_per_second"]
        if rate > _MOST_REQUESTS and urlsplit(self.api_url).netloc.endswith(_EVERFLOWS):
            problem = f"expected {_MOST_REQUESTS} or less, as Everflow allows"
            raise invalid_setting("requests_per_second", problem, rate)
        return RateLimiter(per_second=rate, account=self.account_limits)

    @cached_property
    def report_pacer(self) -> RateLimiter:
        """Reports."""
        count = self.config["max_concurrency"]
        return RateLimiter(
            concurrency=count,
            parent=self.account_pacer,
            account=self.account_limits,
            group="reports",
            account_concurrency=count,
            longest_request=2 * self.config["request_timeout"],
        )

    @cached_property
    def bigquery_pacer(self) -> RateLimiter:
        """Reports by columns of high cardinality, which Everflow reads from BigQuery."""
        return RateLimiter(
            per_hour=self.config["bigquery_requests_per_hour"],
            parent=self.report_pacer,
            account=self.account_limits,
            group="bigquery",
        )

    @cached_property
    def _timezones_lock(self) -> threading.Lock:
        return threading.Lock()

    _timezone_ids: dict[str, int] | None = None

    def timezone_id(self, zone: str, stream: EverflowStream) -> int:
        """Everflow's number for a time zone, which no rule can guess.

        Args:
            zone: An IANA name.
            stream: Whoever asks; its client is used.

        Returns:
            The ``timezone_id`` of https://developers.everflow.io/user-guide/timezones.

        Raises:
            ConfigValidationError: If Everflow does not know the zone.
            TapError: If it answers with something else.
        """
        with self._timezones_lock:
            if self._timezone_ids is None:
                listed = stream.rows_of(stream.get(_TIMEZONES), "timezones")
                try:
                    ids = {str(row["timezone"]): int(row["timezone_id"]) for row in listed}
                except (TypeError, LookupError, ValueError):
                    msg = f"{stream.name}: GET {_TIMEZONES} has a time zone without name or number"
                    raise TapError(msg) from None
                if not ids:
                    msg = f"{stream.name}: GET {_TIMEZONES} answered without time zones"
                    raise TapError(msg)
                self._timezone_ids = ids
        try:
            return self._timezone_ids[zone]
        except KeyError:
            known = ", ".join(sorted(self._timezone_ids)[:20])
            problem = f"Everflow has no such time zone in {_TIMEZONES}. It has: {known}"
            raise invalid_setting("timezone", problem, zone) from None

    @override
    def discover_streams(self) -> list[EverflowStream]:
        # Now: this would be a mistake in the settings.
        _ = self.account_pacer
        custom = self.config.get("custom_reports") or []
        return [
            *(stream(self) for stream in fixed_streams),
            *(CustomReport(self, report["name"], report["columns"]) for report in custom),
        ]
