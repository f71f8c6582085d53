"""The client of a vendor's API."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.http.auth import TokenAuth
from signalroom_singer.http.errors import ErrorMapper, ForbiddenRequestError, RequestRejectedError
from signalroom_singer.http.payload import decode_json, describe_body
from signalroom_singer.http.rate_limit import RateLimiter
from signalroom_singer.http.retry import RetryPolicy
from signalroom_singer.http.size_limit import ResponseTooLargeError, read_body
from signalroom_singer.privacy.hashing import HASH_SALT
from signalroom_singer.settings.variables import current_naming, setting_label

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Mapping
    from typing import Self

    from signalroom_singer.http.retry import ShrinkInstead
    from signalroom_singer.limits.account import AccountLimits

_CONNECT_TIMEOUT = 10
_GET, _POST = "GET", "POST"


@dataclass(frozen=True, slots=True)
class ClientContext:
    """What a client needs of its tap: `SignalRoomTap.client_context`.

    Attributes:
        config: The tap's settings.
        open_session: Returns the connections that all streams share.
        logger: The logger of the tap, for requests that belong to no stream.
        account: The account's limits, for rate limiters; None without the setting
            ``rate_limit_store``.
    """

    config: Mapping[str, Any]
    open_session: Callable[[], requests.Session]
    logger: logging.Logger
    account: AccountLimits | None = None


class ApiClient:
    """Sends requests to one API, and returns decoded payloads.

    - Only requests in ``allowed_requests`` are sent.
    - Each waits for its slot in a `RateLimiter`, which all streams of the tap share.
    - 429, 5xx, connection errors, incomplete bodies, and bodies that are not JSON are retried;
      ``Retry-After`` is honoured up to the setting ``max_retry_wait``.
    - Redirects are not followed: they would carry the credentials to another host.
    - Errors name the stream, the request, the vendor's own words, and what to do.

    A tap makes one client, and gives each stream its own view of it: `for_stream`. Settings used:
    those of :data:`signalroom_singer.HTTP_SETTINGS`.

    Args:
        context: The tap's settings, connections and logger.
        base_url: The address that all paths are below, as `validate_base_url` returns it.
        allowed_requests: The requests that may be sent, as (method, path); ``{}`` in a path
            stands for one segment.
        auth: Signs each request, as for `requests`; see `signalroom_singer.http.auth`.
        rate_limit: The limit that all requests share; see `rate_limiter` for several.
        retry: The retry policy; built from the settings by default.
        errors: What responses mean, and what the user can do.
        decode: A function that turns a body into a payload, or raises ValueError.
        on_response: Called with each successful response, for example to read its headers about
            limits or the vendor's clock.
    """

    def __init__(
        self,
        context: ClientContext,
        *,
        base_url: str,
        allowed_requests: Collection[tuple[str, str]],
        auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
        rate_limit: RateLimiter | None = None,
        retry: RetryPolicy | None = None,
        errors: ErrorMapper | None = None,
        decode: Callable[[bytes], Any] = decode_json,
        on_response: Callable[[requests.Response], None] | None = None,
    ) -> None:
        self.config = context.config
        self.base_url = base_url
        self.retry = retry or RetryPolicy.from_config(context.config)
        self.errors = errors or ErrorMapper()
        self.logger = context.logger
        #: The stream that this view is for; empty for the client itself.
        self.stream_name = ""
        #: The stream and its latest request, for errors; in several threads, one of theirs.
        self.last_request = ""
        self._open_session = context.open_session
        self._auth = auth
        self._rate_limit = rate_limit or RateLimiter()
        self._decode = decode
        self._on_response = on_response
        self._base_path = urlsplit(base_url).path
        self._allowed = [
            (method, re.compile(re.escape(path).replace(r"\{\}", "[^/]+")))
            for method, path in allowed_requests
        ]

    @property
    def _session(self) -> requests.Session:
        return self._open_session()

    def for_stream(self, name: str, logger: logging.Logger) -> Self:
        """Make a view of this client whose messages name a stream.

        Args:
            name: The name of the stream.
            logger: The logger of the stream.

        Returns:
            A shallow copy: connections, credentials and limits are shared.
        """
        view = copy.copy(self)
        view.stream_name = name
        view.logger = logger
        view.last_request = ""
        return view

    def rate_limiter(self, path: str) -> RateLimiter:  # noqa: ARG002
        """Choose the limit that a request counts against; override for several limits.

        Args:
            path: The path of the request, below the base URL.
        """
        return self._rate_limit

    def get(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        shrink: ShrinkInstead | None = None,
    ) -> Any:
        """Send a GET request, with all the retries it needs.

        Args:
            path: The path below the base URL.
            params: The query; lists repeat a parameter, None leaves it out.
            shrink: When to raise `RequestTooLargeError` instead of a retry.

        Returns:
            The decoded JSON; fractions are ``Decimal``, so that money stays exact.

        Raises:
            RequestRejectedError: If the vendor rejects the request.
            RetriableAPIError: If all tries failed.
        """
        return self._send(requests.Request(_GET, self.base_url + path, params=params), shrink)

    def post(
        self,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        *,
        form: Mapping[str, str] | None = None,
        shrink: ShrinkInstead | None = None,
    ) -> Any:
        """Send a POST request, with all the retries it needs: for queries, which change nothing.

        Args:
            path: The path below the base URL.
            body: The body, which is sent as JSON.
            params: The query; lists repeat a parameter, None leaves it out.
            form: The fields of a form, which is sent in place of JSON.
            shrink: When to raise `RequestTooLargeError` instead of a retry.

        Returns:
            The decoded JSON; fractions are ``Decimal``, so that money stays exact.

        Raises:
            RequestRejectedError: If the vendor rejects the request.
            RetriableAPIError: If all tries failed.
        """
        request = requests.Request(_POST, self.base_url + path, params=params, json=body, data=form)
        return self._send(request, shrink)

    # One request

    def _send(self, request: requests.Request, shrink: ShrinkInstead | None) -> Any:
        prepared = self._prepare(request)
        path = self._path(prepared)
        label = self._label(prepared.method, path)
        self._check_allowed(prepared.method, path, label)
        self.last_request = label
        return self.retry.run(
            lambda: self._try(prepared, path, label), logger=self.logger, shrink=shrink
        )

    def _prepare(self, request: requests.Request) -> requests.PreparedRequest:
        request.headers["User-Agent"] = self._user_agent
        # Signed with each try: credentials may expire in between. This also keeps requests from
        # reading ~/.netrc.
        request.auth = _leave_unsigned
        try:
            return self._session.prepare_request(request)
        except requests.exceptions.InvalidJSONError:
            # Python reads NaN in JSON, and does not write it.
            path = urlsplit(request.url or "").path.removeprefix(self._base_path)
            msg = (
                f"{self._label(request.method, path)} would send NaN or an infinity, which JSON "
                "does not have: an earlier response has it. Run it again."
            )
            raise TapError(msg) from None

    def _try(self, prepared: requests.PreparedRequest, path: str, label: str) -> Any:
        signed = prepared.copy()
        try:
            return self._exchange(signed, path, label)
        except RequestRejectedError as error:
            if error.status != HTTPStatus.UNAUTHORIZED or not isinstance(self._auth, TokenAuth):
                raise
            # Revoked, or expired early through clock skew. If it fails again, it is neither.
            self._auth.renew(signed)
        return self._exchange(prepared.copy(), path, label)

    def _exchange(self, request: requests.PreparedRequest, path: str, label: str) -> Any:
        limiter = self.rate_limiter(path)
        with limiter.slot():
            try:
                response = self._receive(request, label)
                payload = self._read(response, label)
            except RetriableAPIError as error:
                if self.retry.pauses_account(error):
                    limiter.pause(self.retry.wait(error, 0) or 0)
                raise
        if self._on_response:
            self._on_response(response)
        return payload

    def _receive(self, request: requests.PreparedRequest, label: str) -> requests.Response:
        """Sign a request, send it, and read the response to its end."""
        session, url = self._session, request.url or ""
        # For prepared requests, requests leaves proxies and certificates of the environment to
        # the caller. A setting of the tap (`session.verify`) takes precedence.
        verify = None if session.verify is True else session.verify
        try:
            if self._auth:
                request = self._auth(request)
            response = session.send(
                request,
                timeout=(_CONNECT_TIMEOUT, self.config["request_timeout"]),
                allow_redirects=False,
                **session.merge_environment_settings(url, {}, True, verify, None),
            )
            read_body(response)
        except (requests.exceptions.InvalidHeader, UnicodeError):
            raise self._unsendable(label) from None
        except (requests.RequestException, ResponseTooLargeError) as error:
            # Not chained: its text and its request hold the URL with everything in it.
            host, timeout = urlsplit(url).netloc, self.config["request_timeout"]
            raise self.errors.map_failure(error, label, host=host, timeout=timeout) from None
        except ValueError as error:
            # As http.client reports a line break; others are about the response.
            if not str(error).startswith("Invalid header"):
                raise
            raise self._unsendable(label) from None
        return response

    def _read(self, response: requests.Response, label: str) -> Any:
        self.errors.check_response(response, label)
        try:
            payload = self._decode(response.content)
        except ValueError:
            msg = (
                f"{label} returned {response.status_code} with {describe_body(response)} instead "
                "of JSON"
            )
            raise RetriableAPIError(msg, response) from None
        self.errors.check_payload(payload, response, label)
        return payload

    # Names and messages

    @cached_property
    def _user_agent(self) -> str:
        return f"singer-sdk/{version('singer-sdk')}"

    def _path(self, request: requests.PreparedRequest) -> str:
        return urlsplit(request.url or "").path.removeprefix(self._base_path)

    def _label(self, method: str | None, path: str) -> str:
        prefix = f"{self.stream_name}: " if self.stream_name else ""
        return f"{prefix}{method} {path}"

    def _check_allowed(self, method: str | None, path: str, label: str) -> None:
        for allowed_method, pattern in self._allowed:
            if method == allowed_method and pattern.fullmatch(path):
                return
        msg = (
            f"{label} is not among the requests that the tap may send: it only reads, by a list of "
            "endpoints. This is a bug in the tap: please report it."
        )
        raise ForbiddenRequestError(msg)

    def _unsendable(self, label: str) -> TapError:
        secrets = [
            name
            for name, schema in current_naming().properties.items()
            if schema.get("secret") and self.config.get(name) and name != HASH_SALT
        ]
        settings = " and ".join(setting_label(name) for name in secrets) or "the credentials"
        msg = (
            f"{label} cannot be sent: a header has a character that no header may have. Copy "
            f"{settings} again."
        )
        return TapError(msg, exit_code=ExitCode.CONFIGURATION)


def _leave_unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
