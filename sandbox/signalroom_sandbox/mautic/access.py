"""Who may call Mautic: clients, tokens, roles, and the errors of the API."""

from __future__ import annotations

import base64
import binascii
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from signalroom_sandbox import vendor

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_ID = "1_sandbox0mautic0public0key"
#: With characters that forms escape.
CLIENT_SECRET = "sandbox-mautic-secret/+=%7713"  # noqa: S105 - made up
#: Its role may not view fields, forms, users and webhooks; it has the same secret.
LIMITED_ID = "2_sandbox0mautic0limited0key"
#: Created by a user who is not an administrator.
NO_GRANT_ID = "3_sandbox0mautic0foreign0key"
USERNAME, PASSWORD = "reader", "sandbox-mautic-password"

_SECRETS = {CLIENT_ID: CLIENT_SECRET, LIMITED_ID: CLIENT_SECRET, NO_GRANT_ID: CLIENT_SECRET}
#: What roles may not view.
_HIDDEN = {LIMITED_ID: frozenset({"fields", "forms", "users", "webhook_logs"})}


class ApiError(vendor.ApiError):
    """A response with Mautic's body for errors.

    Args:
        status: HTTP status code.
        message: Mautic's message, in English.
        kind: Mautic's type of the error.
    """

    def __init__(self, status: int, message: str, kind: str | None = None) -> None:
        body = {"errors": [{"message": message, "code": status, "type": kind}]}
        super().__init__(status, message, body=body)


class CrashError(ApiError):
    """An uncaught exception: lists hide its message, statistics show it.

    Args:
        message: The exception's own message.
        code: The exception's own code.
    """

    def __init__(self, message: str = "", code: int = 0) -> None:
        super().__init__(
            500,
            "Looks like I encountered an error (error #500). If I do it again, please report me "
            "to the system administrator!",
        )
        self.cause = {"message": message, "code": code}


def no_column(name: str, place: str) -> CrashError:
    """The error of MariaDB for a column that a table does not have.

    Args:
        name: Name of the missing column.
        place: The part of the query that names it.
    """
    return CrashError(
        "An exception occurred while executing a query: SQLSTATE[42S22]: Column not found: 1054 "
        f"Unknown column '{name}' in '{place}'",
        1054,
    )


def controller_error(status: int, message: str) -> ApiError:
    """The error of a controller of the API.

    Args:
        status: HTTP status code.
        message: Mautic's message, in English.
    """
    error = ApiError(status, message)
    error.body = {"errors": [{"code": status, "message": message, "details": []}]}
    return error


def permission_error() -> ApiError:
    """The error for what a role may not view."""
    return controller_error(403, "You do not have access to the requested area/action.")


@dataclass
class Access:
    """Clients and their tokens.

    Attributes:
        token_seconds: How long a token lasts.
        api_enabled: Whether the API is on.
        basic_enabled: Whether Basic auth is.
    """

    token_seconds: int = 3600
    api_enabled: bool = True
    basic_enabled: bool = True
    #: How many tokens were requested.
    token_requests: int = field(default=0, init=False)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict, init=False)
    _numbers: Any = field(default_factory=itertools.count, init=False)

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Issue a token.

        Args:
            form: Fields of the form that was posted.
        """
        self.token_requests += 1
        self._check_enabled()
        if form.get("grant_type") != "client_credentials":
            raise ApiError(
                400, "Invalid grant_type parameter or parameter missing", "invalid_request"
            )
        client = form.get("client_id")
        if not client:
            raise ApiError(400, "Client id was not found in the headers or body", "invalid_client")
        if _SECRETS.get(client) != form.get("client_secret"):
            raise ApiError(400, "The client credentials are invalid", "invalid_client")
        if client == NO_GRANT_ID:
            message = "The grant type is unauthorized for this client_id"
            raise ApiError(400, message, "unauthorized_client")
        token = f"sandbox-token-{next(self._numbers)}-{client[:6]}"
        self._tokens[token] = client, time.monotonic() + self.token_seconds
        return {
            "access_token": token,
            "expires_in": self.token_seconds,
            "token_type": "bearer",
            "scope": None,
        }

    def revoke(self) -> None:
        """Revoke all tokens."""
        self._tokens.clear()

    def caller(self, authorization: str | None) -> tuple[str, str]:
        """The client that calls, and the key of its rate limit.

        Args:
            authorization: Value of the header ``Authorization``.
        """
        self._check_enabled()
        scheme, _, value = (authorization or "").partition(" ")
        if scheme == "Basic":
            return self._basic(value), "basic"
        if scheme != "Bearer":
            raise ApiError(401, "API authorization denied.", "access_denied")
        client, ends = self._tokens.get(value, ("", 0.0))
        if not client:
            raise ApiError(401, "The access token provided is invalid.", "invalid_grant")
        if time.monotonic() >= ends:
            raise ApiError(401, "The access token provided has expired.", "invalid_grant")
        return client, value

    def _check_enabled(self) -> None:
        if not self.api_enabled:
            raise ApiError(
                403,
                "API disabled. You need to enable the API in the API settings of Mautic's "
                "Configuration.",
                "api_disabled",
            )

    def _basic(self, value: str) -> str:
        if not self.basic_enabled:
            raise ApiError(
                403,
                "Basic Auth disabled. You need to enable HTTP basic auth in the API settings of "
                "Mautic's Configuration.",
                "access_denied",
            )
        try:
            credentials = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            credentials = ""
        if credentials != f"{USERNAME}:{PASSWORD}":
            message = "Authorization denied, invalid credentials."
            raise ApiError(401, message, "access_denied")
        return CLIENT_ID


def may_view(client: str, name: str) -> bool:
    """Whether a client's role may view a list or a table.

    Args:
        client: Id of the client.
        name: Name of the list or the table.
    """
    return name not in _HIDDEN.get(client, ())
