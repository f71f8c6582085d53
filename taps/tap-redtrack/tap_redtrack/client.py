"""How RedTrack's API behaves: https://api.redtrack.io/docs/index.html."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.authenticators import APIKeyAuthenticator
from typing_extensions import override

from signalroom_singer import ApiClient, ErrorMapper, RateLimiter, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from singer_sdk.exceptions import RetriableAPIError

    from signalroom_singer import ClientContext, ShrinkInstead

# Writes share paths with reads (POST /conversions, DELETE /campaigns/{id}): GET alone.
ALLOWED_REQUESTS = frozenset(
    ("GET", path)
    for path in (
        *("/campaigns", "/conversions", "/countries", "/currencies", "/domains", "/landings"),
        *("/networks", "/offers", "/report", "/sources", "/streams", "/timezones", "/tracks"),
    )
)
HINTS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "Check the settings this request is made of: {timezone}, "
    "{campaign_ids}, {source_ids}, {offer_ids} and the groups of {custom_reports}",
    HTTPStatus.UNAUTHORIZED: "Check {api_key}: it may be mistyped or revoked; RedTrack shows it "
    "under Tools > Integrations",
    HTTPStatus.FORBIDDEN: "The key's user may not read this; deselect the stream",
    HTTPStatus.NOT_FOUND: "Check {api_url}: it is the host alone, without /v1 or the like; or "
    "deselect the stream",
    HTTPStatus.TOO_MANY_REQUESTS: "Something else uses the same account's requests: lower "
    "{requests_per_minute}, or pause the other client",
}
#: What reports and logs can be filtered by, with ids.
FILTERS = ("campaign", "source", "offer")
_ENVELOPE = "items"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, a report or a log.

    Args:
        rows: The rows of the page, as RedTrack returns them.
        total: How many rows RedTrack counts on all pages; None where it does not say.
    """

    rows: list[Any]
    total: int | None = None


class RedTrackRetryPolicy(RetryPolicy):
    """Waits longer than a minute after a 429: RedTrack does not say when it is over."""

    #: The seconds in which RedTrack counts requests.
    rate_window: ClassVar[float] = 60.0

    @override
    def wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        wait = super().wait(error, attempt)
        status = None if error.response is None else error.response.status_code
        if wait is None or status != HTTPStatus.TOO_MANY_REQUESTS:
            return wait
        # Shorter waits would use up the tries within the same minute.
        return min(self.rate_window + wait, self.max_wait)


class RedTrackClient(ApiClient):
    """RedTrack's API, with its limit, its pages, and the zones of its days.

    Args:
        context: The tap's settings, connections, logger and limits.
        base_url: The address of the API.
        report_zone: The time zone whose days are reported.
        account_zone: The time zone of the account, whose days those of logs are.
    """

    def __init__(
        self,
        context: ClientContext,
        *,
        base_url: str,
        report_zone: ZoneInfo,
        account_zone: ZoneInfo,
    ) -> None:
        config = context.config
        super().__init__(
            context,
            base_url=base_url,
            allowed_requests=ALLOWED_REQUESTS,
            # RedTrack looks for the key nowhere but in the query. Discovery, which sends no
            # request, needs none.
            auth=APIKeyAuthenticator(
                key="api_key", value=config.get("api_key", ""), location="params"
            ),
            # The limit is documented for reports only, and not whether keys share it: all
            # requests count, one after another.
            rate_limit=RateLimiter(
                per_minute=config["requests_per_minute"], concurrency=1, account=context.account
            ),
            retry=RedTrackRetryPolicy.from_config(config),
            errors=ErrorMapper(hints=HINTS, find_error=find_error),
        )
        self.report_zone = report_zone
        self.account_zone = account_zone
        #: The filters of reports and logs that the settings ask for: ids, joined by commas.
        self.filters = {
            f"{name}_id": ",".join(ids) for name in FILTERS if (ids := config.get(f"{name}_ids"))
        }

    def get_page(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        shrink: ShrinkInstead | None = None,
    ) -> Page:
        """Request one page; a bare list and ``{items, total}`` are the same.

        Args:
            path: The path below the base URL.
            params: The query, without the key.
            shrink: When to raise `RequestTooLargeError` instead of a retry.

        Raises:
            RequestRejectedError: If RedTrack rejects the request.
            RetriableAPIError: If all tries failed.
        """
        payload = self.get(path, params, shrink=shrink)
        total = payload.get("total") if isinstance(payload, dict) else None
        return Page(extract_rows(payload) or [], total if type(total) is int else None)


def find_error(payload: Any) -> str | None:
    """Find the error in a response with status 200.

    Args:
        payload: The decoded body of the response.

    Returns:
        RedTrack's message, or what the payload is in place of a list; None if it is a list.
    """
    if isinstance(payload, dict) and payload.get("error"):
        return str(payload["error"])
    if extract_rows(payload) is None:
        keys = sorted(payload)[:5] if isinstance(payload, dict) else type(payload).__name__
        return f"neither a list nor a list of items ({keys})"
    return None


def extract_rows(payload: Any) -> list[Any] | None:
    """Take the rows out of a payload: a bare list, or ``{items, total}``.

    Args:
        payload: The decoded body of a response.

    Returns:
        The rows, or None if the payload is neither.
    """
    if isinstance(payload, list):
        return payload
    if not isinstance(payload, dict) or _ENVELOPE not in payload:
        return None
    items = payload[_ENVELOPE]
    # Go writes an empty list as null; then it counts none.
    if items is None and payload.get("total") == 0:
        return []
    return items if isinstance(items, list) else None
