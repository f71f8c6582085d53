"""Where a project has its embedded database."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "SIGNALROOM_PGDATA"
ENVIRONMENT_VARIABLE = "MELTANO_ENVIRONMENT"
_DEFAULT_ENVIRONMENT = "dev"


def project_root() -> Path:
    """Return the Meltano project that this process works for.

    Returns:
        ``MELTANO_PROJECT_ROOT``, which Meltano sets for its plugins, else the nearest parent folder
        that has a ``meltano.yml``, else the current folder.
    """
    if root := os.environ.get("MELTANO_PROJECT_ROOT"):
        return Path(root).resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "meltano.yml").is_file():
            return folder
    return here


def data_directory() -> Path:
    """Return the folder of the embedded database.

    Returns:
        ``SIGNALROOM_PGDATA``, else ``.meltano/postgres`` in the project; other Meltano environments
        than ``dev`` have their own, so that the sandbox's rows are never mixed with an account's.
    """
    if configured := os.environ.get(DATA_VARIABLE):
        return Path(configured).expanduser().resolve()
    return data_directory_of(os.environ.get(ENVIRONMENT_VARIABLE) or _DEFAULT_ENVIRONMENT)


def data_directory_of(environment: str) -> Path:
    """Return the folder of a Meltano environment's embedded database."""
    name = "postgres" if environment == _DEFAULT_ENVIRONMENT else f"postgres-{environment}"
    return (project_root() / ".meltano" / name).resolve()


def only_sandbox_has_data() -> bool:
    """Whether the sandbox's is the only embedded database, as after a first demo."""
    if os.environ.get(DATA_VARIABLE) or os.environ.get(ENVIRONMENT_VARIABLE):
        return False
    return data_directory_of("sandbox").exists() and not data_directory().exists()


def unread_dotenv() -> Path | None:
    """Return the project's ``.env``, where the working folder is another one without its own."""
    here, path = Path.cwd() / ".env", project_root() / ".env"
    return path if path.is_file() and not here.exists() else None
