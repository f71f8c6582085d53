"""``signalroom run``: ``meltano run`` that parses only the files of the clients that it names.

``signalroom run tap-everflow--acme target-postgres`` does what ``meltano run`` does with the same
arguments, with the same state and logs. The taps see only the variables of their own client, and
an invalid file of another client does not stop them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meltano.cli import main as meltano
from meltano.core.schedule import ELTSchedule

from signalroom_cli.folders import ProjectError
from signalroom_cli.meltano_command import activate_project_for
from signalroom_singer import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meltano.core.schedule import Schedule

    from signalroom_cli.client_project import ClientProject

#: Meltano's options that come before its command.
_GLOBAL_OPTIONS = ("--log-level", "--log-format", "--log-config", "--environment", "--env-file")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run pipelines.

    Args:
        arguments: The command line after ``signalroom run``.

    Returns:
        The exit code: 2 if the schedule does not exist, 78 if a client's file cannot be read, else
        Meltano's.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom run",
        usage="signalroom run [OPTIONS] (TAP TARGET | JOB | --schedule NAME) ...",
        description=(
            "Run pipelines as `meltano run` does, but read only their clients' files and "
            "variables. With many clients, runs start several times as fast."
        ),
        epilog="All options of `meltano run`, such as --full-refresh, work here, too.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--schedule", metavar="NAME", action="append", help="run the job of a schedule"
    )
    for option in _GLOBAL_OPTIONS:
        parser.add_argument(option, help=argparse.SUPPRESS)
    parser.add_argument("--no-environment", action="store_true", help=argparse.SUPPRESS)
    options, words = parser.parse_known_args(arguments)
    schedules = options.schedule or []
    if not words and not schedules:
        parser.error("Nothing to run. Example: signalroom run tap-everflow--acme target-postgres")
    if len(schedules) > 1:
        parser.error(f"Run one schedule at a time, not {' and '.join(schedules)}.")
    env_file = options.env_file and Path(options.env_file)
    try:
        project = activate_project_for({*schedules} or {*words}, env_file)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIGURATION
    command = ["run", *words]
    if schedules:
        schedule = _find_schedule(project, schedules[0])
        if schedule is None:
            parser.error(
                f"There is no schedule {schedules[0]!r}. `meltano schedule list` lists them."
            )
        os.environ.update({name: str(value) for name, value in schedule.env.items()})
        command = _schedule_command(schedule, words)
    sys.argv = ["meltano", *_global_options(options), *command]
    meltano()
    return 0


def _find_schedule(project: ClientProject | None, name: str) -> Schedule | None:
    schedules = project.meltano.schedules if project else ()
    return next((schedule for schedule in schedules if schedule.name == name), None)


def _schedule_command(schedule: Schedule, options: list[str]) -> list[str]:
    """Meltano's command for a schedule, the same as that of `meltano schedule run`."""
    if isinstance(schedule, ELTSchedule):
        return ["elt", *schedule.elt_args, *options]
    return ["run", *options, schedule.job]


def _global_options(options: argparse.Namespace) -> list[str]:
    values = {
        option: getattr(options, option.strip("-").replace("-", "_")) for option in _GLOBAL_OPTIONS
    }
    words = [f"{option}={value}" for option, value in values.items() if value is not None]
    return [*words, *(["--no-environment"] if options.no_environment else [])]
