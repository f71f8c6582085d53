"""The TLS settings, as libpq takes them.

The `ssl_*` settings are the stock target's, and mean what libpq's parameters of the same kind do:
https://www.postgresql.org/docs/current/libpq-ssl.html. A certificate or key is the path of a file,
or the PEM text itself, which libpq cannot take: it is held in memory where the system can do that.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import ssl
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.errors import ConnectionSettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
DEFAULT_MODE = "verify-full"
SYSTEM = "system"
# The defaults of libpq itself.
DEFAULT_ROOT = "~/.postgresql/root.crt"
DEFAULT_CERTIFICATE = "~/.postgresql/postgresql.crt"
DEFAULT_KEY = "~/.postgresql/postgresql.key"
#: The defaults of empty settings.
DEFAULTS = {
    "ssl_mode": DEFAULT_MODE,
    "ssl_certificate_authority": DEFAULT_ROOT,
    "ssl_client_certificate": DEFAULT_CERTIFICATE,
    "ssl_client_private_key": DEFAULT_KEY,
}
# The stock target's default for the root certificate is libpq's for the revocation list, and stands
# in lock files of Meltano's.
_MAY_BE_MISSING = {*DEFAULTS.values(), "~/.postgresql/root.crl"}
#: libpq's parameters and the settings for them.
SETTINGS = {
    "sslmode": "ssl_mode",
    "sslrootcert": "ssl_certificate_authority",
    "sslcert": "ssl_client_certificate",
    "sslkey": "ssl_client_private_key",
    "sslpassword": "ssl_client_private_key_password",
}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# Where systems have all their certificates in one file: Debian, Red Hat, SUSE, Alpine and macOS.
_SYSTEM_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_BEGIN = "-----BEGIN "
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_PEM_WIDTH = 64


def tls_parameters(config: Mapping[str, Any]) -> dict[str, str]:
    """Convert the `ssl_*` settings to libpq's parameters.

    Args:
        config: The target's settings.

    Returns:
        The parameters; none where TLS is left to libpq.

    Raises:
        ConnectionSettingsError: If a certificate or key is missing or cannot be used.
    """
    parameters: dict[str, str | None] = {}
    if config.get("ssl_enable"):
        parameters["sslmode"] = mode = config.get("ssl_mode") or DEFAULT_MODE
        if mode not in MODES:
            msg = f"`ssl_mode` must be one of {', '.join(MODES)}."
            raise ConnectionSettingsError(msg)
        if mode != "disable":
            root = _file(config, "ssl_certificate_authority")
            if root is None and mode.startswith("verify-") and not _path(DEFAULT_ROOT).is_file():
                msg = (
                    f"`ssl_mode` {mode} needs a root certificate, and {DEFAULT_ROOT} does not "
                    "exist. Set `ssl_certificate_authority` to the path or the PEM text of the "
                    "authority's certificate, or to `system` to trust the certificate authorities "
                    "of this machine; or set `ssl_mode` to require, which encrypts but does not "
                    "check whose server it is."
                )
                raise ConnectionSettingsError(msg)
            parameters["sslrootcert"] = root
    if config.get("ssl_client_certificate_enable"):
        for setting in ("ssl_client_certificate", "ssl_client_private_key"):
            if (path := _file(config, setting)) is None:
                msg = (
                    f"`{setting}` is missing, and {DEFAULTS[setting]} does not exist. Set it to "
                    "the path or the PEM text, or set `ssl_client_certificate_enable` to false."
                )
                raise ConnectionSettingsError(msg)
            parameters["sslcert" if setting == "ssl_client_certificate" else "sslkey"] = path
        parameters["sslpassword"] = config.get("ssl_client_private_key_password") or None
    return normalize_parameters(
        {name: value for name, value in parameters.items() if value is not None}
    )


def normalize_parameters(query: Mapping[str, Any]) -> dict[str, Any]:
    """Make libpq's TLS parameters work with every build of it.

    Args:
        query: Parameters of libpq, as in a URL.

    Returns:
        The parameters, with absolute paths, and the file that `system` stands for.

    Raises:
        ConnectionSettingsError: If they contradict each other, or a key has an unknown passphrase.
    """
    normalized = dict(query)
    if normalized.get("sslrootcert") == SYSTEM:
        if normalized.setdefault("sslmode", DEFAULT_MODE) != DEFAULT_MODE:
            msg = (
                "`ssl_certificate_authority` is `system`, which needs `ssl_mode` verify-full: any "
                "certificate authority would do otherwise, for any host. Set `ssl_mode` to "
                "verify-full (in `sqlalchemy_url`: sslmode)."
            )
            raise ConnectionSettingsError(msg)
        # The OpenSSL of psycopg's wheels looks for the system's certificates in the folder in which
        # it was built, and so finds none (psycopg-binary 3.3:
        # https://github.com/psycopg/psycopg/blob/master/tools/ci/build_libpq.sh).
        normalized["sslrootcert"] = _system_store()
    for name in _FILES:
        if isinstance(path := normalized.get(name), str) and path.startswith("~"):
            normalized[name] = str(_path(path))
    _check_passphrase(normalized)
    return normalized


def _check_passphrase(parameters: Mapping[str, Any]) -> None:
    """Fail where OpenSSL would ask the terminal for a passphrase, and wait."""
    if not isinstance(key := parameters.get("sslkey"), str) or parameters.get("sslpassword"):
        return
    try:
        encrypted = b"ENCRYPTED" in Path(key).read_bytes()
    except OSError:
        return  # libpq says so
    if encrypted:
        msg = (
            "The key in `ssl_client_private_key` has a passphrase. Set "
            "`ssl_client_private_key_password` to it (in `sqlalchemy_url`: sslpassword), or use a "
            "key without one."
        )
        raise ConnectionSettingsError(msg)


def _file(config: Mapping[str, Any], setting: str) -> str | None:
    """Return the file of a certificate or key; None for a default that does not exist."""
    value = (config.get(setting) or DEFAULTS[setting]).strip()
    if _BEGIN in value:
        return write_private_file(_pem(value, setting))
    if value == SYSTEM and setting == "ssl_certificate_authority":
        return SYSTEM
    path = _path(value)
    try:
        with path.open("rb"):
            return str(path)
    except (FileNotFoundError, NotADirectoryError):
        if value in _MAY_BE_MISSING:
            return None
        problem = "does not exist"
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or 'not a path'})"
    # The value is not shown: it may be a key whose first line was lost.
    msg = (
        f"`{setting}` is taken for a path, as it has no {_BEGIN.strip()} line, and the file "
        f"{problem}. Set it to the path of a file that the loader can read, or to the whole PEM "
        "text."
    )
    raise ConnectionSettingsError(msg)


def _path(value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:  # no home
        return Path(value)


def _pem(text: str, setting: str) -> str:
    r"""Normalize PEM text: variables often have `\n`, spaces or nothing for line breaks."""
    blocks = []
    for label, body in _PEM.findall(text.replace("\\n", "\n")):
        # Old encrypted keys begin with headers, which need their lines.
        lines = body.strip()
        if ":" not in lines:
            lines = textwrap.fill("".join(lines.split()), _PEM_WIDTH)
        blocks.append(f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
    if not blocks:
        msg = f"The PEM text in `{setting}` is cut: it needs its BEGIN and its END line."
        raise ConnectionSettingsError(msg)
    return "".join(blocks)


@functools.cache
def write_private_file(text: str) -> str:
    """Write a secret text where libpq can read it, for as long as this process lives.

    Args:
        text: The text of a certificate, key or service file.

    Returns:
        The path. On Linux it is in memory, so that nothing is left when the process is killed;
        elsewhere it is a temporary file that only its owner can read.
    """
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("signalroom-pem")
        os.fchmod(descriptor, 0o600)
        with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file:
            file.write(text)
        # The path has the process id, so that psql can open it too.
        return f"/proc/{os.getpid()}/fd/{descriptor}"
    # Until the process ends.
    temporary = tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="utf-8")  # noqa: SIM115
    atexit.register(temporary.close)
    temporary.write(text)
    temporary.flush()
    return temporary.name


def _system_store() -> str:
    # SSL_CERT_FILE, or where Python's own OpenSSL looks.
    for path in (ssl.get_default_verify_paths().cafile, *_SYSTEM_STORES):
        if path and Path(path).is_file():
            return path
    msg = (
        "`ssl_certificate_authority` is `system`, and this machine has no file with its "
        "certificate authorities. Install the package ca-certificates, or set SSL_CERT_FILE to "
        "that file."
    )
    raise ConnectionSettingsError(msg)
