"""Where a project keeps its embedded database."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "SIGNALROOM_PGDATA"


def project_root() -> Path:
    """Find the Meltano project that this process works for.

    Returns:
        ``MELTANO_PROJECT_ROOT``, which Meltano sets for its plugins, else the nearest folder
        from here upwards that holds a ``meltano.yml``, else the current folder.
    """
    if root := os.environ.get("MELTANO_PROJECT_ROOT"):
        return Path(root).resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "meltano.yml").is_file():
            return folder
    return here


def data_directory() -> Path:
    """Find the folder of the embedded database.

    Returns:
        ``SIGNALROOM_PGDATA``, else ``.meltano/postgres`` in the project.
    """
    if configured := os.environ.get(DATA_VARIABLE):
        return Path(configured).expanduser().resolve()
    return (project_root() / ".meltano" / "postgres").resolve()
