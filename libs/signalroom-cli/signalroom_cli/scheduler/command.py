"""``signalroom scheduler``: runs the schedules of the project and of all clients.

It takes the place of a crontab with a line per schedule: each run is `signalroom run --schedule`,
a process of its own with its own environment, state, log and exit code. Runs start as forks of
processes that have Meltano, the taps and the loader imported (see `signalroom_cli.preload`).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from signalroom_cli.folders import ProjectError, add_folder_option
from signalroom_cli.preload.programs import PreloadError
from signalroom_cli.scheduler.due import due_schedules
from signalroom_cli.scheduler.runs import Runs, SchedulesError
from signalroom_singer import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_CONCURRENCY = 4
_MINUTE = 60


class _Stop(BaseException):
    """SIGTERM or SIGINT."""


def main(arguments: Sequence[str]) -> int:
    """Run schedules until SIGTERM or SIGINT, or once.

    Args:
        arguments: The command line after ``signalroom scheduler``.

    Returns:
        The exit code: 0; with ``--once`` 1 if a run failed; 78 if the schedules cannot be read or
        the programs cannot be imported.
    """
    options = _parse(arguments)
    os.chdir(options.folder)
    if options.environment:
        os.environ["MELTANO_ENVIRONMENT"] = options.environment
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_stop)
    try:
        runs = Runs(options.concurrency)
    except (PreloadError, ProjectError) as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIGURATION
    except _Stop:
        return 0
    try:
        if options.once:
            runs.submit(each["name"] for each in _select(runs, options.patterns))
        else:
            _run_when_due(runs, options.patterns, options.timezone)
        runs.wait()
    except (ProjectError, SchedulesError) as error:
        sys.stderr.write(f"{error}\n")
        runs.wait()
        return ExitCode.CONFIGURATION
    except _Stop:
        runs.stop()
        runs.wait()
    return int(options.once and bool(runs.failures))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="signalroom scheduler",
        description="Run the schedules of all clients, each run as `signalroom run --schedule`.",
    )
    parser.add_argument(
        "patterns",
        metavar="SCHEDULE",
        nargs="*",
        default=["*"],
        help="such as 'everflow-*' or '*--acme'; default: all that have an interval",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=_CONCURRENCY,
        metavar="N",
        help=f"runs at once; default: {_CONCURRENCY}",
    )
    parser.add_argument(
        "--timezone",
        type=_timezone,
        default="UTC",
        metavar="NAME",
        help="the zone of the intervals, such as America/New_York; default: UTC",
    )
    parser.add_argument("--environment", help="the environment of Meltano")
    parser.add_argument(
        "--once",
        action="store_true",
        help="run each schedule once, now, and end; exit code 1 if a run failed",
    )
    add_folder_option(parser)
    options = parser.parse_args(arguments)
    if options.concurrency < 1:
        parser.error("--concurrency: expected a number above 0.")
    return options


def _timezone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError):
        msg = f"there is no time zone {name!r}"
        raise argparse.ArgumentTypeError(msg) from None


def _raise_stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stop


def _select(runs: Runs, patterns: Sequence[str]) -> list[dict[str, Any]]:
    return [
        schedule
        for schedule in runs.schedules()
        if schedule["cron"] and any(fnmatchcase(schedule["name"], each) for each in patterns)
    ]


def _run_when_due(runs: Runs, patterns: Sequence[str], zone: ZoneInfo) -> None:
    after = datetime.now(zone)
    while True:
        time.sleep(_MINUTE - time.time() % _MINUTE)
        until = datetime.now(zone)
        try:
            runs.replace_changed_servers()
            names = due_schedules(_select(runs, patterns), after, until)
        except (OSError, PreloadError, ProjectError, SchedulesError) as error:
            # A file that is being edited; schedules that are due now run when it can be read.
            sys.stderr.write(f"No schedule was started: {error}\n")
            continue
        after = until
        runs.submit(names)
