"""The pipelines as a table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from signalroom_cli.status.model import Condition, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from signalroom_cli.status.model import Pipeline, Run

_STYLES = {
    Condition.OK: "green",
    Condition.RUNNING: "cyan",
    Condition.FAILED: "yellow",
    Condition.LATE: "bold red",
    Condition.NEVER: "bold red",
    Condition.NOT_CONFIGURED: "bold red",
    Condition.BROKEN: "bold red",
}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def pipeline_table(pipelines: Sequence[Pipeline], now: datetime) -> Table:
    """Make a table of pipelines.

    Args:
        pipelines: The pipelines in the order of their rows.
        now: The current time (UTC).
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    # In a narrow terminal, times are truncated before names and numbers are.
    for name, values in (
        ("pipeline", [pipeline.tap for pipeline in pipelines]),
        ("condition", [pipeline.condition(now) for pipeline in pipelines]),
    ):
        table.add_column(name, no_wrap=True, min_width=max(map(len, [name, *values])))
    for name in ("last run", "last success"):
        table.add_column(name, no_wrap=True)
    for name in ("lag", "rows", "rejected"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("bookmark", no_wrap=True)
    for pipeline in pipelines:
        last_success = pipeline.last_success
        condition = pipeline.condition(now)
        lag = pipeline.lag(now)
        table.add_row(
            pipeline.tap,
            f"[{_STYLES[condition]}]{condition}[/]",
            describe_run(pipeline.last, now),
            last_success.started_at.strftime("%m-%d %H:%M") if last_success else "-",
            format_duration(lag) if lag is not None else "-",
            f"{pipeline.rows.last_run:,}" if pipeline.rows else "?",
            f"{pipeline.rows.rejected:,}" if pipeline.rows else "?",
            pipeline.bookmark[:16] or "-",
        )
    return table


def describe_run(run: Run | None, now: datetime) -> str:
    """When a run started and how it ended, in a few words.

    Args:
        run: The run; None for a pipeline that never ran.
        now: The current time (UTC).
    """
    if run is None:
        return "-"
    if run.outcome is Outcome.RUNNING:
        return f"running for {format_duration(now - run.started_at)}"
    duration = f" in {format_duration(run.ended_at - run.started_at)}" if run.ended_at else ""
    return f"{run.started_at:%m-%d %H:%M} {run.outcome}{duration}"


def format_duration(duration: timedelta) -> str:
    """Format a duration in its one or two largest units: ``42 s``, ``17 min``, ``3 h 20``."""
    seconds = int(duration.total_seconds())
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE:02}"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"
