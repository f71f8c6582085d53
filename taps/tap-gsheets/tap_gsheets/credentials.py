"""Google credentials: a service account, a person, or an API key for public spreadsheets."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk.authenticators import APIKeyAuthenticator
from singer_sdk.exceptions import ConfigValidationError

from signalroom_singer import (
    ExitCode,
    TapError,
    invalid_setting,
    missing_setting,
    protect,
    setting_label,
    validate_base_url,
)
from signalroom_singer.settings.variables import current_naming

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    Signer = Callable[[requests.PreparedRequest], requests.PreparedRequest]

_AUTH = "https://www.googleapis.com/auth/"
# Read-only scopes.
SHEETS_SCOPE = f"{_AUTH}spreadsheets.readonly"
DRIVE_SCOPE = f"{_AUTH}drive.metadata.readonly"
#: Settings with credentials, of which one is required.
CREDENTIAL_SETTINGS = ("credentials_path", "credentials_json", "oauth_refresh_token", "api_key")


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
    # Imported late: google-auth is a third of the start, and an API key needs none of it.
    from tap_gsheets.access_tokens import sign_as_service_account  # noqa: PLC0415

    return sign_as_service_account(read_key(text), config, scopes)


def _make_other_auth(config: Mapping[str, Any], scopes: list[str]) -> tuple[Signer, str | None]:
    if config.get("oauth_refresh_token"):
        names = ("oauth_client_id", "oauth_client_secret")
        if missing := [name for name in names if not config.get(name)]:
            raise missing_setting(missing[0], "a refresh token belongs to an OAuth client")
        from tap_gsheets.access_tokens import sign_as_person  # noqa: PLC0415 - as above

        token_uri = validate_base_url(config["oauth_token_uri"], setting="oauth_token_uri")
        return sign_as_person(config, token_uri, scopes), "the person who signed in"
    if not config.get("api_key"):
        settings = ", ".join(map(setting_label, CREDENTIAL_SETTINGS))
        msg = f"Missing credentials for Google: set one of {settings}."
        raise ConfigValidationError(msg, errors=[msg])
    # In a header, as URLs end up in logs.
    return APIKeyAuthenticator(key="X-Goog-Api-Key", value=config["api_key"]), None
