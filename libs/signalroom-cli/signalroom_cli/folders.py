"""Which folder a command works in."""

from __future__ import annotations

from pathlib import Path


def project_folder() -> Path:
    """Find the project's folder.

    Returns:
        The current folder, or the nearest above it that has a ``meltano.yml``; the current one if
        there is none.
    """
    here = Path.cwd()
    return next((one for one in (here, *here.parents) if (one / "meltano.yml").is_file()), here)
