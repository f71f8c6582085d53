"""``signalroom clean-up``: remove what runs leave behind, and nobody needs any more."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from meltano.core.error import MeltanoError
from sqlalchemy.exc import SQLAlchemyError

from signalroom_cli.cleanup import files, history, warehouse
from signalroom_cli.cleanup.model import Limits, Removed, readable
from signalroom_cli.folders import project_folder
from signalroom_cli.meltanoproject import ProjectError
from signalroom_cli.status.model import utc_now
from signalroom_cli.status.project import find, loader_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meltano.core.project import Project

_DAYS = 30
_MOST_DAYS = 36_500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 1 if something could not be cleaned up.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom clean-up",
        description=(
            "Remove what runs leave behind: Meltano's list of runs, logs, working folders, and "
            "old rows of the log of loads. The state stays, and so does what a run that is going "
            "on needs."
        ),
        epilog="Exit code: 1 if something could not be cleaned up, else 0.",
    )
    parser.add_argument(
        "--days", type=_days, default=_DAYS, help=f"what is older than this goes ({_DAYS})"
    )
    parser.add_argument(
        "--rejected-days",
        type=_days,
        metavar="DAYS",
        help="also rows in <table>__rejected that were last rejected before this; default: none",
    )
    parser.add_argument("--dry-run", action="store_true", help="count, and remove nothing")
    parser.add_argument("--folder", type=Path, default=project_folder(), help="the project's")
    asked = parser.parse_args(arguments)
    now = utc_now()
    rejected = asked.rejected_days
    limits = Limits(
        now - timedelta(days=asked.days),
        None if rejected is None else now - timedelta(days=rejected),
        asked.dry_run,
    )
    try:
        removed, problems = clean(find(asked.folder.resolve()), limits)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    total = readable(sum(one.size for one in removed))
    end = f"{total} would be removed" if limits.dry_run else f"{total} removed"
    sys.stdout.write("\n".join([*map(str, removed), "", f"{end}.", ""]))
    sys.stderr.write("".join(f"Not cleaned up: {problem}\n" for problem in problems))
    return 1 if problems else 0


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= _MOST_DAYS:
        msg = f"expected 1 to {_MOST_DAYS}"
        raise argparse.ArgumentTypeError(msg)
    return days


def clean(project: Project, limits: Limits) -> tuple[list[Removed], list[str]]:
    """Clean up a project.

    Args:
        project: With its environment.
        limits: What is old enough.

    Returns:
        What was removed, by kind; and what could not be, in sentences.

    Raises:
        ProjectError: If nothing could be, as Meltano's database cannot be read or written.
    """
    # As each command of Meltano's does: its database is a file in there, by default.
    project.dirs.meltano()
    try:
        runs, found = history.clean(project, limits)
    except (SQLAlchemyError, MeltanoError) as error:
        first, *_ = str(error).splitlines()
        msg = (
            f"Meltano's database (MELTANO_DATABASE_URI) cannot be cleaned up: {first}. Nothing "
            "else was removed, as only this database says which runs are going on."
        )
        raise ProjectError(msg) from None
    if found.running_since:
        # What is as new as the first run that is going on may be that run's.
        limits = replace(limits, before=min(limits.before, found.running_since))
    removed = [runs, *files.clean(project, found, limits)]
    try:
        settings = loader_settings(project)
    except ProjectError as error:
        return removed, [str(error)]
    rows, problems = warehouse.clean(settings, limits)
    return [*removed, *rows], problems
