"""How Everflow's network API behaves: https://developers.everflow.io/user-guide."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk.authenticators import APIKeyAuthenticator
from typing_extensions import override

from signalroom_singer import (
    ApiClient,
    ErrorMapper,
    RateLimiter,
    RetryPolicy,
    TapError,
    invalid_setting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from singer_sdk.exceptions import RetriableAPIError
    from singer_sdk.helpers.types import Record

    from signalroom_singer import ClientContext

# Reads only, POST included: Everflow's reports are queries in a body.
ALLOWED_REQUESTS = frozenset(
    {
        ("GET", "/meta/timezones"),
        ("GET", "/networks/advertisers"),
        ("GET", "/networks/affiliates"),
        ("GET", "/networks/campaigns"),
        ("GET", "/networks/couponcodes"),
        ("GET", "/networks/creatives"),
        ("GET", "/networks/domains/tracking"),
        ("GET", "/networks/offers"),
        ("GET", "/networks/offerurls"),
        ("GET", "/networks/reportingadjustments"),
        ("POST", "/networks/reporting/clicks/stream"),
        ("POST", "/networks/reporting/conversions"),
        ("POST", "/networks/reporting/entity/summary"),
        ("POST", "/networks/reporting/entity/table"),
    }
)
HINTS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "Check the settings this request is made of: {timezone}, "
    "{currency_id} and the columns of {custom_reports}",
    HTTPStatus.UNAUTHORIZED: "Check {api_key}: it may be mistyped, revoked, or of an account on "
    "another host (EU accounts: set {api_url} to https://api-eu.eflow.team)",
    HTTPStatus.FORBIDDEN: "The key must be a network key (not an affiliate's or advertiser's) "
    "with permission for this; or deselect the stream",
    HTTPStatus.NOT_FOUND: "Check {api_url}; or deselect the stream",
}
_REPORTING = "/networks/reporting/"
_TIME_ZONES = "/meta/timezones"
#: Requests a second, by all keys of a network together, on Everflow's own hosts.
_MOST_REQUESTS = 30
_EVERFLOWS_HOSTS = ".eflow.team"
#: The hourly quota of reports that Everflow reads from BigQuery refills slowly.
_QUOTA_ERROR = b"Big Query usage"
_QUOTA_WAIT = 300.0
_QUOTA_TRIES = 15
#: The keys that a response without rows may have.
_KEYS_WITHOUT_ROWS = {"incomplete_results", "paging", "performance", "summary"}


class EverflowRetryPolicy(RetryPolicy):
    """Waits longer, and more often, while the hourly quota of BigQuery is used up."""

    @override
    def wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        if error.response is not None and _QUOTA_ERROR in error.response.content:
            return min(_QUOTA_WAIT, self.max_wait) if attempt < _QUOTA_TRIES else None
        return super().wait(error, attempt)


class EverflowClient(ApiClient):
    """Everflow's network API, with its limits and its numbers of time zones.

    Args:
        context: The tap's settings, connections, logger and limits.
        base_url: The address of the API, with its version.
        report_zone: The time zone whose days are reported.
    """

    def __init__(self, context: ClientContext, *, base_url: str, report_zone: ZoneInfo) -> None:
        config = context.config
        rate, concurrency = config["requests_per_second"], config["max_concurrency"]
        if rate > _MOST_REQUESTS and urlsplit(base_url).netloc.endswith(_EVERFLOWS_HOSTS):
            problem = f"expected {_MOST_REQUESTS} or less, as Everflow allows"
            raise invalid_setting("requests_per_second", problem, rate)
        # Everflow counts all keys of a network together, reports and BigQuery on top of that.
        requests_limit = RateLimiter(per_second=rate, account=context.account)
        super().__init__(
            context,
            base_url=base_url,
            allowed_requests=ALLOWED_REQUESTS,
            # Discovery, which sends no request, needs no key.
            auth=APIKeyAuthenticator(key="X-Eflow-API-Key", value=config.get("api_key", "")),
            rate_limit=requests_limit,
            retry=EverflowRetryPolicy.from_config(config),
            errors=ErrorMapper(hints=HINTS),
        )
        self.report_zone = report_zone
        #: Whether Everflow serves this view's reports from BigQuery, which has an hourly quota.
        self.uses_bigquery = False
        self._reports_limit = RateLimiter(
            concurrency=concurrency,
            parent=requests_limit,
            account=context.account,
            group="reports",
            account_concurrency=concurrency,
            longest_request=2 * config["request_timeout"],
        )
        self._bigquery_limit = RateLimiter(
            per_hour=config["bigquery_requests_per_hour"],
            parent=self._reports_limit,
            account=context.account,
            group="bigquery",
        )
        # Shared by all views: one request serves all streams.
        self._time_zone_ids: dict[str, int] = {}
        self._time_zones_lock = threading.Lock()

    @override
    def rate_limiter(self, path: str) -> RateLimiter:
        if not path.startswith(_REPORTING):
            return super().rate_limiter(path)
        return self._bigquery_limit if self.uses_bigquery else self._reports_limit

    def request_timezone_id(self, zone: str) -> int:
        """Look up Everflow's number of a time zone, which no rule can guess.

        Args:
            zone: The IANA name of the time zone.

        Returns:
            The ``timezone_id`` of https://developers.everflow.io/user-guide/timezones.

        Raises:
            ConfigValidationError: If Everflow does not know the zone.
            TapError: If the response is malformed.
        """
        with self._time_zones_lock:
            if not self._time_zone_ids:
                self._time_zone_ids |= self._request_time_zones()
        try:
            return self._time_zone_ids[zone]
        except KeyError:
            known = ", ".join(sorted(self._time_zone_ids)[:20])
            problem = f"Everflow has no such time zone in {_TIME_ZONES}. It has: {known}"
            raise invalid_setting("timezone", problem, zone) from None

    def _request_time_zones(self) -> dict[str, int]:
        rows = self.extract_rows(self.get(_TIME_ZONES), "timezones")
        try:
            ids = {str(row["timezone"]): int(row["timezone_id"]) for row in rows}
        except (TypeError, LookupError, ValueError):
            msg = f"{self.stream_name}: GET {_TIME_ZONES} has a time zone without name or number"
            raise TapError(msg) from None
        if not ids:
            msg = f"{self.stream_name}: GET {_TIME_ZONES} returned no time zones"
            raise TapError(msg)
        return ids

    def extract_rows(self, payload: Any, key: str, *, may_lack: bool = True) -> list[Record]:
        """Take the rows out of a payload.

        Args:
            payload: The decoded response: an envelope with a list of rows.
            key: The key of the rows in the envelope.
            may_lack: Whether an envelope with nothing that could be rows means that there are
                none; otherwise only null does.

        Raises:
            TapError: If the response has no list of rows.
        """
        rows = payload
        if isinstance(payload, dict):
            is_empty = may_lack and payload.keys() <= _KEYS_WITHOUT_ROWS
            rows = payload.get(key, None if is_empty else payload)
            if rows is None:
                return []
        if not isinstance(rows, list) or rows is payload:
            keys = sorted(payload) if isinstance(payload, dict) else [type(payload).__name__]
            msg = (
                f"{self.stream_name}: Everflow answered without a list of {key}; it has: "
                f"{', '.join(keys)[:200]}. Nothing was loaded. Run it again; if the error "
                "persists, check api_url."
            )
            raise TapError(msg)
        return rows


def report_filter(resource_type: str, value: object) -> dict[str, str]:
    """Make a filter of a report query; Everflow rejects ids that are not text.

    Args:
        resource_type: What to filter by, such as ``advertiser``.
        value: The id to filter by.

    Returns:
        The filter, as https://developers.everflow.io/user-guide/api-filters has it.
    """
    return {"resource_type": resource_type, "filter_id_value": str(value)}
