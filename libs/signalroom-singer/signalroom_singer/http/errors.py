"""Turns responses, and requests without one, into errors that say what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.http.payload import error_text
from signalroom_singer.http.size_limit import LARGEST_RESPONSE, ResponseTooLargeError
from signalroom_singer.privacy.redaction import redact
from signalroom_singer.privacy.sensitive_fields import safe_message
from signalroom_singer.settings.variables import fill_setting_labels, setting_label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MESSAGE_LENGTH = 300
#: Reasons that mean: there was a connection, and then it broke.
_BROKEN_CONNECTION = frozenset(
    {"ProtocolError", "RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}
)
#: OpenSSL's reasons when a server replies in plain text, before Python 3.13 and since.
_PLAIN_TEXT_SERVER = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_NO_HINTS: Mapping[int, str] = {}


class ForbiddenRequestError(TapError):
    """A request outside the tap's list of allowed requests: it is never sent."""


class RequestRejectedError(FatalAPIError):
    """The vendor rejects a request; a retry would not help.

    Args:
        message: The sentence for the user.
        status: The HTTP status code of the response.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        denied = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        self.exit_code = ExitCode.PERMISSION if denied else ExitCode.CONFIGURATION


def error_in_ok_response(payload: Any) -> str | None:
    """Find the vendor's error in a response with status 200.

    Args:
        payload: The decoded body of the response.

    Returns:
        The vendor's message, or None if this is a proper response.
    """
    if payload is None:
        return "null"
    if isinstance(payload, dict) and payload.keys() == {"error"}:
        return str(payload["error"])
    return None


class ErrorMapper:
    """Decides what a response means: data, an error to retry, or an error to report.

    Redirects are rejected: they would carry the credentials to another host.

    Args:
        hints: What the user can do, by status code; ``{api_key}`` stands for the name of that
            setting and of the variable that sets it.
        address_setting: The name of the setting with the vendor's address.
        ca_bundle_setting: The name of the setting with certificates to trust, if the tap has one.
        find_error: A function that finds the vendor's error in the payload of a response with
            status 200, like `error_in_ok_response`.
    """

    def __init__(
        self,
        *,
        hints: Mapping[int, str] = _NO_HINTS,
        address_setting: str = "api_url",
        ca_bundle_setting: str = "",
        find_error: Callable[[Any], str | None] = error_in_ok_response,
    ) -> None:
        self._hints = hints
        self._address_setting = address_setting
        self._ca_bundle_setting = ca_bundle_setting
        self._find_error = find_error

    def check_response(self, response: requests.Response, label: str) -> None:
        """Check the status of a response, before its body is decoded.

        Args:
            response: Any response, with its body read.
            label: The stream and the request, as in ``offers: GET /offers``.

        Raises:
            RequestRejectedError: If the vendor rejects the request.
            RetriableAPIError: If a retry may help.
        """
        status = response.status_code
        if response.is_redirect:
            target = urlsplit(response.headers.get("Location", ""))
            msg = (
                f"{label} was redirected to {target.scheme}://{target.netloc}. Redirects are not "
                "followed, as they would take your credentials along. If the vendor has moved, "
                f"set {setting_label(self._address_setting)} to the new address."
            )
            raise RequestRejectedError(msg, status)
        if self.is_transient(response):
            raise RetriableAPIError(self.describe_status(response, label), response)
        if status >= HTTPStatus.BAD_REQUEST:
            raise RequestRejectedError(self.describe_status(response, label), status)

    def is_transient(self, response: requests.Response) -> bool:
        """Whether a retry of the request may help: by default after a 429, and any 5xx.

        Override it where a vendor asks for a retry with another status. How long to wait is
        `RetryPolicy.wait`.

        Args:
            response: Any response, with its body read.
        """
        status = response.status_code
        return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def check_payload(self, payload: Any, response: requests.Response, label: str) -> None:
        """Check what a response with a good status holds.

        Args:
            payload: The decoded body of the response.
            response: The response itself.
            label: The stream and the request, as in ``offers: GET /offers``.

        Raises:
            RetriableAPIError: If the payload is an error and not data.
        """
        if (error := self._find_error(payload)) is not None:
            msg = f"{label} returned 200 but no data: {safe_message(error)}"
            raise RetriableAPIError(msg[: 2 * MESSAGE_LENGTH], response)

    def hint(self, status: int) -> str:
        """What the user can do about a status code; empty where nothing is known.

        Args:
            status: An HTTP status code.
        """
        return fill_setting_labels(self._hints.get(status, ""))

    def describe_status(self, response: requests.Response, label: str) -> str:
        """Write the sentence about an error status.

        Args:
            response: A response with an error status.
            label: The stream and the request, as in ``offers: GET /offers``.

        Returns:
            The request, the status, the vendor's own words, and the hint.
        """
        status = response.status_code
        vendor_text = safe_message(error_text(response))[:MESSAGE_LENGTH].rstrip(".")
        text = f"{label} answered {status} {response.reason or ''}".strip()
        text = f"{text}: {vendor_text}" if vendor_text else text
        return ". ".join(part for part in (text, self.hint(status)) if part)

    def map_failure(self, error: OSError, label: str, *, host: str, timeout: float) -> Exception:
        """Make the error of a request that got no complete response.

        Args:
            error: Why there is no response.
            label: The stream and the request, as in ``offers: GET /offers``.
            host: The server's name, perhaps with a port.
            timeout: The seconds that a response may take.

        Returns:
            An error to retry; another one, where a retry would not help.
        """
        return RetriableAPIError(self.describe_failure(error, label, host=host, timeout=timeout))

    def describe_failure(self, error: OSError, label: str, *, host: str, timeout: float) -> str:
        """Write the sentence about a request that got no complete response.

        Args:
            error: Why there is no response.
            label: The stream and the request, as in ``offers: GET /offers``.
            host: The server's name, perhaps with a port.
            timeout: The seconds that a response may take.

        Returns:
            The sentence, without the request's URL: that may hold a secret.
        """
        address = setting_label(self._address_setting)
        reason = root_cause(error)
        if isinstance(error, requests.Timeout):
            problem = (
                f"had no response from {host} within {timeout} s (setting "
                f"{setting_label('request_timeout')})"
            )
        elif isinstance(error, ResponseTooLargeError):
            problem = (
                f"had a response from {host} of more than {LARGEST_RESPONSE >> 20} MiB, which was "
                f"not read to its end. Check {address}, and any proxy in between"
            )
        elif isinstance(error, requests.exceptions.SSLError):
            return redact(self._describe_tls_failure(error, host))
        elif reason in _BROKEN_CONNECTION:
            problem = (
                f"lost its connection to {host} ({reason}). Check the network, and any proxy "
                "in between"
            )
        elif isinstance(error, requests.exceptions.ConnectionError):
            return redact(
                f"Cannot reach {host} ({reason}). Check {address}, the network, and any proxy"
            )
        else:
            problem = f"had a broken response from {host} ({reason})"
        return redact(f"{label} {problem}")

    def _describe_tls_failure(self, error: requests.exceptions.SSLError, host: str) -> str:
        address = setting_label(self._address_setting)
        if speaks_no_tls(error):
            return (
                f"{host} does not speak TLS. Check {address}: its port, and whether it begins with "
                "http:// instead"
            )
        ca_bundle = self._ca_bundle_setting
        ca_bundle = (
            setting_label(ca_bundle) if ca_bundle else "the environment variable REQUESTS_CA_BUNDLE"
        )
        return (
            f"The TLS certificate of {host} is not trusted ({root_cause(error)}). Check {address}; "
            f"if your own certificate authority signed it, set {ca_bundle} to that authority's file"
        )


def speaks_no_tls(error: BaseException) -> bool:
    """Whether a TLS handshake failed because the server answered in plain text.

    Args:
        error: The error of the handshake.
    """
    return any(words in str(error) for words in _PLAIN_TEXT_SERVER)


def root_cause(error: BaseException) -> str:
    """The class name of the innermost reason; its text may hold the URL.

    Args:
        error: An error that may wrap others.
    """
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None) or next(iter(getattr(reason, "args", ())), None)
        if not isinstance(inner, BaseException):
            return type(reason).__name__
        reason = inner
