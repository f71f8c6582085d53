"""Which server the settings mean, and what to say when it cannot be reached.

Nothing here repeats a password: neither the settings' nor the driver's words are passed on
without it being taken out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from signalroom_target_postgres.errors import ConnectionSettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL

PARTS = ("host", "user", "password", "database")
_DEFAULT_PORT = 5432
_DRIVER = "postgresql+psycopg"
_EXAMPLE = f"{_DRIVER}://user:password@host:5432/database"

_ADVICE = (
    (
        r"password authentication failed|no password supplied",
        "the user or the password is wrong: check both",
    ),
    (r"database .* does not exist", "there is no such database: create it, or name another"),
    (r"role .* does not exist", "there is no such user: create it, or name another"),
    (
        r"permission denied for database",
        "the user may not use it: let its owner GRANT CONNECT ON DATABASE",
    ),
    (r"no pg_hba\.conf entry", "the server does not let this user in from here (pg_hba.conf)"),
    (
        r"connection refused|no such file or directory",
        "no server listens there: check the host and the port, and whether it runs",
    ),
    (
        r"resolve host|translate host name|name or service not known",
        "no such host: check its name",
    ),
    (
        r"timeout|timed out|unreachable|no route",
        "no answer: check the host, and the firewalls on the way",
    ),
    (r"too many (clients|connections)|remaining connection slots", "the server is full"),
    (r"invalid port number", "check the port"),
    (
        r"response to SSL negotiation|expected authentication request",
        "what listens there is no PostgreSQL: check the host and the port",
    ),
    (r"ssl|certificate", "TLS failed: check the ssl_* settings"),
)


_PASSING = (
    r"connection refused|no such file or directory|starting up|shutting down|recovery mode"
    r"|too many (clients|connections)|remaining connection slots|closed the connection"
    r"|terminating connection|connection reset|broken pipe|timed out|timeout|connection is lost"
    r"|connection (was|is) closed|consuming input failed|no route"
)


def is_configured(config: Mapping[str, Any]) -> bool:
    """Tell whether the settings name a server.

    Args:
        config: The target's settings.

    Returns:
        True if they do; False if they say nothing of a connection.

    Raises:
        ConnectionSettingsError: If they say half of it.
    """
    if config.get("sqlalchemy_url"):
        read_url(config["sqlalchemy_url"])
        return True
    # A password may be empty, where the server asks for none.
    given = {part for part in PARTS if config.get(part)}
    if "host" in given and config.get("password") is not None:
        given.add("password")
    if missing := [part for part in PARTS if part not in given]:
        if not given and config.get("port") in {None, _DEFAULT_PORT}:
            return False
        names = ", ".join(f"`{part}` (TARGET_POSTGRES_{part.upper()})" for part in missing)
        msg = (
            f"The connection is half configured: {names} missing. Set that too; or none of host, "
            "port, user, password and database, to use the embedded PostgreSQL."
        )
        raise ConnectionSettingsError(msg)
    return True


def read_url(text: str) -> URL:
    """Read the setting ``sqlalchemy_url``.

    Args:
        text: The setting's value. Where it names no driver, psycopg 3 is meant: SQLAlchemy
            would take psycopg2, which cannot do ``use_copy``.

    Returns:
        The address.

    Raises:
        ConnectionSettingsError: If it is none.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Neither cause nor context: both quote what they could not read.
        url = None
    # An `@` left in the password moves the rest of it into the host or the database.
    if url is None or "@" in f"{url.host}{url.database}":
        msg = (
            f"`sqlalchemy_url` cannot be read. It looks like {_EXAMPLE}, where special characters "
            "of the password are percent-encoded (@ is %40, / is %2F, : is %3A)."
        )
        raise ConnectionSettingsError(msg)
    if url.drivername in {"postgres", "postgresql"}:
        return url.set(drivername=_DRIVER)
    if not url.drivername.startswith("postgresql+"):
        msg = f"`sqlalchemy_url` is not a PostgreSQL address; it looks like {_EXAMPLE}."
        raise ConnectionSettingsError(msg)
    return url


def is_passing(reason: str) -> bool:
    """Tell whether a failed connection may do in a moment, as while a server restarts.

    Args:
        reason: The driver's words.

    Returns:
        Whether to try again.
    """
    return re.search(_PASSING, reason, re.IGNORECASE) is not None


def explain(error: BaseException, url: URL) -> str:
    """Say in a sentence why a connection failed, and what to do.

    Args:
        error: The driver's error.
        url: Where to.

    Returns:
        The sentence, without the password.
    """
    reason = " ".join(str(error).split())
    for form in _forms(url.password):
        reason = reason.replace(form, "***")
    advice = next(
        (advice for pattern, advice in _ADVICE if re.search(pattern, reason, re.IGNORECASE)),
        "check the connection's settings",
    )
    host = url.host or url.query.get("host") or "the local socket"
    return (
        f"Cannot connect to PostgreSQL at {host}:{url.port or _DEFAULT_PORT} (database "
        f"{url.database!r}, user {url.username!r}): {advice}. The driver says: {reason}"
    )


def _forms(password: object) -> set[str]:
    text = str(password or "")
    return {form for form in (text, quote(text, safe=""), quote_plus(text)) if form}
