"""Google credentials: a service account, a person, or an API key for public spreadsheets."""

from __future__ import annotations

import base64
import binascii
import json
import math
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from google.auth.exceptions import RefreshError, TransportError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials as PersonCredentials
from google.oauth2.service_account import Credentials as ServiceAccountCredentials
from singer_sdk.authenticators import APIKeyAuthenticator
from singer_sdk.exceptions import ConfigValidationError, RetriableAPIError
from typing_extensions import override

from signalroom_singer import (
    ExitCode,
    TapError,
    Token,
    TokenAuth,
    invalid_setting,
    missing_setting,
    protect,
    redact,
    setting_label,
    validate_base_url,
)
from signalroom_singer.http.size_limit import read_body
from signalroom_singer.settings.variables import current_naming
from tap_gsheets.errors import is_certificate_error, untrusted_certificate_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.auth.credentials import Credentials

    Signer = Callable[[requests.PreparedRequest], requests.PreparedRequest]

_AUTH = "https://www.googleapis.com/auth/"
# Read-only scopes.
SHEETS_SCOPE = f"{_AUTH}spreadsheets.readonly"
DRIVE_SCOPE = f"{_AUTH}drive.metadata.readonly"
#: Settings with credentials, of which one is required.
CREDENTIAL_SETTINGS = ("credentials_path", "credentials_json", "oauth_refresh_token", "api_key")


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


def google_auth(credentials: Credentials, *, token_uri: str, timeout: float) -> TokenAuth:
    """Sign requests with access tokens of a service account or a person.

    Args:
        credentials: The credentials of the account or the person.
        token_uri: The address of the token endpoint.
        timeout: The seconds that a response of the token endpoint may take.
    """
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


def read_key(text: str) -> dict[str, Any]:
    """Parse the key file of a service account, or the same text from an environment variable.

    Args:
        text: JSON, base64 of it, or JSON in which the backslashes of the key are doubled.

    Returns:
        The fields of the key file.

    Raises:
        TapError: If the text is not the key of a service account.
    """
    try:
        text = text.lstrip("\ufeff \t\r\n")
        if not text.startswith("{"):
            text = base64.b64decode("".join(text.split()), validate=True).decode("utf-8-sig")
        key = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        key = None
    # google-auth does not check the type, and fails later with an unclear error.
    if not isinstance(key, dict) or key.get("type") != "service_account":
        msg = (
            f"{setting_label('credentials_json')}, or the file at "
            f"{setting_label('credentials_path')}, is not a service account's key. Create one: "
            "Google Cloud console > IAM > Service accounts > Keys > JSON."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None
    key["private_key"] = str(key.get("private_key", "")).replace("\\n", "\n")
    protect([key["private_key"], key["private_key"].replace("\n", "\\n")])
    if key.get("token_uri"):
        validate_base_url(str(key["token_uri"]), setting="credentials (token_uri)")
    return key


def make_auth(config: Mapping[str, Any]) -> tuple[Signer, str | None]:
    """Choose how requests are signed: by a service account, a person, or an API key.

    Args:
        config: The tap's settings.

    Returns:
        What signs requests, and the e-mail address that spreadsheets have to be shared with.

    Raises:
        TapError: If the credentials cannot be used.
    """
    scopes = [SHEETS_SCOPE]
    if config.get("change_detection") == "drive":
        scopes.append(DRIVE_SCOPE)
    path = config.get("credentials_path")
    if current_naming().is_clients(config) and config.get("credentials_json"):
        # Meltano passes the project's file to a client's tap, which has a key of its own.
        path = None
    if path:
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, ValueError, RuntimeError) as error:
            # Not a file; not a text or not a path; a home directory that does not exist.
            why = error.strerror if isinstance(error, OSError) else "not a text file"
            problem = f"{why}. Set it to the path of the service account's key file"
            raise invalid_setting("credentials_path", problem, path) from None
    elif not (text := config.get("credentials_json") or ""):
        return _make_other_auth(config, scopes)
    key = read_key(text)
    try:
        credentials = ServiceAccountCredentials.from_service_account_info(  # type: ignore[no-untyped-call]
            key, scopes=scopes, subject=config.get("subject") or None
        )
    except ValueError as error:
        problem = str(error).rstrip(".")
        msg = f"The service account's key cannot be used: {problem}. Download a new key file."
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None
    auth = google_auth(credentials, token_uri=key["token_uri"], timeout=config["request_timeout"])
    return auth, config.get("subject") or credentials.service_account_email


def _make_other_auth(config: Mapping[str, Any], scopes: list[str]) -> tuple[Signer, str | None]:
    if config.get("oauth_refresh_token"):
        names = ("oauth_client_id", "oauth_client_secret")
        if missing := [name for name in names if not config.get(name)]:
            raise missing_setting(missing[0], "a refresh token belongs to an OAuth client")
        token_uri = validate_base_url(config["oauth_token_uri"], setting="oauth_token_uri")
        person = PersonCredentials(  # type: ignore[no-untyped-call]
            None,
            refresh_token=config["oauth_refresh_token"],
            token_uri=token_uri,
            client_id=config["oauth_client_id"],
            client_secret=config["oauth_client_secret"],
            scopes=scopes,
        )
        auth = google_auth(person, token_uri=token_uri, timeout=config["request_timeout"])
        return auth, "the person who signed in"
    if not config.get("api_key"):
        settings = ", ".join(map(setting_label, CREDENTIAL_SETTINGS))
        msg = f"Missing credentials for Google: set one of {settings}."
        raise ConfigValidationError(msg, errors=[msg])
    # In a header, as URLs end up in logs.
    return APIKeyAuthenticator(key="X-Goog-Api-Key", value=config["api_key"]), None
