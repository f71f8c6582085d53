"""Names that a client cannot have, because other programs use variables with that prefix.

A client's credentials are variables that begin with its name: ``ACME_EVERFLOW_API_KEY``. Those of a
client named ``tap`` would be ``TAP_EVERFLOW_API_KEY``, the tap's own: it would be read with the
project's key.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Meltano's variables for a plugin: its name, as in `tap-everflow--acme`, and the project's folder.
_PLUGIN, _PROJECT = "MELTANO_EXTRACTOR_NAME", "MELTANO_PROJECT_ROOT"
_VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)")

#: Prefixes of variables that Meltano, the taps and the loader read, by present and older names, and
#: AWS, Google, PostgreSQL, and the programs that run them.
_WORDS = frozenset(
    {
        *("tap", "target", "meltano", "singer", "signalroom"),
        *("everflow", "google", "gsheets", "mautic", "posthog", "redtrack", "sticky", "s3"),
        *("aws", "pg", "postgres"),
        *("airflow", "python", "uv"),
    }
)


def taken_prefix(name: str) -> str | None:
    """Find the prefix that makes a client's name impossible.

    Args:
        name: The name of the client, such as ``acme`` or ``tap``.

    Returns:
        The prefix that is in use, such as ``TAP_``; None if the name is possible.
    """
    word = name.replace("_", "-").partition("-")[0].lower()
    return f"{word.upper()}_" if word in _WORDS else None


def client_variable(client: str, source: str, setting: str) -> str:
    """Name the environment variable of a client's setting; with ``tap``, the tap's own.

    Args:
        client: The name of the client.
        source: The name of the source, as in ``sticky-s3``.
        setting: The name of the tap's setting.
    """
    return f"{client}_{source}_{setting}".replace("-", "_").upper()


def shared_variables_warning(environ: Mapping[str, str]) -> str | None:
    """Warn if a client's tap may read variables of others, because of the client's name.

    Args:
        environ: The environment of the tap, with Meltano's variables for plugin and project.

    Returns:
        A sentence, or None if the name is fine or its file reads other variables.
    """
    _, _, client = environ.get(_PLUGIN, "").partition("--")
    if not (prefix := taken_prefix(client)):
        return None
    path = Path(environ.get(_PROJECT) or ".") / "clients" / f"{client}.yml"
    try:
        variables = sorted({*_VARIABLE.findall(path.read_text(encoding="utf-8"))})
    except OSError:
        # It may be in any other file: the name alone is enough to say so.
        variables = [f"{prefix}..."]
    if not (shared := [name for name in variables if name.startswith(prefix)]):
        return None
    return (
        f"Client {client!r} reads {', '.join(shared)}. Variables that begin with {prefix} are read "
        "by others too, so this may be another client's account. Rename them in "
        f"clients/{client}.yml and where they are set, as in CLIENT_{shared[0]}."
    )
