"""Who may call Mautic: clients, tokens, roles, and the refusals."""

from __future__ import annotations

import base64
import binascii
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_ID = "1_sandbox0mautic0public0key"
#: With characters that a form writes otherwise.
CLIENT_SECRET = "sandbox-mautic-secret/+=%7713"  # noqa: S105 - made up
#: Of a role that sees neither fields, forms, users nor webhooks; the same secret.
LIMITED_ID = "2_sandbox0mautic0limited0key"
#: Made by somebody who is no administrator.
NO_GRANT_ID = "3_sandbox0mautic0foreign0key"
USERNAME, PASSWORD = "reader", "sandbox-mautic-password"

_SECRETS = {CLIENT_ID: CLIENT_SECRET, LIMITED_ID: CLIENT_SECRET, NO_GRANT_ID: CLIENT_SECRET}
#: What roles may not see.
_HIDDEN = {LIMITED_ID: frozenset({"fields", "forms", "users", "webhook_logs"})}


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of the sandbox
    """An answer with Mautic's body for errors.

    Args:
        status: HTTP status code.
        message: Mautic's sentence, in English.
        kind: Mautic's word for it.
    """

    def __init__(self, status: int, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Any = {"errors": [{"message": message, "code": status, "type": kind}]}


class Crash(Refusal):
    """An exception that nobody caught: lists say no more of it, statistics all.

    Args:
        said: By the exception.
        code: Of the exception.
    """

    def __init__(self, said: str = "", code: int = 0) -> None:
        super().__init__(
            500,
            "Looks like I encountered an error (error #500). If I do it again, please report me "
            "to the system administrator!",
        )
        self.said = {"message": said, "code": code}


def no_column(name: str, place: str) -> Crash:
    """What MariaDB says of a column that a table does not have.

    Args:
        name: The column's.
        place: The part of the query that names it.
    """
    return Crash(
        "An exception occurred while executing a query: SQLSTATE[42S22]: Column not found: 1054 "
        f"Unknown column '{name}' in '{place}'",
        1054,
    )


def refused(status: int, message: str) -> Refusal:
    """What a controller of the API refuses by itself.

    Args:
        status: HTTP status code.
        message: Mautic's sentence, in English.
    """
    refusal = Refusal(status, message)
    refusal.body = {"errors": [{"code": status, "message": message, "details": []}]}
    return refusal


def forbidden() -> Refusal:
    """What a role may not see."""
    return refused(403, "You do not have access to the requested area/action.")


@dataclass
class Access:
    """Clients and the tokens they were given.

    Attributes:
        token_seconds: How long a token lasts.
        api_enabled: Whether the API is on.
        basic_enabled: Whether Basic auth is.
        hides_audit: Whether nobody may read the audit log.
    """

    token_seconds: int = 3600
    api_enabled: bool = True
    basic_enabled: bool = True
    #: How many tokens were asked for.
    asked: int = field(default=0, init=False)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict, init=False)
    _numbers: Any = field(default_factory=itertools.count, init=False)

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer the token endpoint.

        Args:
            form: What was sent.
        """
        self.asked += 1
        self._check_enabled()
        if form.get("grant_type") != "client_credentials":
            raise Refusal(
                400, "Invalid grant_type parameter or parameter missing", "invalid_request"
            )
        client = form.get("client_id")
        if not client:
            raise Refusal(400, "Client id was not found in the headers or body", "invalid_client")
        if _SECRETS.get(client) != form.get("client_secret"):
            raise Refusal(400, "The client credentials are invalid", "invalid_client")
        if client == NO_GRANT_ID:
            message = "The grant type is unauthorized for this client_id"
            raise Refusal(400, message, "unauthorized_client")
        token = f"sandbox-token-{next(self._numbers)}-{client[:6]}"
        self._tokens[token] = client, time.monotonic() + self.token_seconds
        return {
            "access_token": token,
            "expires_in": self.token_seconds,
            "token_type": "bearer",
            "scope": None,
        }

    def revoke(self) -> None:
        """Forget all tokens."""
        self._tokens.clear()

    def caller(self, authorization: str | None) -> tuple[str, str]:
        """Who calls, and whose limit counts.

        Args:
            authorization: The header.
        """
        self._check_enabled()
        scheme, _, value = (authorization or "").partition(" ")
        if scheme == "Basic":
            return self._basic(value), "basic"
        if scheme != "Bearer":
            raise Refusal(401, "API authorization denied.", "access_denied")
        client, ends = self._tokens.get(value, ("", 0.0))
        if not client:
            raise Refusal(401, "The access token provided is invalid.", "invalid_grant")
        if time.monotonic() >= ends:
            raise Refusal(401, "The access token provided has expired.", "invalid_grant")
        return client, value

    def _check_enabled(self) -> None:
        if not self.api_enabled:
            raise Refusal(
                403,
                "API disabled. You need to enable the API in the API settings of Mautic's "
                "Configuration.",
                "api_disabled",
            )

    def _basic(self, value: str) -> str:
        if not self.basic_enabled:
            raise Refusal(
                403,
                "Basic Auth disabled. You need to enable HTTP basic auth in the API settings of "
                "Mautic's Configuration.",
                "access_denied",
            )
        try:
            given = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        if given != f"{USERNAME}:{PASSWORD}":
            message = "Authorization denied, invalid credentials."
            raise Refusal(401, message, "access_denied")
        return CLIENT_ID


def may_see(client: str, what: str) -> bool:
    """Whether a client's role may view something.

    Args:
        client: Who.
        what: A list, or a table.
    """
    return what not in _HIDDEN.get(client, ())
