"""Names that no client can have, as variables that begin with them are somebody else's.

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

# What Meltano says to a plugin: its name, as in `tap-everflow--acme`, and the project's folder.
_PLUGIN, _PROJECT = "MELTANO_EXTRACTOR_NAME", "MELTANO_PROJECT_ROOT"
_VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)")

#: What variables begin with that are read by Meltano, the taps and the loader, in their present
#: and older names, by AWS, Google and PostgreSQL, and by what runs them.
_WORDS = frozenset(
    {
        *("tap", "target", "meltano", "singer", "signalroom"),
        *("everflow", "google", "gsheets", "mautic", "posthog", "redtrack", "sticky", "s3"),
        *("aws", "pg", "postgres"),
        *("airflow", "python", "uv"),
    }
)


def taken_prefix(name: str) -> str | None:
    """What a client's variables may not begin with.

    Args:
        name: The client's, such as ``acme`` or ``tap``.

    Returns:
        The beginning that is taken, such as ``TAP_``; None if the name can be used.
    """
    word = name.replace("_", "-").partition("-")[0].lower()
    return f"{word.upper()}_" if word in _WORDS else None


def client_variable(client: str, source: str, setting: str) -> str:
    """The environment variable of a client's setting, or with ``tap`` of the tap's own.

    Args:
        client: The name of the client.
        source: As in ``sticky-s3``.
        setting: Of its tap.
    """
    return f"{client}_{source}_{setting}".replace("-", "_").upper()


def shared_variables_warning(environ: Mapping[str, str]) -> str | None:
    """Say whether a client's tap may read another's variables, because of the client's name.

    Args:
        environ: The environment of the tap, with what Meltano says of the plugin and the project.

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
        "by others too, so this may be the account of another. Rename them in "
        f"clients/{client}.yml and where they are set, as in CLIENT_{shared[0]}."
    )
