"""Access tokens of a service account or a person, by google-auth."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from google.auth.exceptions import RefreshError, TransportError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials as PersonCredentials
from google.oauth2.service_account import Credentials as ServiceAccountCredentials
from singer_sdk.exceptions import RetriableAPIError
from typing_extensions import override

from signalroom_singer import ExitCode, TapError, Token, TokenAuth, redact
from signalroom_singer.http.size_limit import read_body
from tap_gsheets.errors import is_certificate_error, untrusted_certificate_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.auth.credentials import Credentials


class RedirectedError(TapError):
    """An address in the settings redirects.

    Args:
        host: The host that the request was sent to.
        target: The URL that the response redirects to.
    """

    def __init__(self, host: str, target: str) -> None:
        to = urlsplit(target)
        super().__init__(
            f"{host} redirected to {to.scheme}://{to.netloc}. Redirects are not followed, as "
            "they would take your credentials along. Check the addresses in the settings (and "
            "token_uri in the key's file), and any proxy in between.",
            exit_code=ExitCode.CONFIGURATION,
        )


class _TokenSession(requests.Session):
    """Requests tokens; it follows no redirects: an assertion is for one host alone."""

    @override
    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        response = super().send(request, **{**options, "stream": True})
        read_body(response)
        return response

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        if target := super().get_redirect_target(resp):
            raise RedirectedError(urlsplit(resp.url).netloc, target)


def sign_as_service_account(
    key: Mapping[str, Any], config: Mapping[str, Any], scopes: list[str]
) -> tuple[TokenAuth, str]:
    """Sign requests as a service account, or as the person for whom it acts.

    Args:
        key: The fields of the account's key file.
        config: The tap's settings.
        scopes: The permissions to request.

    Returns:
        What signs requests, and the e-mail address that spreadsheets have to be shared with.

    Raises:
        TapError: If the key cannot be used.
    """
    subject = config.get("subject") or None
    try:
        credentials = ServiceAccountCredentials.from_service_account_info(  # type: ignore[no-untyped-call]
            key, scopes=scopes, subject=subject
        )
    except ValueError as error:
        problem = str(error).rstrip(".")
        msg = f"The service account's key cannot be used: {problem}. Download a new key file."
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None
    auth = _token_auth(credentials, key["token_uri"], config["request_timeout"])
    return auth, subject or credentials.service_account_email


def sign_as_person(config: Mapping[str, Any], token_uri: str, scopes: list[str]) -> TokenAuth:
    """Sign requests as the person whose refresh token is in the settings.

    Args:
        config: The tap's settings.
        token_uri: The address of the token endpoint.
        scopes: The permissions to request.
    """
    person = PersonCredentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=config["oauth_refresh_token"],
        token_uri=token_uri,
        client_id=config["oauth_client_id"],
        client_secret=config["oauth_client_secret"],
        scopes=scopes,
    )
    return _token_auth(person, token_uri, config["request_timeout"])


def _token_auth(credentials: Credentials, token_uri: str, timeout: float) -> TokenAuth:
    return TokenAuth(partial(_request_token, credentials, urlsplit(token_uri).netloc, timeout))


def _request_token(credentials: Credentials, host: str, timeout: float) -> Token:
    try:
        with _TokenSession() as session:
            # Not by `before_request`: for service accounts it requests from a third host as well,
            # in a thread of its own, which only accounts with regional boundaries need.
            request = partial(Request(session), timeout=timeout)
            credentials.refresh(request)  # type: ignore[no-untyped-call]
    except RefreshError as error:
        if error.retryable:
            msg = f"no access token from {host} yet"
            raise RetriableAPIError(msg) from None
        text = redact(str(error.args[0] if error.args else error))
        msg = (
            f"Google issued no access token: {text}. Check that the key is not revoked, that it "
            "may act for subject, and that this machine's clock is right."
        )
        raise TapError(msg, exit_code=ExitCode.PERMISSION) from None
    except TransportError as error:
        if is_certificate_error(error):
            raise untrusted_certificate_error(host) from None
        msg = f"no response from {host} (TransportError)"
        raise RetriableAPIError(msg) from None
    except (TypeError, AttributeError, LookupError, ValueError):
        # google-auth relies on the shape of the response.
        msg = f"Google issued no access token: malformed response from {host}"
        raise RetriableAPIError(msg) from None
    # google-auth has the time without its zone; Google may leave it out.
    expires_at = credentials.expiry and credentials.expiry.replace(tzinfo=UTC)
    lifetime = (expires_at - datetime.now(UTC)).total_seconds() if expires_at else math.inf
    return Token(str(credentials.token), lifetime)
