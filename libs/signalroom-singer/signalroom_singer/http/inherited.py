"""The base of streams that inherit the client. It goes once they all are on `ApiStream`."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import cached_property
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import backoff
import requests
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from singer_sdk.streams import RESTStream
from typing_extensions import TypeVar, override

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.http.errors import (
    MESSAGE_LENGTH,
    ErrorMapper,
    ForbiddenRequestError,
    RequestRejectedError,
    error_in_ok_response,
)
from signalroom_singer.http.payload import decode_json, describe_body, error_text
from signalroom_singer.http.rate_limit import RateLimiter
from signalroom_singer.http.retry import exponential_wait, parse_retry_after
from signalroom_singer.isolated_stream import IsolatedStream
from signalroom_singer.privacy.hashing import HASH_SALT
from signalroom_singer.privacy.sensitive_fields import safe_message
from signalroom_singer.settings.variables import current_naming, fill_setting_labels, setting_label

if TYPE_CHECKING:
    from backoff.types import Details
    from singer_sdk.helpers.types import Context
    from singer_sdk.streams.rest import HTTPRequest

_TToken = TypeVar("_TToken", default=Any)
_RequestFunc = Callable[[requests.PreparedRequest, "Context | None"], requests.Response]

_CONNECT_TIMEOUT = 10


class HTTPStream(IsolatedStream, RESTStream[_TToken], ABC):
    """A REST stream that paces, retries, checks answers, and explains errors.

    - Only requests in :attr:`allowed_requests` are sent.
    - Each waits its turn in :meth:`pacer`, shared by all streams of the tap.
    - 429, 5xx, connection errors, cut bodies, and answers that are no JSON are tried
      again; ``Retry-After`` is honoured up to the setting ``max_retry_wait``.
    - Redirects are not followed: they would carry the credentials to another host.
    - Errors name the stream, the endpoint, what the vendor text_of_vendor, and what to do.

    Settings used: those of :data:`signalroom_singer.HTTP_SETTINGS`.
    """

    #: What may be called, as (method, path below the base URL); ``{}`` stands for one segment.
    allowed_requests: ClassVar[frozenset[tuple[str, str]]] = frozenset()

    #: What the user can do about a status code; ``{api_key}`` stands for the setting's name, and
    #: the variable that gives it.
    error_hints: ClassVar[Mapping[int, str]] = {}

    #: The setting of the address that is asked.
    address_setting: ClassVar[str] = "api_url"

    allow_redirects = False
    # A line for each of thousands of requests would bury the rest; they are counted anyway.
    _LOG_REQUEST_METRICS = False
    _unpaced = RateLimiter()
    _last_request = ""

    @override
    def last_request(self) -> str:
        return self._last_request

    # What a client says about its vendor

    def pacer(self, request: requests.PreparedRequest) -> RateLimiter:  # noqa: ARG002
        """The budget a request counts against; one object for all streams that share it."""
        return self._unpaced

    def vendor_error(self, payload: Any) -> str | None:
        """Find the vendor's error in an answer with status 200.

        Args:
            payload: The decoded body.

        Returns:
            The vendor's message, or ``None`` if this is a proper answer.
        """
        return error_in_ok_response(payload)

    def retry_wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        """Decide on another try.

        Args:
            error: What went wrong; its ``response`` is missing where there was none.
            attempt: 0 after the first failure.

        Returns:
            Seconds to wait, or ``None`` to give up.
        """
        if attempt + 1 >= self.config["max_tries"]:
            return None
        wait = exponential_wait(attempt)
        headers: Mapping[str, str] = {} if error.response is None else error.response.headers
        if retry_after := parse_retry_after(headers.get("Retry-After")):
            wait = max(wait, retry_after)
        return min(wait, float(self.config["max_retry_wait"]))

    # Asking

    def fetch(self, request: HTTPRequest, context: Context | None = None) -> Any:
        """Send one request, with all the retries it needs.

        Args:
            request: URL, method, query and body.
            context: The stream's partition, if any.

        Returns:
            The decoded JSON; fractions are ``Decimal``, so money stays exact.

        Raises:
            RequestRejectedError: If the vendor refuses the request.
            RetriableAPIError: If it kept failing.
        """
        try:
            prepared = self.build_prepared_request(
                method=request.method,
                url=request.url,
                params=request.encode_params(),
                headers=request.headers,
                json=request.data,
            )
        except requests.exceptions.InvalidJSONError:
            # Python reads NaN where JSON belongs, and does not write it.
            msg = (
                f"{self.name}: {request.method} {self._path(request.url)} would ask for a number "
                "that is none: an answer before it has NaN or an infinity. Run it again."
            )
            raise TapError(msg) from None
        return self.payload(self._send_with_retries(prepared, context))

    @staticmethod
    def payload(response: requests.Response) -> Any:
        """The decoded JSON of a response that was validated."""
        return response.payload  # type: ignore[attr-defined]

    @cached_property
    def _send_with_retries(self) -> _RequestFunc:
        return self.request_decorator(self._request)

    @property
    @override
    def requests_session(self) -> requests.Session:
        return self._tap.http_session

    @property
    @override
    def timeout(self) -> tuple[int, int]:  # type: ignore[override]
        return (_CONNECT_TIMEOUT, self.config["request_timeout"])

    @override
    def _request(
        self, prepared_request: requests.PreparedRequest, context: Context | None
    ) -> requests.Response:
        self._check_allowed(prepared_request)
        self._last_request = self._label(prepared_request)
        pacer = self.pacer(prepared_request)
        with pacer.slot():
            try:
                return super()._request(prepared_request, context)
            except RetriableAPIError as error:
                status = None if error.response is None else error.response.status_code
                if status == HTTPStatus.TOO_MANY_REQUESTS:
                    pacer.pause(self.retry_wait(error, 0) or 0)
                raise
            except (requests.exceptions.InvalidHeader, UnicodeError):
                raise self._unsendable(prepared_request) from None
            except requests.RequestException as error:
                # Not chained: its text and its request carry the URL with all it holds.
                raise RetriableAPIError(self._no_answer(prepared_request, error)) from None
            except ValueError as error:
                # As http.client has it of a line break; others are of an answer.
                if not str(error).startswith("Invalid header"):
                    raise
                raise self._unsendable(prepared_request) from None

    def _check_allowed(self, request: requests.PreparedRequest) -> None:
        method, path = request.method, self._path(request.url)
        for allowed_method, allowed_path in self.allowed_requests:
            pattern = re.escape(allowed_path).replace(r"\{\}", "[^/]+")
            if method == allowed_method and re.fullmatch(pattern, path):
                return
        msg = (
            f"{self.name}: {method} {path} is not among the requests that {self.tap_name} may "
            "send. It only reads, by a list of endpoints; this is a mistake in the tap."
        )
        raise ForbiddenRequestError(msg)

    # Judging the answer

    @override
    def validate_response(self, response: requests.Response) -> None:
        """Check an answer and decode it.

        Args:
            response: The response to check.

        Raises:
            RequestRejectedError: If the vendor refuses the request.
            RetriableAPIError: If trying again may help.
        """
        if response.is_redirect:
            target = urlsplit(response.headers.get("Location", ""))
            msg = (
                f"{self._label(response.request)} was redirected to {target.scheme}://"
                f"{target.netloc}. Redirects are not followed, they would take your credentials "
                f"along; if the vendor has moved, set {setting_label(self.address_setting)} to "
                "the new address."
            )
            raise RequestRejectedError(msg, response.status_code)
        try:
            super().validate_response(response)
        except FatalAPIError as refusal:
            raise RequestRejectedError(str(refusal), response.status_code) from None
        payload = self._decode(response)
        if (error := self.vendor_error(payload)) is not None:
            msg = f"{self._label(response.request)} answered 200 but no data: {safe_message(error)}"
            raise RetriableAPIError(msg[: 2 * MESSAGE_LENGTH], response)
        response.payload = payload  # type: ignore[attr-defined]

    def _decode(self, response: requests.Response) -> Any:
        try:
            return decode_json(response.content)
        except ValueError:
            msg = (
                f"{self._label(response.request)} answered {response.status_code} with "
                f"{describe_body(response)} where JSON belongs"
            )
            raise RetriableAPIError(msg, response) from None

    @override
    def response_error_message(self, response: requests.Response) -> str:
        status = response.status_code
        text_of_vendor = safe_message(error_text(response))[:MESSAGE_LENGTH].rstrip(".")
        hint = fill_setting_labels(self.error_hints.get(status, ""))
        text = f"{self._label(response.request)} answered {status} {response.reason or ''}".strip()
        return ". ".join(
            part for part in (f"{text}: {text_of_vendor}" if text_of_vendor else text, hint) if part
        )

    @override
    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        payload = self.payload(response)
        yield from payload if isinstance(payload, list) else [payload]

    # Trying again

    @override
    def request_decorator(self, func: _RequestFunc) -> _RequestFunc:
        return backoff.on_exception(
            self.backoff_wait_generator,
            RetriableAPIError,
            max_tries=None,  # retry_wait decides
            jitter=None,
            on_backoff=self.backoff_handler,
            on_giveup=self._log_giving_up,
            logger=None,
        )(func)

    @override
    def backoff_wait_generator(self) -> Generator[float, Any, None]:
        error = yield 0.0
        for attempt in count():
            if (wait := self.retry_wait(error, attempt)) is None:
                return
            error = yield wait

    @override
    def backoff_handler(self, details: Details) -> None:
        self.logger.warning(
            "%s; trying again in %.1f s (try %d failed)",
            details["exception"],
            details["wait"],
            details["tries"],
        )

    def _log_giving_up(self, details: Details) -> None:
        # The error itself follows, as the run's last words.
        self.logger.warning(
            "Gave up after %d tries in %.0f s", details["tries"], details["elapsed"]
        )

    # Naming things

    def _path(self, url: str | None) -> str:
        base = urlsplit(self.url_base).path
        return urlsplit(url or "").path.removeprefix(base)

    def _label(self, request: requests.PreparedRequest) -> str:
        return f"{self.name}: {request.method} {self._path(request.url)}"

    def _unsendable(self, request: requests.PreparedRequest) -> TapError:
        secrets = [
            name
            for name, declared in current_naming().properties.items()
            if declared.get("secret") and self.config.get(name) and name != HASH_SALT
        ]
        settings = " and ".join(setting_label(name) for name in secrets) or "the credentials"
        msg = (
            f"{self._label(request)} cannot be sent: a header has a character that no header may "
            f"have. Copy {settings} again."
        )
        return TapError(msg, exit_code=ExitCode.CONFIGURATION)

    def _no_answer(
        self, request: requests.PreparedRequest, error: requests.RequestException
    ) -> str:
        errors = ErrorMapper(address_setting=self.address_setting)
        return errors.describe_failure(
            error,
            self._label(request),
            host=urlsplit(request.url or "").netloc,
            timeout=self.config["request_timeout"],
        )
