"""``meltano run``, for which only the files of the clients that it names are read.

``signalroom run tap-everflow--acme target-postgres`` does what ``meltano run`` does with the same
words, in the same project, with the same state and logs. The taps get the variables of their own
client only, and a file of another client that cannot be read does no harm.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meltano.cli import main as meltano
from meltano.core.project import PROJECT_ROOT_ENV, Project
from meltano.core.schedule import ELTSchedule

from signalroom_cli.clientproject import ClientProject, project_for
from signalroom_cli.folders import project_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from meltano.core.schedule import Schedule

#: Options of Meltano's that come before its command.
_OPTIONS = ("--log-level", "--log-format", "--log-config", "--environment", "--env-file")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 2 if the schedule does not exist, else Meltano's.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom run",
        usage="signalroom run [OPTIONS] (TAP TARGET | JOB | --schedule NAME) ...",
        description=(
            "Run pipelines as `meltano run` does, but read only the files and variables of the "
            "clients they are of. With many clients each run starts several times as fast."
        ),
        epilog="All other options are those of `meltano run`, as in --full-refresh.",
        allow_abbrev=False,
    )
    parser.add_argument("--schedule", metavar="NAME", help="run the job of a schedule")
    for option in _OPTIONS:
        parser.add_argument(option, help=argparse.SUPPRESS)
    parser.add_argument("--no-environment", action="store_true", help=argparse.SUPPRESS)
    options, words = parser.parse_known_args(arguments)
    if not words and not options.schedule:
        parser.error("Say what to run, as in: signalroom run tap-everflow--acme target-postgres")
    names = {options.schedule} if options.schedule else {*words}
    env_file = options.env_file and Path(options.env_file)
    project = _open(names, env_file)
    command = ["run", *words]
    if options.schedule:
        schedule = _find(project, options.schedule)
        if schedule is None:
            parser.error(
                f"There is no schedule {options.schedule!r}. `meltano schedule list` lists them."
            )
        os.environ.update({name: str(value) for name, value in schedule.env.items()})
        command = _command(schedule, words)
    sys.argv = ["meltano", *_before(options), *command]
    meltano()
    return 0


def _open(names: Collection[str], env_file: Path | None) -> ClientProject | None:
    """Make the project the one that Meltano's command works in; None if Meltano has to say why."""
    root = Path(os.environ.get(PROJECT_ROOT_ENV) or project_folder()).resolve()
    try:
        project = project_for(root, names, dotenv_file=env_file)
        Project.activate(project)
    except Exception:  # noqa: BLE001 - reading the files again, it raises the same
        return None
    for name in project.variables_of_others(os.environ):
        del os.environ[name]
    return project


def _find(project: ClientProject | None, name: str) -> Schedule | None:
    schedules = project.meltano.schedules if project else ()
    return next((schedule for schedule in schedules if schedule.name == name), None)


def _command(schedule: Schedule, options: list[str]) -> list[str]:
    """Meltano's command for a schedule, as `meltano schedule run` has it."""
    if isinstance(schedule, ELTSchedule):
        return ["elt", *schedule.elt_args, *options]
    return ["run", *options, schedule.job]


def _before(options: argparse.Namespace) -> list[str]:
    """The options that Meltano takes before its command."""
    values = {option: getattr(options, option.strip("-").replace("-", "_")) for option in _OPTIONS}
    words = [f"{option}={value}" for option, value in values.items() if value is not None]
    return [*words, *(["--no-environment"] if options.no_environment else [])]
