"""``make status``: a table, JSON, or a page; the exit code is for whatever watches it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from signalroom_cli.folders import project_folder
from signalroom_cli.meltanoproject import ProjectError
from signalroom_cli.status import warehouse
from signalroom_cli.status.model import utc_now
from signalroom_cli.status.page import page
from signalroom_cli.status.project import find, loader_settings, pipelines
from signalroom_cli.status.table import table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from meltano.core.project import Project
    from rich.table import Table

    from signalroom_cli.status.model import Pipeline

_STALE, _UNKNOWN = 1, 2
_EVERY = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.

    Returns:
        1 if a pipeline is stale, 2 if that cannot be told, else 0.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom status",
        description="Show what each pipeline did, and whether one is stale.",
        epilog=(
            "Exit code: 1 if a pipeline is stale, 2 if the status cannot be determined, as where "
            "no pipeline is configured, else 0."
        ),
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="for programs")
    shape.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    shape.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")
    parser.add_argument("--tap", help="only these: a part of their names, as in acme")
    parser.add_argument("--no-rows", action="store_true", help="do not count rows: faster")
    parser.add_argument("--days", type=int, default=14, help="of rows to count (14)")
    parser.add_argument("--seconds", type=int, default=20, help="for each table at most (20)")
    parser.add_argument("--folder", type=Path, default=project_folder(), help="the project's")
    asked = parser.parse_args(arguments)
    try:
        project = find(asked.folder.resolve())
        found, problem = _look(project, asked)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return _UNKNOWN
    now = utc_now()
    if asked.json:
        told = {
            "at": now.isoformat(),
            "problem": problem or None,
            "pipelines": [one.as_dict(now) for one in found],
        }
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif asked.html:
        text = page(found, now, days=asked.days, problem=problem)
        try:
            asked.html.write_text(text, encoding="utf-8")
        except OSError as error:
            sys.stderr.write(f"Cannot write {asked.html} (--html): {error.strerror}.\n")
            return _UNKNOWN
        sys.stdout.write(f"{asked.html} has {len(found)} pipelines.\n")
    elif asked.watch:
        _watch(asked)
    else:
        _print(found, problem)
    if any(one.is_stale(now) for one in found):
        return _STALE
    is_idle = all(one.is_unused(now) for one in found)
    return _UNKNOWN if problem or is_idle else 0


def _look(project: Project, asked: argparse.Namespace) -> tuple[list[Pipeline], str]:
    found = [one for one in pipelines(project) if not asked.tap or asked.tap in one.tap]
    if not found:
        msg = f"No scheduled tap has {asked.tap!r} in its name."
        raise ProjectError(msg)
    problem = ""
    if not asked.no_rows:
        try:
            settings = loader_settings(project)
        except ProjectError as error:
            return found, str(error)
        problem = warehouse.look_up(
            *(found, settings, utc_now()),
            days=asked.days,
            seconds=asked.seconds,
            # A table in a terminal does not have them.
            dates=bool(asked.json or asked.html),
        )
    return found, problem


def _print(found: list[Pipeline], problem: str) -> None:
    now = utc_now()
    # Where it goes into a file, no line is cut to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else 200)
    for one in shown(found, problem, now):
        # A line that is longer than the terminal is broken by it: a command can still be copied.
        console.print(one, soft_wrap=isinstance(one, Text))


def shown(found: list[Pipeline], problem: str, now: datetime) -> list[Table | Text]:
    """The pipelines for a terminal: a table of those in use, and a line for each of the others.

    Args:
        found: All.
        problem: Why rows were not counted, if so.
        now: The time, in UTC.
    """
    used = [one for one in found if not one.is_unused(now)]
    lines = [f"{one.tap}: {'. '.join(one.remarks)}" for one in used if one.remarks]
    lines += {f"Rows are not shown: {one.no_rows}" for one in used if one.no_rows}
    if problem:
        lines.append(f"Rows were not counted: {problem}")
    stale = [one for one in used if one.is_stale(now)]
    if stale:
        what = (
            "None has run yet. Run one"
            if all(one.last is None for one in used)
            else f"{len(stale)} of {len(used)} pipelines are stale. Run one to see why"
        )
        lines.append(f"\n{what}: uv run meltano run {stale[0].tap} target-postgres")
    if unused := [one for one in found if one.is_unused(now)]:
        # Quiet: nobody has to do anything about a vendor that is not used.
        lines += ["" if used else "No pipeline is configured. Set the variables of one in .env:"]
        lines += [f"{one.tap}: {one.unconfigured}" for one in unused]
    return [*([table(used, now)] if used else []), *map(Text, lines)]


def _watch(asked: argparse.Namespace) -> None:
    try:
        with Live(console=Console(), auto_refresh=False) as live:
            while True:
                found, problem = _look(find(asked.folder.resolve()), asked)
                live.update(Group(*shown(found, problem, utc_now())), refresh=True)
                time.sleep(_EVERY)
    except KeyboardInterrupt:
        return
