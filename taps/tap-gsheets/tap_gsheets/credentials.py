"""Who the tap is for Google: a service account, a person, or an API key for public sheets."""

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
# Nothing that could write.
SHEETS_SCOPE = f"{_AUTH}spreadsheets.readonly"
DRIVE_SCOPE = f"{_AUTH}drive.metadata.readonly"
#: Settings of which one says who asks.
WAYS = ("credentials_path", "credentials_json", "oauth_refresh_token", "api_key")


class _ServiceAccount(Credentials):  # type: ignore[misc, unused-ignore]
    """A service account that talks to its token endpoint, and to nobody else."""

    # google-auth would ask a third host, in a thread of its own, where this account may be used.
    # That matters to accounts with regional boundaries alone, and would outlive the session.
    def _is_regional_access_boundary_lookup_required(self) -> bool:
        return False


class RedirectedError(TapError):
    """Google's address leads elsewhere.

    Args:
        host: That was asked.
        target: The address that it names.
    """

    def __init__(self, host: str, target: str) -> None:
        to = urlsplit(target)
        super().__init__(
            f"{host} redirected to {to.scheme}://{to.netloc}. Redirects are not followed, they "
            "would take your credentials along. Check the addresses in the settings (and token_uri "
            "in the key's file), and what proxy is between.",
            exit_code=ExitCode.CONFIGURATION,
        )


class _Straight(requests.Session):
    """Goes where it is sent: assertions, tokens and keys are for that address alone."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.mount("https://", BoundedAdapter())
        self.mount("http://", BoundedAdapter())

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        if target := super().get_redirect_target(resp):
            raise RedirectedError(urlsplit(resp.url).netloc, target)


class _Session(_Straight, AuthorizedSession):  # type: ignore[misc, unused-ignore]
    """Signs requests with tokens that it fetches by a session of their own."""

    def __init__(self, credentials: Any) -> None:
        self._tokens = _Straight()
        super().__init__(credentials, auth_request=Request(self._tokens))

    @override
    def close(self) -> None:
        self._tokens.close()
        super().close()  # type: ignore[no-untyped-call]


def read_key(text: str) -> dict[str, Any]:
    """Read a service account's key file, also as environment variables carry it.

    Args:
        text: JSON; base64 of it; or JSON whose key has doubled backslashes.

    Returns:
        The key file's fields.

    Raises:
        TapError: If it is no service account's key.
    """
    try:
        text = text.lstrip("\ufeff \t\r\n")
        if not text.startswith("{"):
            text = base64.b64decode("".join(text.split()), validate=True).decode("utf-8-sig")
        key = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        key = None
    # google-auth does not look at the type, and fails later without naming it.
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
    """Open a session that says who asks.

    Args:
        config: The tap's settings.

    Returns:
        The session, and the address that sheets have to be shared with.

    Raises:
        TapError: If the credentials cannot be used.
    """
    scopes = [SHEETS_SCOPE]
    if config.get("change_detection") == "drive":
        scopes.append(DRIVE_SCOPE)
    path = config.get("credentials_path")
    if current().is_clients(config) and config.get("credentials_json"):
        # Meltano hands the project's file down to a client's tap, which has its own key.
        path = None
    if path:
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, ValueError, RuntimeError) as error:
            # No file; no text, or no path; and nobody's home.
            why = error.strerror if isinstance(error, OSError) else "not a text file"
            problem = f"{why}. Set it to the path of the service account's key file"
            raise invalid_setting("credentials_path", problem, path) from None
    elif not (text := config.get("credentials_json") or ""):
        return _without_key(config, scopes)
    try:
        credentials = _ServiceAccount.from_service_account_info(  # type: ignore[no-untyped-call]
            read_key(text), scopes=scopes, subject=config.get("subject") or None
        )
    except ValueError as error:
        problem = str(error).rstrip(".")
        msg = f"The service account's key cannot be used: {problem}. Download a new key file."
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None
    return _Session(credentials), config.get("subject") or credentials.service_account_email


def _without_key(
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
        return _Session(person), "the person who signed in"
    if not config.get("api_key"):
        ways = ", ".join(named(way) for way in WAYS)
        msg = f"Missing credentials for Google: set one of {ways}."
        raise ConfigValidationError(msg, errors=[msg])
    session = _Straight()
    # In a header, as URLs end up in logs.
    session.headers["X-Goog-Api-Key"] = config["api_key"]
    return session, None
