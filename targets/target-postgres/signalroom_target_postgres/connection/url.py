"""The server that the settings name, and the options of the driver.

No error repeats a value that may be a secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from psycopg.pq import Conninfo
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from signalroom_target_postgres.connection import tls
from signalroom_target_postgres.connection.connect_errors import DEFAULT_PORT
from signalroom_target_postgres.errors import ConnectionSettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTS = ("host", "user", "password", "database")
_DRIVER = "postgresql+psycopg"
_EXAMPLE = f"{_DRIVER}://user:password@host:5432/database"
# The system's own limit is over two minutes, during which nothing is logged.
_CONNECT_SECONDS = "30"

# Arguments of psycopg's connect() that are not parameters of libpq, and have a text form.
_PREPARE = "prepare_threshold"
_AUTOCOMMIT = "autocommit"
_DRIVER_PARAMETERS = (_PREPARE, _AUTOCOMMIT)
_TRUTHS = dict.fromkeys(("true", "1", "on", "yes"), True)
_TRUTHS |= dict.fromkeys(("false", "0", "off", "no"), False)

_POSTGRES_URL = re.compile(r"[\s\"']*(jdbc:)?postgres(ql)?(\+\w+)?://", re.IGNORECASE)
_DSN = re.compile(r"\b(host|hostaddr|port|user|password|dbname)\s*=")
# Values that are not a host. A folder of sockets begins with / or @.
_NO_HOSTS = {
    r"^\w[\w+]*://": "a web address: remove the scheme (https://) and what follows the host",
    r"^[^:/]+:\d+/?$": "a port too: move it to `port` (TARGET_POSTGRES_PORT)",
    r"^\[": "brackets: leave them out of an IPv6 address",
    r"^[^/@].*@": "a user: move what is before the @ to `user` and `password`",
    r"^[^/@].*/": "a slash: remove it, and move the name of the database to `database`",
    r"[\s\"'`?#]": "quotes, spaces or other signs that no host's name has: remove them",
}


def is_configured(config: Mapping[str, Any]) -> bool:
    """Whether the settings name a server.

    Args:
        config: The target's settings.

    Raises:
        ConnectionSettingsError: If the settings of a connection are incomplete or cannot be used.
    """
    if not config.get("sqlalchemy_url"):
        _check_misplaced(config)
        # A password may be empty, where the server asks for none.
        configured = {part for part in PARTS if config.get(part)}
        if "host" in configured and config.get("password") is not None:
            configured.add("password")
        if missing := [part for part in PARTS if part not in configured]:
            if not configured and config.get("port") in {None, DEFAULT_PORT}:
                return False
            names = ", ".join(f"`{part}` (TARGET_POSTGRES_{part.upper()})" for part in missing)
            msg = (
                f"The connection is half configured: {names} missing. Set that too; or none of "
                "host, port, user, password and database, to use the embedded PostgreSQL."
            )
            raise ConnectionSettingsError(msg)
    url_of(config)
    return True


def url_of(config: Mapping[str, Any]) -> URL:
    """Return the address of the server that the settings name.

    Args:
        config: The target's settings, which name a server.

    Returns:
        The address, with all that libpq and psycopg need to know.

    Raises:
        ConnectionSettingsError: If it, or a TLS setting, cannot be used.
    """
    if config.get("sqlalchemy_url"):
        url = read_url(config["sqlalchemy_url"])
        url = url.set(query=tls.normalize_parameters(url.query))
    else:
        url = _url_of_parts(config)
    if (config.get("ssh_tunnel") or {}).get("enable") and url.host and not url.port:
        url = url.set(port=DEFAULT_PORT)
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})
    return url


def read_url(text: str) -> URL:
    """Parse the setting ``sqlalchemy_url``.

    Args:
        text: The setting's value. Whichever driver it names, psycopg 3 is used: the COPY code is
            written for it.

    Raises:
        ConnectionSettingsError: If it is not an address, or has unknown parameters.
    """
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        # Raised below, without this error as its context: it quotes the address.
        url = None
    # An `@` left in the password moves the rest of it into the host or the database.
    if url is None or "@" in f"{url.host}{url.database}":
        msg = (
            f"`sqlalchemy_url` cannot be read. It looks like {_EXAMPLE}, where special characters "
            "of the password are percent-encoded (@ is %40, / is %2F, : is %3A)."
        )
        raise ConnectionSettingsError(msg)
    if url.get_backend_name() not in {"postgres", "postgresql"}:
        msg = f"`sqlalchemy_url` is not a PostgreSQL address; it looks like {_EXAMPLE}."
        raise ConnectionSettingsError(msg)
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    if unknown := sorted(set(url.query) - known - set(_DRIVER_PARAMETERS)):
        msg = (
            f"`sqlalchemy_url` has parameters after its `?` that neither libpq nor psycopg knows: "
            f"{', '.join(unknown)}. Remove them; those that exist are listed at "
            "https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS."
        )
        raise ConnectionSettingsError(msg)
    driver_options(url)
    return url.set(drivername=_DRIVER)


def driver_options(url: URL) -> dict[str, Any]:
    """Return psycopg's own arguments, which libpq does not know.

    Args:
        url: The address of the server.

    Returns:
        Arguments of psycopg's connect(). Nothing is prepared unless the address says so: behind a
        pooler, the connection that a statement was prepared in is soon another client's.

    Raises:
        ConnectionSettingsError: If one of them is neither a number nor a truth value.
    """
    options: dict[str, Any] = {_PREPARE: None}
    threshold = str(url.query.get(_PREPARE, "none")).strip().lower()
    if threshold not in {"", "none", "null"}:
        if not re.fullmatch(r"\d{1,9}", threshold, re.ASCII):
            msg = f"`{_PREPARE}` in `sqlalchemy_url` must be a whole number, or none."
            raise ConnectionSettingsError(msg)
        options[_PREPARE] = int(threshold)
    if _AUTOCOMMIT in url.query:
        autocommit = _TRUTHS.get(str(url.query[_AUTOCOMMIT]).strip().lower())
        if autocommit is None:
            msg = f"`{_AUTOCOMMIT}` in `sqlalchemy_url` must be true or false."
            raise ConnectionSettingsError(msg)
        options[_AUTOCOMMIT] = autocommit
    return options


def libpq_parameters(url: URL) -> dict[str, Any]:
    """Return the parameters of a libpq connection, for psql and the like."""
    _, parameters = url.get_dialect()().create_connect_args(url)
    return {name: value for name, value in parameters.items() if name not in _DRIVER_PARAMETERS}


def _url_of_parts(config: Mapping[str, Any]) -> URL:
    query: dict[str, Any] = tls.tls_parameters(config)
    host = str(config["host"]).strip()
    place: str | None = host
    # A URL takes a folder of sockets, and several hosts, only as a parameter.
    if host.startswith(("/", "@")) or "," in host:
        query["host"], place = host, None
    return URL.create(
        _DRIVER,
        username=config["user"],
        password=config["password"] or None,
        host=place,
        port=config.get("port") or DEFAULT_PORT,
        database=config["database"],
        query=query,
    )


def _check_misplaced(config: Mapping[str, Any]) -> None:
    """Fail where a value was pasted into the wrong setting.

    Raises:
        ConnectionSettingsError: If a setting holds more than its own part, or something else.
    """
    for name in PARTS:
        value = str(config.get(name) or "")
        # Even a password hardly looks like this.
        if _POSTGRES_URL.match(value) or (_DSN.search(value) and name != "password"):
            msg = (
                f"`{name}` holds a whole connection string. Set `sqlalchemy_url` "
                f"(TARGET_POSTGRES_SQLALCHEMY_URL) to it, in the form {_EXAMPLE}, and none of "
                f"host, port, user, password and database; or leave only the {name} in `{name}`."
            )
            raise ConnectionSettingsError(msg)
    host = str(config.get("host") or "").strip()
    for pattern, problem in _NO_HOSTS.items():
        if re.search(pattern, host):
            msg = (
                f"`host` holds {problem}. It must be a name or an address only, as in "
                "db.example.com."
            )
            raise ConnectionSettingsError(msg)
    if re.search(r"\?\w+=|://", str(config.get("database") or "")):
        msg = (
            "`database` holds an address or parameters (`?...`): leave only the database's name. "
            "TLS is set by `ssl_enable` and `ssl_mode`; other parameters go into `sqlalchemy_url`."
        )
        raise ConnectionSettingsError(msg)
