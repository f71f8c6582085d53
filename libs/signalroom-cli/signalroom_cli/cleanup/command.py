"""``signalroom clean-up``: remove what runs leave behind and nothing reads any more."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from meltano.core.error import MeltanoError
from sqlalchemy.exc import SQLAlchemyError

from signalroom_cli.cleanup import files, history, warehouse
from signalroom_cli.cleanup.model import Limits, Removed, format_size
from signalroom_cli.folders import ProjectError, add_folder_option
from signalroom_cli.meltano_project import activate_project
from signalroom_cli.output import print_lines
from signalroom_cli.plugin_settings import loader_settings
from signalroom_cli.status.model import utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meltano.core.project import Project

_DAYS = 30
_MOST_DAYS = 36_500


def main(arguments: Sequence[str] | None = None) -> int:
    """Clean up the project.

    Args:
        arguments: The command line after ``signalroom clean-up``.

    Returns:
        The exit code: 1 if something could not be cleaned up.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom clean-up",
        description=(
            "Remove what runs leave behind: old runs in Meltano's database, logs, working folders, "
            "and old rows of the log of loads. States, and what active runs need, are kept."
        ),
        epilog="Exit code: 1 if something could not be cleaned up, else 0.",
    )
    parser.add_argument(
        "--days", type=_days, default=_DAYS, help=f"remove what is older; default: {_DAYS}"
    )
    parser.add_argument(
        "--rejected-days",
        type=_days,
        metavar="DAYS",
        help="also remove rows in <table>__rejected that were last rejected before; default: none",
    )
    parser.add_argument("--dry-run", action="store_true", help="count, and remove nothing")
    add_folder_option(parser)
    options = parser.parse_args(arguments)
    now = utc_now()
    rejected = options.rejected_days
    limits = Limits(
        now - timedelta(days=options.days),
        None if rejected is None else now - timedelta(days=rejected),
        options.dry_run,
    )
    try:
        removed, problems = clean_up(activate_project(options.folder.resolve()), limits)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    total = format_size(sum(each.size for each in removed))
    summary = f"{total} would be removed" if limits.dry_run else f"{total} removed"
    print_lines(*map(str, removed), "", f"{summary}.")
    sys.stderr.write("".join(f"Not cleaned up: {problem}\n" for problem in problems))
    return 1 if problems else 0


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= _MOST_DAYS:
        msg = f"expected 1 to {_MOST_DAYS}"
        raise argparse.ArgumentTypeError(msg)
    return days


def clean_up(project: Project, limits: Limits) -> tuple[list[Removed], list[str]]:
    """Clean up Meltano's database, the files, and the database that is loaded into.

    Args:
        project: A project whose environment is active.
        limits: What is old enough to be removed.

    Returns:
        What was removed, by kind; and what could not be removed, in sentences.

    Raises:
        ProjectError: If Meltano's database cannot be read or written, so that nothing is removed.
    """
    # Each command of Meltano creates this folder, too: by default its database is in it.
    project.dirs.meltano()
    try:
        runs, remaining = history.remove_runs(project, limits)
    except (SQLAlchemyError, MeltanoError) as error:
        first, *_ = str(error).splitlines()
        msg = (
            f"Meltano's database (MELTANO_DATABASE_URI) cannot be cleaned up: {first}. Nothing "
            "else was removed, as only this database says which runs are active."
        )
        raise ProjectError(msg) from None
    if remaining.active_since:
        # What is newer than the start of the first active run may belong to that run.
        limits = replace(limits, before=min(limits.before, remaining.active_since))
    removed = [runs, *files.remove_files(project, remaining, limits)]
    try:
        settings = loader_settings(project)
    except ProjectError as error:
        return removed, [str(error)]
    rows, problems = warehouse.remove_rows(settings, limits)
    return [*removed, *rows], problems
