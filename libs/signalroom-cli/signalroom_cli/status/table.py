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


def table(pipelines: Sequence[Pipeline], now: datetime) -> Table:
    """Draw it.

    Args:
        pipelines: In order.
        now: The time, in UTC.
    """
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    # Where a terminal is narrow, times are cut before names and numbers are.
    for name, values in (
        ("pipeline", [one.tap for one in pipelines]),
        ("condition", [one.condition(now) for one in pipelines]),
    ):
        drawn.add_column(name, no_wrap=True, min_width=max(map(len, [name, *values])))
    for name in ("last run", "last success"):
        drawn.add_column(name, no_wrap=True)
    for name in ("lag", "rows", "rejected"):
        drawn.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    drawn.add_column("bookmark", no_wrap=True)
    for one in pipelines:
        condition = one.condition(now)
        lag = one.lag(now)
        drawn.add_row(
            one.tap,
            f"[{_STYLES[condition]}]{condition}[/]",
            last_run(one.last, now),
            one.last_success.started_at.strftime("%m-%d %H:%M") if one.last_success else "-",
            short(lag) if lag is not None else "-",
            f"{one.rows.last_run:,}" if one.rows else "?",
            f"{one.rows.rejected:,}" if one.rows else "?",
            one.bookmark[:16] or "-",
        )
    return drawn


def last_run(run: Run | None, now: datetime) -> str:
    """When a run began and how it goes, in a few words.

    Args:
        run: Or none.
        now: The time, in UTC.
    """
    if run is None:
        return "-"
    if run.outcome is Outcome.RUNNING:
        return f"running for {short(now - run.started_at)}"
    took = f" in {short(run.ended_at - run.started_at)}" if run.ended_at else ""
    return f"{run.started_at:%m-%d %H:%M} {run.outcome}{took}"


def short(span: timedelta) -> str:
    """A span in its largest unit or two: ``42 s``, ``17 min``, ``3 h 20``, ``2 d 4 h``."""
    seconds = int(span.total_seconds())
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE:02}"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"
