"""Which folder a command works in, and what its files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class ProjectFileError(Exception):
    """A file of the project is not there or cannot be read; the message says what to do."""


def project_folder() -> Path:
    """Find the project's folder.

    Returns:
        The current folder, or the nearest above it that has a ``meltano.yml``; the current one if
        there is none.
    """
    here = Path.cwd()
    return next((one for one in (here, *here.parents) if (one / "meltano.yml").is_file()), here)


def read_project_file(path: Path) -> dict[str, Any]:
    """Read ``meltano.yml``, or a client's file.

    Args:
        path: The file.

    Returns:
        What it holds; an empty mapping of an empty file.

    Raises:
        ProjectFileError: If it is not there, or holds something else.
    """
    try:
        found = YAML(typ="safe").load(path)
    except FileNotFoundError:
        msg = f"There is no {path}. Run this in the project's folder."
        raise ProjectFileError(msg) from None
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        msg = f"Cannot read {path}: {' '.join(str(error).split())}"
        raise ProjectFileError(msg) from None
    if not isinstance(found, dict | None):
        msg = f"Cannot read {path}: expected keys such as plugins and schedules."
        raise ProjectFileError(msg)
    return found or {}
