"""``signalroom test``: read one record per stream, after checking that all variables are set.

With all variables set, ``meltano invoke TAP --test`` does the same. Without one that a client's
file refers to, Meltano (4.4) ends in a traceback about a file that it did not write.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING

from meltano.core.error import MeltanoError

from signalroom_cli.folders import ProjectError, add_folder_option
from signalroom_cli.meltano_command import meltano_command
from signalroom_cli.meltano_project import activate_project, find_taps
from signalroom_cli.plugin_settings import read_plugin_settings

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the connection of taps.

    Args:
        arguments: The command line after ``signalroom test``.

    Returns:
        The exit code: 0 if every tap can read, 1 if one cannot, 2 if a tap does not exist.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom test",
        description="Read one record per stream, to verify credentials and permissions.",
    )
    parser.add_argument("taps", nargs="+", metavar="TAP", help="such as tap-everflow--acme")
    add_folder_option(parser)
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    try:
        project = activate_project(folder)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    taps = find_taps(project)
    if unknown := [name for name in options.taps if name not in taps]:
        sys.stderr.write(f"There is no {', '.join(unknown)}; there are {', '.join(taps)}.\n")
        return 2
    code = 0
    for name in options.taps:
        try:
            problem = read_plugin_settings(project, taps[name]).problem
        except MeltanoError as error:
            sys.stderr.write(f"{name}: Meltano cannot read its settings: {error}\n")
            code = 1
            continue
        if problem:
            sys.stderr.write(f"{name}: {problem}. Set what is missing in .env.\n")
            code = 1
            continue
        command = meltano_command(name, "invoke", name, "--test")
        if subprocess.run(command, cwd=folder, check=False).returncode:  # noqa: S603 - our Meltano
            code = 1
    return code
