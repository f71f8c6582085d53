"""Signing requests: OAuth2 client credentials, or HTTP Basic.

https://devdocs.mautic.org/en/latest/rest_api/authorization.html
"""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth
from typing_extensions import override

from signalroom_singer import (
    ExitCode,
    TapError,
    exponential_wait,
    named,
    protect,
    redact,
    with_variables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_mautic.tap import TapMautic

TOKEN_PATH = "/oauth/v2/token"  # noqa: S105 - a path
#: A token is renewed so long before it ends, or at a quarter of its life if that is less.
_MARGIN = 60.0
_PASSING = frozenset({429, 500, 502, 503, 504})
#: By Mautic's word for it; its sentences are in the language of the instance.
_HINTS = {
    "invalid_client": "Check {oauth_client_id} and {oauth_client_secret}: Mautic > Settings > API "
    "Credentials shows them",
    "unauthorized_client": "Create new API credentials as an administrator: those of others, "
    "and those from before Mautic 4, may not use client credentials",
    "invalid_request": "Check {api_url}: a redirect, as from http to https, loses what was sent",
    "api_disabled": "Turn the API on: Mautic > Settings > Configuration > API Settings",
}
_HINT = "Check {api_url}, {oauth_client_id} and {oauth_client_secret}"
_HINTS_BY_STATUS: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "Check {api_url}, with the path if Mautic is below one: at that path "
    "there is no Mautic, or one without client credentials"
}
_LOGIN = "/s/login"


class Credentials(AuthBase):
    """Signs requests."""

    def renew(self, used: str) -> bool:  # noqa: ARG002
        """Make another signature, after Mautic refused one.

        Args:
            used: The header that was refused.

        Returns:
            Whether there is another.
        """
        return False


class BasicCredentials(Credentials):
    """User name and password, for instances that have Basic auth turned on."""

    def __init__(self, username: str, password: str) -> None:
        """Keep them.

        Args:
            username: Of a user of Mautic's.
            password: Theirs.
        """
        # Requests would encode texts as Latin-1; Mautic compares UTF-8.
        self._sign = HTTPBasicAuth(username.encode(), password.encode())

    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        signed: requests.PreparedRequest = self._sign(r)
        return signed


class TokenCredentials(Credentials):
    """A token for all streams and threads: asked for once, and again shortly before it ends.

    Each one asked for is a row in Mautic's database, and has a rate limit of its own.
    """

    def __init__(self, tap: TapMautic) -> None:
        """Prepare.

        Args:
            tap: Whose settings and connections to use.
        """
        self._tap = tap
        self._lock = threading.Lock()
        self._header = ""
        self._ends = 0.0

    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        with self._lock:
            if time.monotonic() >= self._ends:
                self._ask()
            r.headers["Authorization"] = self._header
        return r

    @override
    def renew(self, used: str) -> bool:
        with self._lock:
            # Another thread may have renewed it meanwhile.
            if used == self._header:
                self._ends = 0.0
        return True

    def _ask(self) -> None:
        payload = self._answer()
        try:
            token, life = payload["access_token"], float(payload.get("expires_in") or 3600)
        except (KeyError, TypeError, ValueError):
            token, life = None, 0.0
        if not token or not isinstance(token, str):
            msg = f"{TOKEN_PATH} answered 200 without a token. Check {named('api_url')}."
            raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
        protect([token])
        self._header = f"Bearer {token}"
        self._ends = time.monotonic() + life - min(_MARGIN, life / 4)
        self._tap.logger.info("Signed in to Mautic, for %.0f minutes", life / 60)

    def _answer(self) -> dict[str, Any]:
        config: Mapping[str, Any] = self._tap.config
        form = {
            "grant_type": "client_credentials",
            "client_id": config["oauth_client_id"],
            "client_secret": config["oauth_client_secret"],
        }
        problem = ""
        for attempt in range(config["max_tries"]):
            if attempt:
                wait = min(exponential_wait(attempt - 1), float(config["max_retry_wait"]))
                self._tap.logger.warning("%s; trying again in %.1f s", problem, wait)
                time.sleep(wait)
            try:
                response = self._tap.http_session.post(
                    self._tap.api_url + TOKEN_PATH,
                    data=form,
                    auth=_unsigned,
                    allow_redirects=False,
                    timeout=config["request_timeout"],
                )
            except requests.RequestException as error:
                problem = _unreachable(urlsplit(self._tap.api_url).netloc, error)
                continue
            payload = _decoded(response)
            if response.status_code == HTTPStatus.OK and isinstance(payload, dict):
                return payload
            problem = _problem(response, payload)
            if response.status_code not in {*_PASSING, HTTPStatus.OK}:
                raise TapError(problem, exit_code=ExitCode.PERMISSION)
        raise TapError(problem, exit_code=ExitCode.UNAVAILABLE)


def _unreachable(host: str, error: requests.RequestException) -> str:
    # Not the error's text: that has the address, and what was sent.
    kind = type(error).__name__
    if isinstance(error, requests.exceptions.SSLError):
        return (
            f"The TLS certificate of {host} is not trusted ({kind}). Check {named('api_url')}; if "
            f"your own certificate authority signed it, set {named('ca_bundle')} to its file."
        )
    return f"Cannot reach {host} ({kind}). Check {named('api_url')}, the network, and any proxy."


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In place of the session's own signature: it would ask for a token."""
    return request


def _decoded(response: requests.Response) -> Any:
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _problem(response: requests.Response, payload: Any) -> str:
    asked = f"POST {TOKEN_PATH} answered {response.status_code}"
    if response.is_redirect:
        return f"{asked}, to {_moved(response)}"
    errors = payload.get("errors") if isinstance(payload, dict) else None
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], dict):
        return f"{asked} without JSON. Check {named('api_url')}: is Mautic there?"
    # Most of Mautic's errors have no type: it is null.
    kind, said = (str(errors[0].get(name) or "") for name in ("type", "message"))
    hint = _HINTS.get(kind) or _HINTS_BY_STATUS.get(response.status_code, _HINT)
    parts = (" ".join(filter(None, (asked, kind))), redact(said)[:200].rstrip(". "))
    return f"{': '.join(filter(None, parts))}. {with_variables(hint)}."


def _moved(response: requests.Response) -> str:
    target = response.headers.get("Location", "").partition("?")[0].removesuffix(TOKEN_PATH)
    base, page, _ = target.partition(_LOGIN)
    if page:
        return (
            f"{target}, which is the page where people sign in. Set {named('api_url')} to "
            f"the address of Mautic itself, without /s and what follows: {base or 'https://mautic.example.com'}."
        )
    return f"{target}. If Mautic has moved, set {named('api_url')} to that address."
