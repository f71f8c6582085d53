"""What errors of Google's APIs mean, and how long to wait before a retry.

https://developers.google.com/sheets/api/limits
"""

from __future__ import annotations

import random
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests
from typing_extensions import override

from signalroom_singer import (
    ErrorMapper,
    ExitCode,
    RequestRejectedError,
    RetryPolicy,
    TapError,
    parse_retry_after,
    redact,
    setting_label,
)
from signalroom_singer.http.size_limit import ResponseTooLargeError

if TYPE_CHECKING:
    from singer_sdk.exceptions import RetriableAPIError

#: Statuses of transient errors that mean that a quota is used up.
QUOTA_STATUSES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN})
#: A spreadsheet that is not shared with these credentials may look as if it did not exist.
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
#: Reasons that Drive gives with 403: https://developers.google.com/drive/api/guides/handle-errors
_DRIVE_QUOTA = frozenset({"userRateLimitExceeded", "rateLimitExceeded", "dailyLimitExceeded"})
#: The quota is refilled each minute, and Google does not say when.
_REFILL_SECONDS = 61
_LONGEST_TEXT = 300
#: One of these keys is in each response: of the metadata, of cells, and of Drive.
_KEYS = ("sheets", "valueRanges", "version")


class RangeError(TapError):
    """Google does not know a tab or a range, perhaps any more."""


class GoogleErrorMapper(ErrorMapper):
    """Knows Google's quotas, and what to do about each of its errors.

    Args:
        share_with: Whom spreadsheets have to be shared with; None with an API key.
        address_setting: The name of the setting with the API's address.
    """

    def __init__(self, *, share_with: str | None, address_setting: str) -> None:
        super().__init__(address_setting=address_setting, find_error=find_error)
        self._share_with = share_with

    @override
    def check_response(self, response: requests.Response, label: str) -> None:
        status = response.status_code
        if status >= HTTPStatus.BAD_REQUEST and not self.is_transient(response):
            error = self._make_rejection(response, label)
            if status == HTTPStatus.UNAUTHORIZED:
                # The token may have been revoked: the client requests another one.
                raise RequestRejectedError(str(error), status)
            raise error
        super().check_response(response, label)

    @override
    def is_transient(self, response: requests.Response) -> bool:
        if response.status_code == HTTPStatus.FORBIDDEN:
            return _is_quota_error(response)
        return response.status_code == HTTPStatus.REQUEST_TIMEOUT or super().is_transient(response)

    @override
    def describe_status(self, response: requests.Response, label: str) -> str:
        return f"{_spreadsheet_of(label)}: HTTP {response.status_code}"

    @override
    def describe_failure(self, error: OSError, label: str, *, host: str, timeout: float) -> str:
        kind = type(error).__name__
        if isinstance(error, ResponseTooLargeError):
            problem = str(error)
        elif isinstance(error, requests.exceptions.ConnectionError):
            problem = f"cannot reach {host} ({kind}; check the network and any proxy)"
        else:
            problem = f"no response from {host} ({kind})"
        return f"{_spreadsheet_of(label)}: {problem}"

    @override
    def map_failure(self, error: OSError, label: str, *, host: str, timeout: float) -> Exception:
        if is_certificate_error(error):
            return untrusted_certificate_error(host)
        return super().map_failure(error, label, host=host, timeout=timeout)

    def _make_rejection(self, response: requests.Response, label: str) -> TapError:
        error = _find_error_object(response)
        text = str(error.get("message") or "no message")
        status = response.status_code
        error_type = TapError
        if "parse range" in text or "exceeds grid" in text:
            error_type = RangeError
            advice = f"Check name and range of the tab in {setting_label('spreadsheets')}."
        elif error.get("status") == "FAILED_PRECONDITION":
            advice = "It is an uploaded Office file: in Drive, save it as Google Sheets."
        elif "SERVICE_DISABLED" in str(error) or "has not been used" in text:
            advice = "Enable that API in the Google Cloud console, and wait some minutes."
        elif "API key" in text:
            advice = (
                f"Check {setting_label('api_key')}: Google Cloud console > APIs & Services "
                "> Credentials."
            )
        elif "scopes" in text:
            advice = (
                "Sign in again with the scope spreadsheets.readonly (and, for change_detection: "
                "drive, with drive.metadata.readonly)."
            )
        elif status in _DENIED:
            advice = (
                f"Share the spreadsheet with {self._share_with} as a viewer, and check its id."
                if self._share_with
                else f"With {setting_label('api_key')} the spreadsheet must be public to anyone "
                "with the "
                "link."
            )
        else:
            advice = "Check the spreadsheet's id, and the credentials."
        is_denied = status in _DENIED or "API key" in text
        return error_type(
            f"{_spreadsheet_of(label)}: HTTP {status}: {redact(text)[:_LONGEST_TEXT]} {advice}",
            exit_code=ExitCode.PERMISSION if is_denied else ExitCode.CONFIGURATION,
        )


class QuotaRetryPolicy(RetryPolicy):
    """Waits until a quota that is used up has been refilled."""

    @override
    def wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        tries = attempt + 1
        if tries >= self.max_tries:
            return None
        seconds = 2.0**tries
        if (response := error.response) is not None and response.status_code in QUOTA_STATUSES:
            retry_after = parse_retry_after(response.headers.get("Retry-After"))
            jitter = random.uniform(0, 5)  # nosec B311 # noqa: S311 - not cryptography
            refill = _REFILL_SECONDS * tries + jitter
            seconds = refill if retry_after is None else retry_after
        return min(seconds, self.max_wait)


def find_error(payload: Any) -> str | None:
    """Find out whether a payload with status 200 has none of the data that the tap requests.

    Args:
        payload: The decoded body of the response.

    Returns:
        What is wrong with it, or None if it has data.
    """
    if isinstance(payload, dict) and any(payload.get(key) is not None for key in _KEYS):
        return None
    return f"it has none of {', '.join(_KEYS)}"


def is_certificate_error(error: Exception) -> bool:
    """Whether a request failed because the server's certificate is not trusted.

    Args:
        error: The error of requests or of google-auth.
    """
    return "CERTIFICATE" in str(error)


def untrusted_certificate_error(host: str) -> TapError:
    """Make the error for a certificate that is not trusted.

    Args:
        host: The server's name, perhaps with a port.
    """
    msg = (
        f"The TLS certificate of {host} is not trusted. If a proxy of your own is in between, "
        "set the environment variable REQUESTS_CA_BUNDLE to its authority's file."
    )
    return TapError(msg, exit_code=ExitCode.CONFIGURATION)


def _spreadsheet_of(label: str) -> str:
    """Take the spreadsheet out of a label: the path of the request only repeats its id."""
    return label.partition(": GET ")[0]


def _find_error_object(response: requests.Response) -> dict[str, Any]:
    try:
        error = response.json()["error"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return {}
    return error if isinstance(error, dict) else {}


def _is_quota_error(response: requests.Response) -> bool:
    """Whether a 403 means that a quota is used up; a page in place of JSON means that too."""
    try:
        payload = response.json()
    except (ValueError, RecursionError):
        return True
    if not isinstance(payload, dict):
        return True
    reasons = _find_error_object(response).get("errors", ())
    return any(reason.get("reason") in _DRIVE_QUOTA for reason in reasons)
