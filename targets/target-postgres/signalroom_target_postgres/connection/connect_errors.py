"""Sentences about a server that cannot be reached, or rejects the login.

Passwords are removed from the driver's messages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from signalroom_target_postgres.connection.tls import SETTINGS

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.engine import URL

DEFAULT_PORT = 5432
#: Parameters of a URL that are secret.
SECRETS = ("password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")
_ROOT = "`ssl_certificate_authority` (in `sqlalchemy_url`: sslrootcert)"
_CERTIFICATE = "`ssl_client_certificate` (in `sqlalchemy_url`: sslcert)"
_KEY = "`ssl_client_private_key` (in `sqlalchemy_url`: sslkey)"
_PASSPHRASE = "`ssl_client_private_key_password` (in `sqlalchemy_url`: sslpassword)"  # noqa: S105
_MODE = "`ssl_mode` (in `sqlalchemy_url`: sslmode)"

# The first match applies. The patterns are messages of libpq, the server, PgBouncer and hosted
# poolers.
_ADVICE = {
    r"(statement|lock|transaction) timeout": (
        "a time limit of the server or of this user stopped a query of the login. Raise "
        "statement_timeout and lock_timeout for it (ALTER ROLE ... SET statement_timeout = ...)"
    ),
    r"password authentication failed|no password supplied|SASL authentication failed": (
        "the user or the password is wrong: check both"
    ),
    r"database .* does not exist|no such database": (
        "there is no such database: create it, or name another"
    ),
    r"tenant or user not found": (
        "the pooler does not know this user: Supabase's expects postgres.<project> as `user`"
    ),
    r"role .* does not exist|no such user": "there is no such user: create it, or name another",
    r"permission denied for database": (
        "the user may not use it: let its owner GRANT CONNECT ON DATABASE"
    ),
    r"transaction blocks not allowed": (
        "this is a pooler in statement mode, which allows no transactions. Use its transaction "
        "or session mode, or connect to the server itself"
    ),
    r"unsupported startup parameter": (
        "this is a pooler that does not take a parameter of the connection. Remove `options` "
        "from `sqlalchemy_url`, and PGOPTIONS from the environment, or let the pooler pass the "
        "parameter on (PgBouncer: ignore_startup_parameters)"
    ),
    r"cannot connect to server|server login (has been )?fail|server_login_retry": (
        "the pooler answers, and the PostgreSQL behind it does not: check whether that runs"
    ),
    r"query_wait_timeout|max_client_conn|max clients reached|max client connections": (
        "the pooler has no connection to spare: raise its limits, or run fewer loaders at once"
    ),
    r"server does not support SSL": (
        f"the server has no TLS, and {_MODE} demands it. Turn TLS on at the server (ssl = on), "
        "or set `ssl_mode` to prefer, or `ssl_enable` to false"
    ),
    r"does not match host name": (
        "the server's certificate is for another host. Set `host` to a name that the "
        f"certificate has, or {_MODE} to verify-ca, which checks only who signed it"
    ),
    r"certificate verify failed": (
        f"the server's certificate has expired, or is not signed by {_ROOT}. `openssl s_client "
        "-starttls postgres -connect HOST:PORT` shows both; set the certificate of the "
        "authority that signed it, or renew the server's"
    ),
    r"root certificate file .* does not exist": (
        f"the root certificate that verifies the server's does not exist. Set {_ROOT} to its "
        "path, or to `system`"
    ),
    r"root certificate file": f"{_ROOT} holds no certificate: set a file with PEM text",
    r"private key file .* has group or world access": (
        f"others can read the key in {_KEY}: `chmod 600` the file"
    ),
    r"bad decrypt|private key file .*(processing error|bad password read)": (
        f"the passphrase of the key is wrong: check {_PASSPHRASE}"
    ),
    r"key values mismatch": f"{_KEY} is not the key of the certificate in {_CERTIFICATE}",
    r"private key file": f"{_KEY} holds no key that can be read: set a file with PEM text",
    r"could not (open|read) certificate file": (
        f"{_CERTIFICATE} holds no certificate: set a PEM file"
    ),
    r"alert certificate expired": f"the certificate in {_CERTIFICATE} has expired: renew it",
    r"alert unknown ca|alert bad certificate": (
        f"the server does not trust the authority that signed {_CERTIFICATE}: set one that it does"
    ),
    r"alert certificate required|requires a valid client certificate": (
        "the server demands a certificate of its users. Set `ssl_client_certificate_enable` to "
        f"true, {_CERTIFICATE} and {_KEY}"
    ),
    r"certificate authentication failed": (
        f"the name in the certificate of {_CERTIFICATE} is not that of `user` (pg_hba.conf, "
        "pg_ident.conf)"
    ),
    r"(?s)^(?!.*SSL encryption).*no pg_hba\.conf entry.*(no encryption|SSL off)": (
        "the server does not let this user in without TLS. Set `ssl_enable` to true and "
        f"{_MODE} to require or more; or allow it in the server's pg_hba.conf"
    ),
    r"no pg_hba\.conf entry": "the server does not let this user in from here (pg_hba.conf)",
    r"connection refused|no such file or directory": (
        "no server listens there: check the host and the port, and whether it runs"
    ),
    r"resolve host|translate host name|name or service not known": "no such host: check its name",
    r"timeout|timed out|unreachable|no route": (
        "no answer: check the host, and the firewalls on the way"
    ),
    r"too many (clients|connections)|remaining connection slots": "the server is full",
    r"invalid port number": "check the port",
    r"response to SSL negotiation|expected authentication request": (
        "the server there is not PostgreSQL: check the host and the port"
    ),
    r"ssl|certificate|tls": "TLS failed: check the ssl_* settings",
}

_PREPARED = (
    "A pooler between the loader and PostgreSQL hands sessions to others while statements are "
    "prepared in them. Remove prepare_threshold from `sqlalchemy_url`."
)
# Errors that end a session, or make it useless, in each attempt; by SQLSTATE.
_SESSION_ADVICE = {
    "25P03": (
        "The server ends transactions that pause for so long: raise "
        "idle_in_transaction_session_timeout for the loader's user, or lower `batch_size_bytes`."
    ),
    "25P04": (
        "The server ends transactions that take so long: raise transaction_timeout for the "
        "loader's user, or lower `batch_size_bytes`."
    ),
    "42P05": _PREPARED,
    "26000": _PREPARED,
}

_TRANSIENT = (
    r"connection refused|no such file or directory|starting up|shutting down|recovery mode"
    r"|too many (clients|connections)|remaining connection slots|closed the connection"
    r"|terminating connection|connection reset|broken pipe|timed out|timeout|connection is lost"
    r"|connection (was|is) closed|consuming input failed|no route"
    # PgBouncer, while the server behind it restarts, or is at its limits.
    r"|cannot connect to server|server login (has been )?fail|server conn crashed"
    r"|max_client_conn|max clients reached|max client connections"
)
#: Messages about credentials and settings, which a retry does not change.
_REJECTED_LOGIN = (
    r"password authentication failed|no password supplied|SASL authentication failed"
    r"|certificate authentication failed|(database|role|file) .* does not exist"
    r"|no such (database|user)|permission denied for database|no pg_hba\.conf entry"
    r"|tenant or user not found|certificate verify failed|does not match host name"
    r"|private key file|does not support SSL"
)
# A retry fails in the same way: time limits, and files that are missing.
_PERMANENT = r"(statement|lock|transaction) timeout|(root certificate|private key) file"


def is_transient(reason: str) -> bool:
    """Whether a failed connection may work in a moment, as while a server restarts."""
    if re.search(_PERMANENT, reason, re.IGNORECASE):
        return False
    return re.search(_TRANSIENT, reason, re.IGNORECASE) is not None


def is_rejected_login(reason: str) -> bool:
    """Whether the server rejects the credentials or settings, so that a retry fails too."""
    return re.search(_REJECTED_LOGIN, reason, re.IGNORECASE) is not None


def describe_session_error(error: psycopg.Error) -> str | None:
    """Describe an error that ends each session in the same way, however often it is opened.

    Args:
        error: The driver's error in a transaction.

    Returns:
        A sentence that says what to do; None if the error is another.
    """
    advice = _SESSION_ADVICE.get(error.sqlstate or "")
    if advice is None:
        return None
    reason = error.diag.message_primary or " ".join(str(error).split())
    return f"PostgreSQL refused to load: {reason}. {advice}"


def describe_connection_error(error: BaseException, url: URL) -> str:
    """Describe why a connection failed, and what to do, without secrets."""
    reason = " ".join(str(error).split())
    for secret in (url.password, *map(url.query.get, SECRETS)):
        for form in _password_forms(secret):
            reason = reason.replace(form, "***")
    for name, path in url.query.items():
        # PEM text in a setting is passed on as a file in memory.
        if name in SETTINGS and str(path).startswith("/proc/"):
            reason = reason.replace(f'"{path}"', f"in {SETTINGS[name]}")
    advice = next(
        (
            advice
            for pattern, advice in _ADVICE.items()
            if re.search(pattern, reason, re.IGNORECASE)
        ),
        "check the connection's settings",
    )
    host = url.host or url.query.get("host") or "the local socket"
    return (
        f"Cannot connect to PostgreSQL at {host}:{url.port or DEFAULT_PORT} (database "
        f"{url.database!r}, user {url.username!r}): {advice}. The driver says: {reason}"
    )


def render_url(url: URL) -> str:
    """Render an address for messages, without secrets."""
    hidden = {name: "***" for name in SECRETS if name in url.query}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def _password_forms(password: Any) -> set[str]:
    text = str(password or "")
    return {form for form in (text, quote(text, safe=""), quote_plus(text)) if form}
