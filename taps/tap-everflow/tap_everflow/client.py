"""How Everflow's network API behaves: https://developers.everflow.io/user-guide."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from signalroom_singer import HTTPStream, RateLimiter, TapError, WindowedStream
from tap_everflow.descriptions import DESCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    import requests
    from singer_sdk.authenticators import APIKeyAuthenticator
    from singer_sdk.exceptions import RetriableAPIError
    from singer_sdk.helpers.types import Record

    from tap_everflow.tap import TapEverflow

REPORTING = "/networks/reporting/"
#: The hourly quota of reports that Everflow reads from BigQuery refills slowly: patience.
_QUOTA_WAIT = 300.0
_QUOTA_TRIES = 15
#: What an answer without rows may have.
_BESIDE_ROWS = {"incomplete_results", "paging", "performance", "summary"}


class EverflowStream(HTTPStream[int]):
    """A stream of Everflow's network API."""

    # Reads only, POST included: Everflow's reports are queries in a body.
    allowed_requests = frozenset(
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
    error_hints: ClassVar[Mapping[int, str]] = {
        HTTPStatus.BAD_REQUEST: "Check the settings this request is made of: {timezone}, "
        "{currency_id} and the columns of {custom_reports}",
        HTTPStatus.UNAUTHORIZED: "Check {api_key}: it may be "
        "mistyped, revoked, or of an account on another host (EU accounts: set {api_url} to https://api-eu.eflow.team)",
        HTTPStatus.FORBIDDEN: "The key must be a network key (not an affiliate's or advertiser's) "
        "with permission for this; or deselect the stream",
        HTTPStatus.NOT_FOUND: "Check {api_url}; or deselect the stream",
    }

    descriptions = DESCRIPTIONS
    personal_fields = frozenset({"platform_username"})
    #: Its reports come from BigQuery, which has a quota of its own.
    high_cardinality = False
    _tap: TapEverflow

    @property
    @override
    def url_base(self) -> str:
        return self._tap.api_url

    @property
    @override
    def authenticator(self) -> APIKeyAuthenticator:
        return self._tap.authenticator

    @property
    def report_zone(self) -> ZoneInfo:
        """The zone whose days are reported."""
        return self._tap.report_zone

    @property
    def timezone_id(self) -> int:
        """Everflow's number for the report zone."""
        return self._tap.timezone_id(self.report_zone.key, self)

    @property
    def filters(self) -> list[dict[str, str]]:
        """The filters that the settings ask for, in the API's shape: ids as text."""
        advertiser = self.config.get("advertiser_id")
        return [report_filter("advertiser", advertiser)] if advertiser is not None else []

    @override
    def pacer(self, request: requests.PreparedRequest) -> RateLimiter:
        if REPORTING not in (request.url or ""):
            return self._tap.account_pacer
        return self._tap.bigquery_pacer if self.high_cardinality else self._tap.report_pacer

    @override
    def retry_wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        if error.response is not None and b"Big Query usage" in error.response.content:
            if attempt >= _QUOTA_TRIES:
                return None
            return min(_QUOTA_WAIT, float(self.config["max_retry_wait"]))
        return super().retry_wait(error, attempt)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask an endpoint.

        Args:
            path: Below the versioned base.
            params: The query.

        Returns:
            The decoded answer.
        """
        return self.fetch(HTTPRequest(url=self.url_base + path, params=dict(params or {})))

    def post(
        self, path: str, body: Mapping[str, Any], params: Mapping[str, Any] | None = None
    ) -> Any:
        """Send a report query.

        Args:
            path: Below the versioned base.
            body: The query.
            params: The paging, which Everflow reads from the URL even of a POST.

        Returns:
            The decoded answer.
        """
        return self.fetch(
            HTTPRequest(
                url=self.url_base + path, method="POST", params=dict(params or {}), data=body
            )
        )

    def rows_of(self, answer: Any, key: str) -> list[Record]:
        """The rows in an answer; null, or an answer without anything, is none.

        Args:
            answer: Decoded.
            key: Where they are.

        Raises:
            TapError: If it has other things, and no rows: then it is no answer to what was asked.
        """
        rows = answer
        if isinstance(answer, dict):
            rows = answer.get(key, None if answer.keys() <= _BESIDE_ROWS else answer)
            if rows is None:
                return []
        if not isinstance(rows, list) or rows is answer:
            names = sorted(answer) if isinstance(answer, dict) else [type(answer).__name__]
            has = ", ".join(names)[:200]
            msg = (
                f"{self.name}: Everflow answered without a list of {key}; it has: {has}. Nothing "
                "of it was loaded. Run it again; check api_url if it stays."
            )
            raise TapError(msg)
        return rows


class EverflowWindows(WindowedStream, EverflowStream):
    """A stream read in windows, as many at once as the settings allow."""

    @property
    @override
    def concurrency(self) -> int:  # type: ignore[override]
        return int(self.config["max_concurrency"])


def report_filter(resource_type: str, value: object) -> dict[str, str]:
    """A filter of a report query; Everflow refuses ids that are no text.

    Args:
        resource_type: What to filter by, such as ``advertiser``.
        value: The id.

    Returns:
        The filter, as https://developers.everflow.io/user-guide/api-filters has it.
    """
    return {"resource_type": resource_type, "filter_id_value": str(value)}
