"""``signalroom test``: read one record per stream, after a look at the variables.

``meltano invoke TAP --test`` is the same where all variables are set. Where one is missing that a
client's file names, Meltano (4.4) ends in a traceback about a file that it did not write.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meltano.core.error import MeltanoError

from signalroom_cli.folders import project_folder
from signalroom_cli.meltanocommand import command_about
from signalroom_cli.meltanoproject import ProjectError, extractors
from signalroom_cli.status.configured import configuration
from signalroom_cli.status.project import find

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 0 if every tap can read, 1 if one cannot, 2 if there is no such tap.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom test",
        description="Read one record per stream, to verify credentials and permissions.",
    )
    parser.add_argument("taps", nargs="+", metavar="TAP", help="as in tap-everflow--acme")
    parser.add_argument("--folder", type=Path, default=project_folder(), help="the project's")
    asked = parser.parse_args(arguments)
    folder = asked.folder.resolve()
    try:
        project = find(folder)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    plugins = extractors(project)
    if unknown := [name for name in asked.taps if name not in plugins]:
        sys.stderr.write(f"There is no {', '.join(unknown)}; there are {', '.join(plugins)}.\n")
        return 2
    code = 0
    for name in asked.taps:
        try:
            problem = configuration(project, project.plugins.ensure_parent(plugins[name])).problem
        except MeltanoError as error:
            sys.stderr.write(f"{name}: Meltano cannot read its settings: {error}\n")
            code = 1
            continue
        if problem:
            sys.stderr.write(f"{name}: {problem}. Set what is missing in .env.\n")
            code = 1
            continue
        command = command_about(name, "invoke", name, "--test")
        if subprocess.run(command, cwd=folder, check=False).returncode:  # noqa: S603 - our Meltano
            code = 1
    return code
