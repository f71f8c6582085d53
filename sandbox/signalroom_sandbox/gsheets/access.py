"""Signed assertions, refresh tokens, access tokens, API keys, and the quota of each.

https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from signalroom_sandbox import vendor
from signalroom_sandbox.gsheets.errors import ApiError, quota
from signalroom_sandbox.vendor import RequestWindow

if TYPE_CHECKING:
    from collections.abc import Mapping

API_KEY = "sandbox-google-api-key"
CLIENT_EMAIL = "tap@signalroom-sandbox.iam.gserviceaccount.example.com"
#: The OAuth client and refresh token of a person.
OAUTH = {
    "client_id": "sandbox-google-oauth-client",
    "client_secret": "sandbox-google-oauth-secret",
    "refresh_token": "sandbox-google-refresh-token",
}
PERSON = "person@example.com"
_AUTH = "https://www.googleapis.com/auth/"
SHEETS_SCOPES = {
    _AUTH + name
    for name in ("spreadsheets.readonly", "spreadsheets", "drive.readonly", "drive", "drive.file")
}
DRIVE_SCOPES = {
    _AUTH + name for name in ("drive.metadata.readonly", "drive.readonly", "drive", "drive.file")
}
#: The required audience of an assertion, independent of the mock server's address.
_AUDIENCE = "https://oauth2.googleapis.com/token"
_HOUR = 3600
_MINUTE = 60


@cache
def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def _pem() -> str:
    return (
        _private_key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def service_account(url: str) -> str:
    """The key file of the sandbox's service account; the key is new in each process.

    Args:
        url: Where Google listens.
    """
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "signalroom-sandbox",
            "private_key_id": "713",
            "private_key": _pem(),
            "client_email": CLIENT_EMAIL,
            "token_uri": f"{url}/token",
        }
    )


class TokenError(vendor.ApiError):
    """An error of the token endpoint."""

    def __init__(self, status: int, error: str, description: str) -> None:
        body = {"error": error, "error_description": description}
        super().__init__(status, description, body=body)


@dataclass
class _Token:
    user: str
    scopes: set[str]
    until: float


@dataclass
class Access:
    """Issued tokens, and the reads of each account in the last minute.

    Attributes:
        per_user: Reads that each user may send per minute.
        lifetime: Seconds until a token expires.
        revoked: Whether the account is deleted and the refresh token revoked.
        delegates: People the service account may act for.
    """

    per_user: int = 60
    lifetime: int = _HOUR - 1
    revoked: bool = False
    delegates: tuple[str, ...] = (PERSON,)
    tokens: dict[str, _Token] = field(default_factory=dict, init=False)
    _reads: dict[str, RequestWindow] = field(
        default_factory=lambda: defaultdict(RequestWindow), init=False
    )
    _numbers: Any = field(default_factory=itertools.count, init=False)

    def grant(self, form: Mapping[str, str]) -> dict[str, object]:
        """Issue a token.

        Args:
            form: The form that was posted.

        Raises:
            TokenError: With Google's message.
        """
        kind = form.get("grant_type")
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            user, scope = self._assertion(form.get("assertion", ""))
        elif kind == "refresh_token":
            user, scope = self._refresh(form)
        else:
            raise TokenError(400, "unsupported_grant_type", f"Invalid grant_type: {kind}")
        token = f"ya29.sandbox-google-{next(self._numbers)}"
        self.tokens[token] = _Token(user, set(scope.split()), time.monotonic() + self.lifetime)
        answer: dict[str, object] = {
            "access_token": token,
            "expires_in": self.lifetime,
            "token_type": "Bearer",
        }
        return answer if kind != "refresh_token" else answer | {"scope": scope}

    def _assertion(self, assertion: str) -> tuple[str, str]:
        try:
            claims = jwt.decode(
                assertion,
                _private_key().public_key(),
                algorithms=["RS256"],
                audience=_AUDIENCE,
                options={"require": ["iat", "exp", "iss", "aud"]},
            )
        except jwt.InvalidAudienceError:
            raise TokenError(400, "invalid_grant", "Invalid JWT: Failed audience check.") from None
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            raise _not_short_lived() from None
        except jwt.InvalidTokenError:
            raise TokenError(400, "invalid_grant", "Invalid JWT Signature.") from None
        if claims["exp"] - claims["iat"] > _HOUR:
            raise _not_short_lived()
        if claims["iss"] != CLIENT_EMAIL or self.revoked:
            raise TokenError(400, "invalid_grant", "Invalid grant: account not found")
        scope = claims.get("scope", "")
        if not scope or not set(scope.split()) <= SHEETS_SCOPES | DRIVE_SCOPES:
            description = "Invalid OAuth scope or ID token audience provided."
            raise TokenError(400, "invalid_scope", description)
        user = claims.get("sub", CLIENT_EMAIL)
        if user not in {CLIENT_EMAIL, *self.delegates}:
            description = (
                "Client is unauthorized to retrieve access tokens using this method, or client "
                "not authorized for any of the scopes requested."
            )
            raise TokenError(401, "unauthorized_client", description)
        return user, scope

    def _refresh(self, form: Mapping[str, str]) -> tuple[str, str]:
        if any(form.get(name) != OAUTH[name] for name in ("client_id", "client_secret")):
            raise TokenError(401, "invalid_client", "The OAuth client was not found.")
        if form.get("refresh_token") != OAUTH["refresh_token"] or self.revoked:
            raise TokenError(400, "invalid_grant", "Token has been expired or revoked.")
        return PERSON, form.get("scope") or f"{_AUTH}spreadsheets.readonly"

    def user(self, authorization: str | None, key: str | None, scopes: set[str]) -> str | None:
        """Authenticate a request.

        Args:
            authorization: Value of the header ``Authorization``.
            key: The API key, from header or query.
            scopes: One of which the token must have.

        Raises:
            ApiError: The token or the key is not valid.

        Returns:
            The account; None with an API key.
        """
        if authorization is None and key is not None:
            if key != API_KEY:
                raise ApiError(400, "API key not valid. Please pass a valid API key.")
            return None
        if authorization is None:
            raise ApiError(
                403,
                "Method doesn't allow unregistered callers (callers without established "
                "identity). Please use API Key or other form of API consumer identity to call "
                "this API.",
            )
        token = self.tokens.get(authorization.removeprefix("Bearer "))
        if token is None or token.until < time.monotonic():
            raise ApiError(
                401,
                "Request had invalid authentication credentials. Expected OAuth 2 access token, "
                "login cookie or other valid authentication credential. See "
                "https://developers.google.com/identity/sign-in/web/devconsole-project.",
            )
        if not token.scopes & scopes:
            raise ApiError(403, "Request had insufficient authentication scopes.")
        return token.user

    def take(self, user: str | None) -> None:
        """Count a read.

        Raises:
            ApiError: There were too many in the last minute.
        """
        if self._reads[user or "key"].take((self.per_user, _MINUTE)):
            raise quota(self.per_user)


def _not_short_lived() -> TokenError:
    return TokenError(
        400,
        "invalid_grant",
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
        "timeframe. Check your iat and exp values in the JWT claim.",
    )
