"""Commands of Meltano that parse only the files of the clients that they are about.

``python -m signalroom_cli.meltano_command tap-everflow--acme invoke tap-everflow--acme --test`` is
``meltano invoke tap-everflow--acme --test`` that an invalid file of another client does not stop.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meltano.cli import main as meltano
from meltano.core.project import PROJECT_ROOT_ENV, Project

from signalroom_cli.client_project import ClientProject, project_for
from signalroom_cli.folders import ProjectError, project_folder
from signalroom_singer import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection


def activate_project_for(
    names: Collection[str], env_file: Path | None = None
) -> ClientProject | None:
    """Open and activate the project for Meltano's next command in this process.

    Args:
        names: The plugins, jobs and schedules that the command names.
        env_file: The file to read in place of ``.env``.

    Returns:
        The project; None if it cannot be read, which the command will report.

    Raises:
        ProjectError: If a client's file that the command needs cannot be read.
    """
    root = Path(os.environ.get(PROJECT_ROOT_ENV) or project_folder()).resolve()
    try:
        project = project_for(root, names, dotenv_file=env_file)
        Project.activate(project)
    except ProjectError:
        raise
    except Exception:  # noqa: BLE001 - Meltano reads the files again, and raises the same
        return None
    for problem in project.file_problems:
        sys.stderr.write(f"Pipelines of this file cannot run: {problem}\n")
    for name in project.variables_of_excluded(os.environ):
        del os.environ[name]
    return project


def meltano_command(plugin: str, *arguments: str) -> list[str]:
    """The command line of a command of Meltano, for a subprocess.

    Args:
        plugin: The name of the plugin that the command is about.
        arguments: The arguments of ``meltano``.
    """
    return [sys.executable, "-m", __name__, plugin, *arguments]


def main() -> int:
    """Run Meltano with all arguments but the first, which is the name of a plugin.

    Returns:
        78 if the file of the plugin's client cannot be read; else Meltano ends the process.
    """
    _, plugin, *arguments = sys.argv
    try:
        activate_project_for({plugin})
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIGURATION
    sys.argv = ["meltano", *arguments]
    meltano()
    return 0


if __name__ == "__main__":
    sys.exit(main())
