"""Commands of Meltano's that read only the files of the clients they are about.

``python -m signalroom_cli.meltanocommand tap-everflow--acme invoke tap-everflow--acme --test`` is
``meltano invoke tap-everflow--acme --test``, whatever is in the files of other clients.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meltano.cli import main as meltano
from meltano.core.project import PROJECT_ROOT_ENV, Project

from signalroom_cli.clientproject import ClientProject, project_for
from signalroom_cli.folders import ProjectFileError, project_folder
from signalroom_singer import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection


def activate_project(names: Collection[str], env_file: Path | None = None) -> ClientProject | None:
    """Make the project the one that Meltano's next command in this process works in.

    Args:
        names: The plugins, jobs and schedules that the command names.
        env_file: In place of ``.env``.

    Returns:
        The project; none where Meltano has to say why it cannot be read.

    Raises:
        ProjectFileError: If a file that the command needs cannot be read.
    """
    root = Path(os.environ.get(PROJECT_ROOT_ENV) or project_folder()).resolve()
    try:
        project = project_for(root, names, dotenv_file=env_file)
        Project.activate(project)
    except ProjectFileError:
        raise
    except Exception:  # noqa: BLE001 - reading the files again, it raises the same
        return None
    for problem in project.unusable:
        sys.stderr.write(f"Pipelines of this file cannot run: {problem}\n")
    for name in project.variables_of_others(os.environ):
        del os.environ[name]
    return project


def command_about(name: str, *arguments: str) -> list[str]:
    """The program and arguments of a command of Meltano's, for a process of its own.

    Args:
        name: The plugin that the command is about.
        arguments: What follows ``meltano``.
    """
    return [sys.executable, "-m", __name__, name, *arguments]


def main() -> int:
    """Run Meltano with the arguments after the first, which is a plugin's name.

    Returns:
        78 if the file of the plugin's client cannot be read; else Meltano ends the process.
    """
    _, name, *arguments = sys.argv
    try:
        activate_project({name})
    except ProjectFileError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIGURATION
    sys.argv = ["meltano", *arguments]
    meltano()
    return 0


if __name__ == "__main__":
    sys.exit(main())
