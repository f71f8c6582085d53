"""How RedTrack's API behaves: https://api.redtrack.io/docs/index.html."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from signalroom_singer import HTTPStream, RateLimiter
from tap_redtrack.descriptions import DESCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    import requests
    from singer_sdk.authenticators import APIKeyAuthenticator
    from singer_sdk.exceptions import RetriableAPIError

    from tap_redtrack.tap import TapRedTrack

#: By these ids reports and logs can be filtered.
FILTERS = ("campaign", "source", "offer")
_ENVELOPE = "items"


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of an answer, and how many RedTrack says there are, if it does."""

    rows: list[Any]
    total: int | None = None


class RedTrackStream(HTTPStream[int]):
    """A stream of RedTrack's API."""

    descriptions = DESCRIPTIONS
    # Writes share paths with reads (POST /conversions, DELETE /campaigns/{id}): GET alone.
    allowed_requests = frozenset(
        {
            ("GET", "/campaigns"),
            ("GET", "/conversions"),
            ("GET", "/countries"),
            ("GET", "/currencies"),
            ("GET", "/domains"),
            ("GET", "/landings"),
            ("GET", "/networks"),
            ("GET", "/offers"),
            ("GET", "/report"),
            ("GET", "/sources"),
            ("GET", "/streams"),
            ("GET", "/timezones"),
            ("GET", "/tracks"),
        }
    )
    error_hints: ClassVar[Mapping[int, str]] = {
        HTTPStatus.BAD_REQUEST: "Check the settings this request is made of: {timezone}, "
        "{campaign_ids}, {source_ids}, {offer_ids} and the groups of {custom_reports}",
        HTTPStatus.UNAUTHORIZED: "Check {api_key}: it may be "
        "mistyped or revoked; RedTrack shows it under Tools > Integrations",
        HTTPStatus.FORBIDDEN: "The key's user may not read this; deselect the stream",
        HTTPStatus.NOT_FOUND: "Check {api_url}: it is the host alone, without /v1 or the "
        "like; or deselect the stream",
        HTTPStatus.TOO_MANY_REQUESTS: "Something else uses the same account's requests: lower "
        "{requests_per_minute}, or pause the other client",
    }
    #: Seconds in which RedTrack counts requests. It does not say when a 429 is over.
    rate_window: ClassVar[float] = 60.0
    _tap: TapRedTrack

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
    def filters(self) -> dict[str, str]:
        """The filters that the settings ask for: ids with commas between them."""
        wanted = {f"{name}_id": self.config.get(f"{name}_ids") for name in FILTERS}
        return {name: ",".join(ids) for name, ids in wanted.items() if ids}

    @override
    def pacer(self, request: requests.PreparedRequest) -> RateLimiter:
        # The limit is documented for reports only, and not whether keys share it: one for all.
        return self._tap.account_pacer

    @override
    def retry_wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        wait = super().retry_wait(error, attempt)
        refused = error.response is not None and (
            error.response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        )
        if wait is None or not refused:
            return wait
        # Shorter waits would use up the tries within the same minute.
        return min(self.rate_window + wait, float(self.config["max_retry_wait"]))

    @override
    def vendor_error(self, payload: Any) -> str | None:
        if isinstance(payload, dict) and payload.get("error"):
            return str(payload["error"])
        if _rows(payload) is None:
            keys = sorted(payload)[:5] if isinstance(payload, dict) else type(payload).__name__
            return f"neither a list nor a list of items ({keys})"
        return None

    def ask(self, path: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Ask an endpoint.

        Args:
            path: Below the base.
            params: The query, without the key.

        Returns:
            The rows; a bare list and ``{items, total}`` are the same.
        """
        payload = self.fetch(HTTPRequest(url=self.url_base + path, params=dict(params or {})))
        total = payload.get("total") if isinstance(payload, dict) else None
        return Answer(_rows(payload) or [], total if type(total) is int else None)


def _rows(payload: Any) -> list[Any] | None:
    """The rows in either envelope; ``None`` if it is no envelope."""
    if isinstance(payload, list):
        return payload
    if not isinstance(payload, dict) or _ENVELOPE not in payload:
        return None
    items = payload[_ENVELOPE]
    # Go writes an empty list as null; then it counts none.
    if items is None and payload.get("total") == 0:
        return []
    return items if isinstance(items, list) else None
