"""Credentials: OAuth 2 client credentials, or HTTP Basic.

https://devdocs.mautic.org/en/latest/rest_api/authorization.html
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from requests.auth import HTTPBasicAuth
from singer_sdk.exceptions import RetriableAPIError
from typing_extensions import override

from signalroom_singer import (
    ApiClient,
    ErrorMapper,
    ExitCode,
    TapError,
    Token,
    TokenAuth,
    invalid_setting,
    missing_setting,
    redact,
    setting_label,
)
from signalroom_singer.settings.variables import fill_setting_labels
from tap_mautic.errors import find_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    from signalroom_singer import ClientContext

    Signer = Callable[[requests.PreparedRequest], requests.PreparedRequest]

TOKEN_PATH = "/oauth/v2/token"  # noqa: S105 - a path
#: By the type of the error; Mautic's sentences are in the language of the instance.
_HINTS = {
    "invalid_client": "Check {oauth_client_id} and {oauth_client_secret}: Mautic > Settings > API "
    "Credentials shows them",
    "unauthorized_client": "Create new API credentials as an administrator: those of others, "
    "and those from before Mautic 4, may not use client credentials",
    "invalid_request": "Check {api_url}: a redirect, as from http to https, drops the form",
    "api_disabled": "Turn the API on: Mautic > Settings > Configuration > API Settings",
}
_HINT = "Check {api_url}, {oauth_client_id} and {oauth_client_secret}"
_HINTS_BY_STATUS: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "Check {api_url}, with the path if Mautic is below one: at that path "
    "there is no Mautic, or one without client credentials"
}
_LOGIN = "/s/login"
_DEFAULT_LIFETIME = 3600


def make_auth(context: ClientContext, *, base_url: str) -> Signer:
    """Choose how requests are signed: by a token, or with user name and password.

    Args:
        context: The tap's settings, connections and logger.
        base_url: The address of the instance.

    Raises:
        ConfigValidationError: If the settings have no complete credentials.
    """
    config = context.config
    keys = [config.get(name) for name in ("oauth_client_id", "oauth_client_secret")]
    user = [config.get(name) for name in ("username", "password")]
    if all(keys):
        if "_" not in str(keys[0]):
            problem = "expected Mautic's public key, such as 1_3bk7..."
            raise invalid_setting("oauth_client_id", problem)
        return TokenAuth(TokenClient(context, base_url=base_url).request_token)
    if not all(user):
        missing = "oauth_client_secret" if keys[0] else "oauth_client_id"
        reason = (
            "oauth_client_id and oauth_client_secret are both needed (Mautic > Settings > API "
            "Credentials), or username and password where Basic auth is turned on"
        )
        raise missing_setting(missing, reason)
    # Requests would encode texts as Latin-1; Mautic compares UTF-8.
    return HTTPBasicAuth(*(str(part).encode() for part in user))


class TokenClient(ApiClient):
    """Requests tokens by OAuth 2 client credentials.

    Each token is a row in Mautic's database, and has a rate limit of its own.

    Args:
        context: The tap's settings, connections and logger.
        base_url: The address of the instance.
    """

    def __init__(self, context: ClientContext, *, base_url: str) -> None:
        super().__init__(
            context,
            base_url=base_url,
            allowed_requests={("POST", TOKEN_PATH)},
            errors=TokenErrorMapper(find_error=find_error, ca_bundle_setting="ca_bundle"),
        )

    def request_token(self) -> Token:
        """Request a new token.

        Raises:
            TapError: If Mautic does not issue one, or cannot be reached.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": self.config["oauth_client_id"],
            "client_secret": self.config["oauth_client_secret"],
        }
        try:
            payload = self.post(TOKEN_PATH, form=form)
        except RetriableAPIError as error:
            # The request that needs the token is not retried: this one was.
            address = setting_label("api_url")
            advice = "" if address in str(error) else f" Check {address}: is Mautic there?"
            msg = f"{error}.{advice}"
            raise TapError(msg, exit_code=ExitCode.UNAVAILABLE) from None
        try:
            lifetime = float(payload.get("expires_in") or _DEFAULT_LIFETIME)
            value = payload["access_token"]
        except (KeyError, TypeError, ValueError):
            value, lifetime = None, 0.0
        if not value or not isinstance(value, str):
            msg = f"{TOKEN_PATH} answered 200 without a token. Check {setting_label('api_url')}."
            raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
        self.logger.info("Signed in to Mautic, for %.0f minutes", lifetime / 60)
        return Token(value, lifetime)


class TokenErrorMapper(ErrorMapper):
    """Explains why Mautic does not issue a token."""

    @override
    def check_response(self, response: requests.Response, label: str) -> None:
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES and not self.is_transient(response):
            msg = f"{self.describe_status(response, label)}."
            raise TapError(msg, exit_code=ExitCode.PERMISSION)
        super().check_response(response, label)

    @override
    def describe_status(self, response: requests.Response, label: str) -> str:
        text = f"{label} answered {response.status_code}"
        if response.is_redirect:
            return f"{text}, to {_describe_redirect(response)}"
        error = _first_error(response)
        if error is None:
            return f"{text} without JSON. Check {setting_label('api_url')}: is Mautic there?"
        # Most of Mautic's errors have no type: it is null.
        kind, message = (str(error.get(name) or "") for name in ("type", "message"))
        hint = _HINTS.get(kind) or _HINTS_BY_STATUS.get(response.status_code, _HINT)
        parts = (" ".join(filter(None, (text, kind))), redact(message)[:200].rstrip(". "))
        return f"{': '.join(filter(None, parts))}. {fill_setting_labels(hint)}"


def _first_error(response: requests.Response) -> dict[str, Any] | None:
    try:
        errors = response.json()["errors"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else None


def _describe_redirect(response: requests.Response) -> str:
    target = response.headers.get("Location", "").partition("?")[0].removesuffix(TOKEN_PATH)
    base, page, _ = target.partition(_LOGIN)
    if page:
        return (
            f"{target}, which is the page where people sign in. Set {setting_label('api_url')} to "
            "the address of Mautic itself, without /s and what follows: "
            f"{base or 'https://mautic.example.com'}"
        )
    return f"{target}. If Mautic has moved, set {setting_label('api_url')} to that address"
