"""The base of every stream that is read over HTTP."""

from __future__ import annotations

import json
import re
from abc import ABC
from collections.abc import Callable, Generator, Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import backoff
import msgspec
import requests
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from singer_sdk.streams import RESTStream
from typing_extensions import TypeVar, override

from signalroom_singer.answers import LARGEST_ANSWER, AnswerTooLargeError
from signalroom_singer.errors import TapError
from signalroom_singer.exitcodes import ExitCode
from signalroom_singer.hashing import HASH_SALT
from signalroom_singer.pacing import Pacer
from signalroom_singer.redaction import redact
from signalroom_singer.retry import exponential_wait, parse_retry_after
from signalroom_singer.sensitive import safe_message
from signalroom_singer.stream import SignalRoomStream
from signalroom_singer.variables import current, named, with_variables
from signalroom_singer.vendortext import sentence

if TYPE_CHECKING:
    from backoff.types import Details
    from singer_sdk.helpers.types import Context
    from singer_sdk.streams.rest import HTTPRequest

    from signalroom_singer.tap import SignalRoomTap

_TToken = TypeVar("_TToken", default=Any)
_RequestFunc = Callable[[requests.PreparedRequest, "Context | None"], requests.Response]

_CONNECT_TIMEOUT = 10
_MESSAGE_LENGTH = 300
#: The connection was made, and then it broke.
_CUT_OFF = {"ProtocolError", "RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class ForbiddenRequestError(TapError):
    """A request outside the tap's allow-list: never sent."""


class RefusedError(FatalAPIError):
    """The vendor refuses a request; asking again would not help."""

    def __init__(self, message: str, status: int) -> None:
        """Say what was refused.

        Args:
            message: For the user.
            status: The HTTP status code.
        """
        super().__init__(message)
        self.status = status
        denied = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        self.exit_code = ExitCode.PERMISSION if denied else ExitCode.CONFIGURATION


class HTTPStream(SignalRoomStream, RESTStream[_TToken], ABC):
    """A REST stream that paces, retries, checks answers, and explains errors.

    - Only requests in :attr:`allowed_requests` are sent.
    - Each waits its turn in :meth:`pacer`, shared by all streams of the tap.
    - 429, 5xx, connection errors, cut bodies, and answers that are no JSON are tried
      again; ``Retry-After`` is honoured up to the setting ``max_retry_wait``.
    - Redirects are not followed: they would carry the credentials to another host.
    - Errors name the stream, the endpoint, what the vendor said, and what to do.

    Settings used: those of :data:`signalroom_singer.HTTP_SETTINGS`.
    """

    #: What may be called, as (method, path below the base URL); ``{}`` stands for one segment.
    allowed_requests: ClassVar[frozenset[tuple[str, str]]] = frozenset()

    #: Statuses that say something about one endpoint, once all tries were in vain: streams after
    #: this one are read, and the run fails at its end. None of them is about the whole server.
    own_failures: ClassVar[frozenset[int]] = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR})
    #: Whether this run could not read all of the stream.
    has_failed = False

    #: What the user can do about a status code; ``{api_key}`` stands for the setting's name, and
    #: the variable that gives it.
    error_hints: ClassVar[Mapping[int, str]] = {}

    #: The setting of the address that is asked.
    address_setting: ClassVar[str] = "api_url"

    allow_redirects = False
    # A line for each of thousands of requests would bury the rest; they are counted anyway.
    _LOG_REQUEST_METRICS = False
    _tap: SignalRoomTap
    _unpaced = Pacer()

    # What a client says about its vendor

    def pacer(self, request: requests.PreparedRequest) -> Pacer:  # noqa: ARG002
        """The budget a request counts against; one object for all streams that share it."""
        return self._unpaced

    def vendor_error(self, payload: Any) -> str | None:
        """Find the vendor's error in an answer with status 200.

        Args:
            payload: The decoded body.

        Returns:
            The vendor's message, or ``None`` if this is a proper answer.
        """
        if payload is None:
            return "null"
        if isinstance(payload, dict) and payload.keys() == {"error"}:
            return str(payload["error"])
        return None

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
        if asked := parse_retry_after(headers.get("Retry-After")):
            wait = max(wait, asked)
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
            RefusedError: If the vendor refuses the request.
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
        self.last_asked = self._asked(prepared_request)
        pacer = self.pacer(prepared_request)
        with pacer.turn():
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
            response: Any response.

        Raises:
            RefusedError: If the vendor refuses the request.
            RetriableAPIError: If trying again may help.
        """
        if response.is_redirect:
            target = urlsplit(response.headers.get("Location", ""))
            msg = (
                f"{self._asked(response.request)} was redirected to {target.scheme}://"
                f"{target.netloc}. Redirects are not followed, they would take your credentials "
                f"along; if the vendor has moved, set {named(self.address_setting)} to the new "
                "address."
            )
            raise RefusedError(msg, response.status_code)
        try:
            super().validate_response(response)
        except FatalAPIError as refusal:
            raise RefusedError(str(refusal), response.status_code) from None
        payload = self._decode(response)
        if (error := self.vendor_error(payload)) is not None:
            msg = f"{self._asked(response.request)} answered 200 but no data: {safe_message(error)}"
            raise RetriableAPIError(msg[: 2 * _MESSAGE_LENGTH], response)
        response.payload = payload  # type: ignore[attr-defined]

    def _decode(self, response: requests.Response) -> Any:
        body = response.content.removeprefix(b"\xef\xbb\xbf")
        try:
            return _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            # Some vendors leave raw control characters in their texts, which JSON forbids.
            return json.loads(body, strict=False, parse_float=Decimal)
        except (ValueError, RecursionError):
            msg = (
                f"{self._asked(response.request)} answered {response.status_code} with "
                f"{_described(response, body)} where JSON belongs"
            )
            raise RetriableAPIError(msg, response) from None

    @override
    def response_error_message(self, response: requests.Response) -> str:
        status = response.status_code
        said = safe_message(_vendor_message(response))[:_MESSAGE_LENGTH].rstrip(".")
        hint = with_variables(self.error_hints.get(status, ""))
        text = f"{self._asked(response.request)} answered {status} {response.reason or ''}".strip()
        return ". ".join(part for part in (f"{text}: {said}" if said else text, hint) if part)

    @override
    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        payload = self.payload(response)
        yield from payload if isinstance(payload, list) else [payload]

    @override
    def log_sync_costs(self) -> None:
        # The SDK calls this once all streams are done, and lets taps add nothing to its loop.
        super().log_sync_costs()
        refused: TapError | None = None
        try:
            if self._tap.refusals:
                self._tap.refusals.end(self.name)
        except TapError as error:
            refused = error
        if self.name == [*self._tap.streams][-1]:
            self._tap.failures.end(also=refused)

    # Failing without taking other streams along

    def fails_alone(self, error: Exception) -> bool:
        """Whether streams after this one may still be readable.

        Args:
            error: Why this one cannot be read.
        """
        if isinstance(error, FatalAPIError):
            return isinstance(error, RefusedError) and error.status in self.own_failures
        if isinstance(error, RetriableAPIError):
            response = error.response
            return response is not None and response.status_code in self.own_failures
        return True

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        with self._tap.failures.isolated(self):
            yield from super()._sync_records(context, write_messages=write_messages)

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        # It would make a bookmark of how far a stream came that was not read to its end.
        if not self.has_failed:
            super().finalize_state_progress_markers(state)

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

    def _asked(self, request: requests.PreparedRequest) -> str:
        return f"{self.name}: {request.method} {self._path(request.url)}"

    def _unsendable(self, request: requests.PreparedRequest) -> TapError:
        secrets = [
            name
            for name, one in current().properties.items()
            if one.get("secret") and self.config.get(name) and name != HASH_SALT
        ]
        given = " and ".join(named(name) for name in secrets) or "the credentials"
        msg = (
            f"{self._asked(request)} cannot be sent: a header has a character that no header may "
            f"have. Copy {given} again."
        )
        return TapError(msg, exit_code=ExitCode.CONFIGURATION)

    def _no_answer(self, request: requests.PreparedRequest, error: Exception) -> str:
        host = urlsplit(request.url or "").netloc
        address = named(self.address_setting)
        if isinstance(error, requests.Timeout):
            what = (
                f"had no response from {host} within {self.config['request_timeout']} s (setting "
                f"{named('request_timeout')})"
            )
        elif isinstance(error, AnswerTooLargeError):
            what = (
                f"had a response from {host} of more than {LARGEST_ANSWER >> 20} MiB, which was "
                f"not read to its end. Check {address}, and any proxy in between"
            )
        elif isinstance(error, requests.exceptions.SSLError) and speaks_no_tls(error):
            return redact(
                f"{host} does not speak TLS. Check {address}: its port, and whether it begins with "
                "http:// instead"
            )
        elif isinstance(error, requests.exceptions.SSLError):
            return redact(
                f"The TLS certificate of {host} is not trusted ({_root(error)}). Check {address}; "
                "if your own certificate authority signed it, set the environment variable "
                "REQUESTS_CA_BUNDLE to that authority's file"
            )
        elif _root(error) in _CUT_OFF:
            what = (
                f"lost its connection to {host} ({_root(error)}). Check the network, and any proxy "
                "in between"
            )
        elif isinstance(error, requests.exceptions.ConnectionError):
            return redact(
                f"Cannot reach {host} ({_root(error)}). Check {address}, the network, and any proxy"
            )
        else:
            what = f"had a broken response from {host} ({_root(error)})"
        return redact(f"{self._asked(request)} {what}")


def speaks_no_tls(error: BaseException) -> bool:
    """Whether a handshake failed as the server answered it with plain text.

    Args:
        error: Of the handshake.
    """
    # OpenSSL's words, before Python 3.13 and since.
    return any(one in str(error) for one in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"))


def _root(error: BaseException) -> str:
    """The name of the innermost reason; its text may hold the URL."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None) or next(iter(getattr(reason, "args", ())), None)
        if not isinstance(inner, BaseException):
            return type(reason).__name__
        reason = inner


def _described(response: requests.Response, body: bytes) -> str:
    if not body.strip():
        return "an empty body"
    if body.lstrip()[:1] == b"<":
        title = _TITLE.search(body)
        text = title.group(1).decode(errors="replace").strip() if title else ""
        return f"an HTML page {safe_message(text)[:80]!r}" if text else "an HTML page"
    kind = response.headers.get("Content-Type", "no content type").split(";")[0]
    return f"{len(body)} bytes that do not parse ({kind}); the body may have been cut"


def _vendor_message(response: requests.Response) -> str:
    try:
        payload = _decoder.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = response.content.strip()
        return _described(response, text) if text[:1] == b"<" else text.decode(errors="replace")
    if isinstance(payload, dict):
        for key in ("error", "detail", "message", "errors"):
            if payload.get(key):
                return sentence(payload[key])
    return json.dumps(payload, default=str)
