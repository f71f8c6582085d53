"""Who the tap is for Google: a service account, or an API key for public sheets."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.service_account import Credentials

from signalroom_singer import TapError, protect

if TYPE_CHECKING:
    from collections.abc import Mapping

# Nothing that could write.
SCOPES = ("https://www.googleapis.com/auth/spreadsheets.readonly",)


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
        if not text.lstrip().startswith("{"):
            text = base64.b64decode(text, validate=True).decode()
        key = json.loads(text)
    except (binascii.Error, ValueError):
        key = None
    # google-auth does not look at the type, and fails later without naming it.
    if not isinstance(key, dict) or key.get("type") != "service_account":
        msg = (
            "credentials_json (or the file at credentials_path) is not a service account's key. "
            "Create one: Google Cloud console > IAM > Service accounts > Keys > JSON."
        )
        raise TapError(msg) from None
    key["private_key"] = str(key.get("private_key", "")).replace("\\n", "\n")
    protect([key["private_key"]])
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
    if path := config.get("credentials_path"):
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8")
        except OSError as error:
            msg = f"credentials_path: {error.strerror}: {path}. Set it to the key's file."
            raise TapError(msg) from None
    elif not (text := config.get("credentials_json", "")):
        session = requests.Session()
        # In a header, as URLs end up in logs.
        session.headers["X-Goog-Api-Key"] = config["api_key"]
        return session, None
    try:
        credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            read_key(text), scopes=SCOPES, subject=config.get("subject")
        )
    except ValueError as error:
        msg = f"The service account's key cannot be used: {error}. Download a new key file."
        raise TapError(msg) from None
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    return session, credentials.service_account_email
