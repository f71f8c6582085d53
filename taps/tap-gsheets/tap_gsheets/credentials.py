"""Google credentials: a service account, a person, or an API key for public spreadsheets."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2.credentials import Credentials as PersonCredentials
from google.oauth2.service_account import Credentials
from singer_sdk.exceptions import ConfigValidationError
from typing_extensions import override

from signalroom_singer import (
    BoundedAdapter,
    ExitCode,
    TapError,
    base_url,
    current,
    invalid_setting,
    missing_setting,
    named,
    protect,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_AUTH = "https://www.googleapis.com/auth/"
# Read-only scopes.
SHEETS_SCOPE = f"{_AUTH}spreadsheets.readonly"
DRIVE_SCOPE = f"{_AUTH}drive.metadata.readonly"
#: Settings with credentials, of which one is required.
CREDENTIAL_SETTINGS = ("credentials_path", "credentials_json", "oauth_refresh_token", "api_key")


class _ServiceAccount(Credentials):  # type: ignore[misc, unused-ignore]
    """A service account that connects to its token endpoint, and to no other host."""

    # google-auth would request from a third host, in a thread of its own, where this account may be
    # used. Only accounts with regional boundaries need that, and it would outlive the session.
    def _is_regional_access_boundary_lookup_required(self) -> bool:
        return False


class RedirectedError(TapError):
    """An address in the settings redirects.

    Args:
        host: The host that the request was sent to.
        target: The URL that the response redirects to.
    """

    def __init__(self, host: str, target: str) -> None:
        to = urlsplit(target)
        super().__init__(
            f"{host} redirected to {to.scheme}://{to.netloc}. Redirects are not followed, they "
            "would take your credentials along. Check the addresses in the settings (and token_uri "
            "in the key's file), and what proxy is between.",
            exit_code=ExitCode.CONFIGURATION,
        )


class _NoRedirectSession(requests.Session):
    """Follows no redirects: assertions, tokens and keys are for one host alone."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.mount("https://", BoundedAdapter())
        self.mount("http://", BoundedAdapter())

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        if target := super().get_redirect_target(resp):
            raise RedirectedError(urlsplit(resp.url).netloc, target)


class _AuthorizedSession(_NoRedirectSession, AuthorizedSession):  # type: ignore[misc, unused-ignore]
    """Sends an access token with each request, and fetches tokens in a session of their own."""

    def __init__(self, credentials: Any) -> None:
        self._token_session = _NoRedirectSession()
        super().__init__(credentials, auth_request=Request(self._token_session))

    @override
    def close(self) -> None:
        self._token_session.close()
        super().close()  # type: ignore[no-untyped-call]


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
            f"{named('credentials_json')}, or the file at {named('credentials_path')}, is not a "
            "service account's key. Create one: Google Cloud console > IAM > Service accounts > "
            "Keys > JSON."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None
    key["private_key"] = str(key.get("private_key", "")).replace("\\n", "\n")
    protect([key["private_key"], key["private_key"].replace("\n", "\\n")])
    if key.get("token_uri"):
        base_url(str(key["token_uri"]), setting="credentials (token_uri)")
    return key


def open_session(config: Mapping[str, Any]) -> tuple[requests.Session, str | None]:
    """Open a session with the credentials of the settings.

    Args:
        config: The tap's settings.

    Returns:
        The session, and the e-mail address that spreadsheets have to be shared with.

    Raises:
        TapError: If the credentials cannot be used.
    """
    scopes = [SHEETS_SCOPE]
    if config.get("change_detection") == "drive":
        scopes.append(DRIVE_SCOPE)
    path = config.get("credentials_path")
    if current().is_clients(config) and config.get("credentials_json"):
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
        return _open_without_service_account(config, scopes)
    try:
        credentials = _ServiceAccount.from_service_account_info(  # type: ignore[no-untyped-call]
            read_key(text), scopes=scopes, subject=config.get("subject") or None
        )
    except ValueError as error:
        problem = str(error).rstrip(".")
        msg = f"The service account's key cannot be used: {problem}. Download a new key file."
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None
    return _AuthorizedSession(credentials), config.get(
        "subject"
    ) or credentials.service_account_email


def _open_without_service_account(
    config: Mapping[str, Any], scopes: list[str]
) -> tuple[requests.Session, str | None]:
    if config.get("oauth_refresh_token"):
        names = ("oauth_client_id", "oauth_client_secret")
        if missing := [name for name in names if not config.get(name)]:
            raise missing_setting(missing[0], "a refresh token belongs to an OAuth client")
        person = PersonCredentials(  # type: ignore[no-untyped-call]
            None,
            refresh_token=config["oauth_refresh_token"],
            token_uri=base_url(config["oauth_token_uri"], setting="oauth_token_uri"),
            client_id=config["oauth_client_id"],
            client_secret=config["oauth_client_secret"],
            scopes=scopes,
        )
        return _AuthorizedSession(person), "the person who signed in"
    if not config.get("api_key"):
        settings = ", ".join(map(named, CREDENTIAL_SETTINGS))
        msg = f"Missing credentials for Google: set one of {settings}."
        raise ConfigValidationError(msg, errors=[msg])
    session = _NoRedirectSession()
    # In a header, as URLs end up in logs.
    session.headers["X-Goog-Api-Key"] = config["api_key"]
    return session, None
