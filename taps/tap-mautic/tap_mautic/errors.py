"""What Mautic's errors mean, and how long to wait before a retry."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import RetriableAPIError
from typing_extensions import override

from signalroom_singer import (
    ErrorMapper,
    ExitCode,
    RequestRejectedError,
    RetryPolicy,
    TapError,
    redact,
)
from tap_mautic.instance import server_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import requests

#: Statuses that mean that a page was too large for the server: too slow, or out of memory.
TOO_LARGE = frozenset({200, 500, 502, 504})
HINTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Check {oauth_client_id} and {oauth_client_secret}. If they "
    "are right, the web server may drop the Authorization header: see Mautic's documentation "
    "of the API",
    HTTPStatus.FORBIDDEN: "Give the role of the credentials the permission to view this, or "
    "deselect the stream; or turn on the API (and Basic auth, where it is used): Mautic > "
    "Settings > Configuration > API Settings",
    HTTPStatus.NOT_FOUND: "Check {api_url}, with the path if Mautic is below one",
    HTTPStatus.TOO_MANY_REQUESTS: "Mautic's own limit of calls an hour is used up. Raise "
    "{max_rate_limit_wait} to wait for it, or the limit in Mautic",
    HTTPStatus.SERVICE_UNAVAILABLE: "Mautic may be in maintenance mode: try again later",
}
#: Codes of errors with status 200 that a retry would not help against.
_REJECTED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
#: In the body of a 403, where the API or a way of signing in is turned off.
_API_DISABLED = re.compile(rb'"type"\s*:\s*"(api_disabled|access_denied)"')
_RESET = "X-RateLimit-Reset"


class MauticErrorMapper(ErrorMapper):
    """Knows that Mautic's statistics report errors with status 200."""

    def __init__(self) -> None:
        super().__init__(hints=HINTS, find_error=find_error, ca_bundle_setting="ca_bundle")

    @override
    def check_response(self, response: requests.Response, label: str) -> None:
        if response.status_code == HTTPStatus.FORBIDDEN and _API_DISABLED.search(response.content):
            # Not the permission of one stream: none can be read.
            message = self.describe_status(response, label)
            raise TapError(message, exit_code=ExitCode.PERMISSION)
        super().check_response(response, label)

    @override
    def check_payload(self, payload: Any, response: requests.Response, label: str) -> None:
        super().check_payload(payload, response, label)
        if "availableTables" in payload:
            msg = (
                f"{label}: this Mautic has no such table. Deselect the stream: its version, or a "
                "plugin that is missing, may be the reason."
            )
            raise RequestRejectedError(msg, HTTPStatus.FORBIDDEN)
        if not (errors := payload.get("errors")):
            return
        first = errors[0] if isinstance(errors, list) else errors
        first = first if isinstance(first, dict) else {"message": str(first)}
        text = redact(str(first.get("message") or "no text"))[:300].rstrip(". ")
        code = first.get("code")
        error = "an error" if code is None else f"error {code}"
        msg = f"{label} answered 200 with {error}: {text}"
        if code in _REJECTED:
            msg = f"{msg}. {self.hint(code)}"
            raise RequestRejectedError(msg, code)
        raise RetriableAPIError(msg, response)


class MauticRetryPolicy(RetryPolicy):
    """Waits for the end of Mautic's own hourly limit, if the settings allow that long a wait.

    Args:
        max_tries: How many times a request is sent at most.
        max_wait: The most seconds between two tries.
        max_rate_limit_wait: The most seconds to wait for the end of the hourly limit.
    """

    def __init__(self, *, max_tries: int, max_wait: float, max_rate_limit_wait: float) -> None:
        super().__init__(max_tries=max_tries, max_wait=max_wait)
        self.max_rate_limit_wait = max_rate_limit_wait

    @classmethod
    @override
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(
            max_tries=config["max_tries"],
            max_wait=config["max_retry_wait"],
            max_rate_limit_wait=config["max_rate_limit_wait"],
        )

    @override
    def wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        response = error.response
        if response is not None and response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            seconds = seconds_until_reset(response)
            if seconds is not None:
                may_wait = seconds <= self.max_rate_limit_wait and attempt + 1 < self.max_tries
                return seconds if may_wait else None
        return super().wait(error, attempt)


def find_error(payload: Any) -> str | None:
    """Find out whether a payload with status 200 is something else than Mautic's.

    Args:
        payload: The decoded body of the response.

    Returns:
        What is wrong with it, or None if it is an object.
    """
    if isinstance(payload, dict):
        return None
    return f"{type(payload).__name__} instead of an object"


def explain_smallest_page(error: RetriableAPIError) -> RetriableAPIError:
    """Add to an error 500 that smaller pages do not help against it.

    Args:
        error: Why the smallest page could not be read.

    Returns:
        An error with advice, or the same one if its reason may be another.
    """
    if error.response is None or error.response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
        return error
    msg = (
        f"{str(error).removesuffix('.')}. The smallest page fails too, so neither page size "
        "nor load is the reason: an administrator can find it in Mautic (System info > Log, "
        "or var/logs on its server). Until then, deselect the stream"
    )
    return RetriableAPIError(msg, error.response)


def seconds_until_reset(response: requests.Response) -> float | None:
    """Read how long Mautic's hourly limit lasts, by the server's clock; None if it does not say.

    Args:
        response: Any response of Mautic's.
    """
    try:
        reset = float(response.headers[_RESET])
    except (KeyError, ValueError):
        return None
    now = server_time(response)
    return max(1.0, reset - (now.timestamp() if now else time.time()))
