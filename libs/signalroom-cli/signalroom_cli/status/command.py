"""``signalroom status``: a table, JSON, or a page; with an exit code for monitoring."""

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

from signalroom_cli.folders import ProjectError, add_folder_option
from signalroom_cli.meltano_project import activate_project
from signalroom_cli.output import print_lines
from signalroom_cli.plugin_settings import loader_settings
from signalroom_cli.status.model import utc_now
from signalroom_cli.status.page import render_page
from signalroom_cli.status.project import read_pipelines
from signalroom_cli.status.table import pipeline_table
from signalroom_cli.status.warehouse import add_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.table import Table

    from signalroom_cli.status.model import Pipeline

_STALE, _UNKNOWN = 1, 2
_WATCH_INTERVAL = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the status of the pipelines.

    Args:
        arguments: The command line after ``signalroom status``.

    Returns:
        The exit code: 1 if a pipeline is stale, 2 if the status cannot be determined, else 0.
    """
    options = _parser().parse_args(arguments)
    try:
        pipelines, problem = _read(options)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return _UNKNOWN
    now = utc_now()
    if options.json:
        status = {
            "at": now.isoformat(),
            "problem": problem or None,
            "pipelines": [pipeline.as_dict(now) for pipeline in pipelines],
        }
        print_lines(json.dumps(status, indent=2))
    elif options.html:
        text = render_page(pipelines, now, days=options.days, problem=problem)
        try:
            options.html.write_text(text, encoding="utf-8")
        except OSError as error:
            sys.stderr.write(f"Cannot write {options.html} (--html): {error.strerror}.\n")
            return _UNKNOWN
        print_lines(f"{options.html} has {len(pipelines)} pipelines.")
    elif options.watch:
        _watch(options)
    else:
        _print(pipelines, problem)
    if any(pipeline.is_stale(now) for pipeline in pipelines):
        return _STALE
    is_idle = all(pipeline.is_unused(now) for pipeline in pipelines)
    return _UNKNOWN if problem or is_idle else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="signalroom status",
        description="Show what each pipeline did, and whether one is stale.",
        epilog=(
            "Exit code: 1 if a pipeline is stale, 2 if the status cannot be determined or no "
            "pipeline is configured, else 0."
        ),
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print JSON")
    output.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    output.add_argument("--watch", action="store_true", help="refresh the table until Ctrl-C")
    parser.add_argument("--tap", help="only taps whose names contain this, such as acme")
    parser.add_argument("--no-rows", action="store_true", help="do not count rows: faster")
    parser.add_argument(
        "--days", type=int, default=14, help="count the rows of so many days; default: 14"
    )
    parser.add_argument(
        "--seconds", type=int, default=20, help="count for so long per table; default: 20"
    )
    add_folder_option(parser)
    return parser


def _read(options: argparse.Namespace) -> tuple[list[Pipeline], str]:
    """Read the selected pipelines, and why their rows could not be read, if so."""
    project = activate_project(options.folder.resolve())
    pipelines = read_pipelines(project)
    if options.tap:
        pipelines = [pipeline for pipeline in pipelines if options.tap in pipeline.tap]
    if not pipelines:
        msg = f"No scheduled tap has {options.tap!r} in its name."
        raise ProjectError(msg)
    problem = ""
    if not options.no_rows:
        try:
            settings = loader_settings(project)
        except ProjectError as error:
            return pipelines, str(error)
        problem = add_rows(
            *(pipelines, settings, utc_now()),
            days=options.days,
            seconds=options.seconds,
            # The table in a terminal does not show them.
            by_date=bool(options.json or options.html),
        )
    return pipelines, problem


def _print(pipelines: list[Pipeline], problem: str) -> None:
    # In a file, no line is truncated to the width of a terminal.
    console = Console(width=None if sys.stdout.isatty() else 200)
    for part in render_pipelines(pipelines, problem, utc_now()):
        # The terminal wraps long lines of text, so that a command can be copied.
        console.print(part, soft_wrap=isinstance(part, Text))


def render_pipelines(pipelines: list[Pipeline], problem: str, now: datetime) -> list[Table | Text]:
    """Render pipelines for a terminal: a table, then a line for each problem.

    Args:
        pipelines: The pipelines to show; unused ones are not in the table.
        problem: Why rows could not be counted; empty if they were.
        now: The current time (UTC).
    """
    used = [pipeline for pipeline in pipelines if not pipeline.is_unused(now)]
    lines = [
        f"{pipeline.tap}: {'. '.join(pipeline.remarks)}" for pipeline in used if pipeline.remarks
    ]
    lines += {f"Rows are not shown: {each.rows_problem}" for each in used if each.rows_problem}
    if problem:
        lines.append(f"Rows were not counted: {problem}")
    if stale := [pipeline for pipeline in used if pipeline.is_stale(now)]:
        if all(pipeline.last is None for pipeline in used):
            advice = "None has run yet. Run one"
        else:
            advice = f"{len(stale)} of {len(used)} pipelines are stale. Run one to see why"
        lines.append(f"\n{advice}: uv run meltano run {stale[0].tap} target-postgres")
    if unused := [pipeline for pipeline in pipelines if pipeline.is_unused(now)]:
        # Not a problem: nobody has to act on a vendor that is not used.
        lines += ["" if used else "No pipeline is configured. Set the variables of one in .env:"]
        lines += [f"{pipeline.tap}: {pipeline.unconfigured}" for pipeline in unused]
    return [*([pipeline_table(used, now)] if used else []), *map(Text, lines)]


def _watch(options: argparse.Namespace) -> None:
    try:
        with Live(console=Console(), auto_refresh=False) as live:
            while True:
                pipelines, problem = _read(options)
                parts = render_pipelines(pipelines, problem, utc_now())
                live.update(Group(*parts), refresh=True)
                time.sleep(_WATCH_INTERVAL)
    except KeyboardInterrupt:
        return
