"""The pipelines as one HTML file: no script, nothing from elsewhere, so any web server has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from signalroom_cli.status.table import last_run, short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from signalroom_cli.status.model import Pipeline

_BAR, _GAP, _HEIGHT = 9, 2, 34
#: The whole of the bar that shows how fresh a pipeline is.
_FULL = timedelta(days=1)


@dataclass(frozen=True)
class Bar:
    """A day's rows, as a bar.

    Attributes:
        day: In UTC.
        rows: How many.
        x: Of its left edge, in pixels.
        y: Of its upper one.
        height: In pixels; a day with rows has at least one.
    """

    day: date
    rows: int
    x: int
    y: float
    height: float


def bars(pipeline: Pipeline, now: datetime, days: int) -> list[Bar]:
    """Rows a day; the highest is as high as the plot.

    Args:
        pipeline: Whose.
        now: The time, in UTC.
        days: How many.
    """
    counts = pipeline.rows.by_day if pipeline.rows else {}
    most = max(counts.values(), default=0)
    found = []
    for number in range(days):
        day = (now - timedelta(days=days - 1 - number)).date()
        rows = counts.get(day, 0)
        height = max(1.0, round(_HEIGHT * rows / most, 1)) if rows else 0.0
        found.append(Bar(day, rows, number * (_BAR + _GAP), _HEIGHT - height, height))
    return found


def freshness(pipeline: Pipeline, now: datetime) -> float:
    """How much of a day the last good run is ago, in percent; 100 is a day and more."""
    lag = pipeline.lag(now)
    return 100.0 if lag is None else round(min(100.0, 100 * lag / _FULL), 1)


def page(pipelines: Sequence[Pipeline], now: datetime, *, days: int, problem: str) -> str:
    """Write it.

    Args:
        pipelines: In order.
        now: The time, in UTC.
        days: Of the plots.
        problem: Why rows could not be counted, if so.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html.j2").render(
        pipelines=[one for one in pipelines if not one.is_unused(now)],
        unused=[one for one in pipelines if one.is_unused(now)],
        now=now,
        days=days,
        problem=problem,
        stale=sum(one.is_stale(now) for one in pipelines),
        bars=bars,
        freshness=freshness,
        last_run=last_run,
        short=short,
        bar=_BAR,
        height=_HEIGHT,
        width=days * (_BAR + _GAP) - _GAP,
    )
