"""The project's folder and its YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

if TYPE_CHECKING:
    from argparse import ArgumentParser


class ProjectError(Exception):
    """The project cannot be read; the message says why and what to do."""


def project_folder() -> Path:
    """Return the current folder, or the nearest one above it that has a ``meltano.yml``.

    Without a ``meltano.yml`` anywhere above it is the current folder.
    """
    here = Path.cwd()
    folders = (here, *here.parents)
    return next((folder for folder in folders if (folder / "meltano.yml").is_file()), here)


def add_folder_option(parser: ArgumentParser) -> None:
    """Let a command run for a project elsewhere.

    Args:
        parser: The command's parser, which gets the option ``--folder``.
    """
    parser.add_argument(
        "--folder",
        type=Path,
        default=project_folder(),
        help="the project's folder; default: the current one, or the nearest above it",
    )


def read_project_file(path: Path) -> dict[str, Any]:
    """Parse ``meltano.yml``, or a client's file.

    Args:
        path: The path of the YAML file.

    Returns:
        Its top-level mapping, which is empty for an empty file.

    Raises:
        ProjectError: If the file is missing, is not valid YAML, or is not a mapping.
    """
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError:
        msg = f"{path} not found. Run this command in the project's folder."
        raise ProjectError(msg) from None
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        msg = f"Cannot read {path}: {' '.join(str(error).split())}"
        raise ProjectError(msg) from None
    if not isinstance(content, dict | None):
        msg = f"Cannot read {path}: expected keys such as plugins and schedules."
        raise ProjectError(msg)
    return content or {}
