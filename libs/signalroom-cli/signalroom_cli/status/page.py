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
    from datetime import datetime

    from signalroom_cli.status.model import Loaded, Pipeline

_BAR, _GAP, _HEIGHT = 9, 2, 34
_MOST_RUNS = 24
#: The whole of the bar that shows how fresh a pipeline is.
_FULL = timedelta(days=1)


@dataclass(frozen=True)
class Bar:
    """A number of rows, as a bar.

    Attributes:
        title: What of, and how many.
        rows: How many.
        x: Of its left edge, in pixels.
        y: Of its upper one.
        height: In pixels; where there are rows, it has at least one.
    """

    title: str
    rows: int
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Plot:
    """Bars side by side; the highest is as high as the plot.

    Attributes:
        label: What it shows.
        bars: From left to right.
    """

    label: str
    bars: list[Bar]

    @property
    def width(self) -> int:
        """In pixels."""
        return max(1, len(self.bars)) * (_BAR + _GAP) - _GAP


def by_date(pipeline: Pipeline, now: datetime, days: int) -> Plot:
    """Plot rows by the date that they are of.

    Args:
        pipeline: Whose.
        now: The time, in UTC.
        days: How many.
    """
    counts = pipeline.rows.by_date if pipeline.rows else {}
    dates = [(now - timedelta(days=days - 1 - number)).date() for number in range(days)]
    rows = [counts.get(date, 0) for date in dates]
    titles = [f"{date}: {count:,} rows" for date, count in zip(dates, rows, strict=True)]
    return _plot("Rows by date", titles, rows)


def by_run(pipeline: Pipeline) -> Plot:
    """Plot the rows of the last runs.

    Args:
        pipeline: Whose.
    """
    runs = pipeline.rows.by_run[-_MOST_RUNS:] if pipeline.rows else []
    return _plot("Rows by run", [_title(one) for one in runs], [one.written for one in runs])


def _title(run: Loaded) -> str:
    parts = [f"{run.started_at:%Y-%m-%d %H:%M}: {run.read:,} rows read"]
    if run.new is None or run.updated is None:
        parts.append(f"{run.written:,} new or updated")
    else:
        parts += [f"{run.new:,} new", f"{run.updated:,} updated"]
    parts += [f"{run.removed:,} removed"] if run.removed else []
    parts += [f"{run.rejected:,} rejected"] if run.rejected else []
    return ", ".join(parts)


def _plot(label: str, titles: Sequence[str], counts: Sequence[int]) -> Plot:
    most = max(counts, default=0)
    found = []
    for number, (title, rows) in enumerate(zip(titles, counts, strict=True)):
        height = max(1.0, round(_HEIGHT * rows / most, 1)) if rows else 0.0
        found.append(Bar(title, rows, number * (_BAR + _GAP), _HEIGHT - height, height))
    return Plot(label, found)


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
        by_run=by_run,
        by_date=by_date,
        freshness=freshness,
        last_run=last_run,
        short=short,
        bar=_BAR,
        height=_HEIGHT,
        most_runs=_MOST_RUNS,
    )
