"""The pipelines as one HTML page without scripts and other files, for any web server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from signalroom_cli.status.table import describe_run, format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from signalroom_cli.status.model import Load, Pipeline

_BAR, _GAP, _HEIGHT = 9, 2, 34
_MOST_RUNS = 24
#: The lag at which the bar for freshness is full.
_FULL = timedelta(days=1)


@dataclass(frozen=True)
class Bar:
    """A bar for a number of rows.

    Attributes:
        title: The text of its tooltip.
        rows: The number of rows.
        x: The position of its left edge, in pixels.
        y: The position of its upper edge, in pixels.
        height: The height in pixels; at least one if there are rows.
    """

    title: str
    rows: int
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Plot:
    """Bars from left to right, of which the highest fills the plot.

    Attributes:
        label: What the plot shows, for screen readers.
        bars: The bars from left to right.
    """

    label: str
    bars: list[Bar]

    @property
    def width(self) -> int:
        """The width in pixels."""
        return max(1, len(self.bars)) * (_BAR + _GAP) - _GAP


def plot_rows_by_date(pipeline: Pipeline, now: datetime, days: int) -> Plot:
    """Plot the number of rows by the date of their replication key.

    Args:
        pipeline: The pipeline whose rows to plot.
        now: The current time (UTC).
        days: The number of days, up to today.
    """
    counts = pipeline.rows.by_date if pipeline.rows else {}
    dates = [(now - timedelta(days=days - 1 - number)).date() for number in range(days)]
    rows = [counts.get(date, 0) for date in dates]
    titles = [f"{date}: {count:,} rows" for date, count in zip(dates, rows, strict=True)]
    return _plot("Rows by date", titles, rows)


def plot_rows_by_run(pipeline: Pipeline) -> Plot:
    """Plot the number of rows that each of the last runs loaded.

    Args:
        pipeline: The pipeline whose runs to plot.
    """
    loads = pipeline.rows.by_run[-_MOST_RUNS:] if pipeline.rows else []
    titles = [_title(load) for load in loads]
    return _plot("Rows by run", titles, [load.written for load in loads])


def _title(load: Load) -> str:
    parts = [f"{load.started_at:%Y-%m-%d %H:%M}: {load.read:,} rows read"]
    if load.new is None or load.updated is None:
        parts.append(f"{load.written:,} new or updated")
    else:
        parts += [f"{load.new:,} new", f"{load.updated:,} updated"]
    parts += [f"{load.unchanged:,} unchanged"] if load.unchanged else []
    parts += [f"{load.removed:,} removed"] if load.removed else []
    parts += [f"{load.rejected:,} rejected"] if load.rejected else []
    return ", ".join(parts)


def _plot(label: str, titles: Sequence[str], counts: Sequence[int]) -> Plot:
    most = max(counts, default=0)
    bars = []
    for number, (title, rows) in enumerate(zip(titles, counts, strict=True)):
        height = max(1.0, round(_HEIGHT * rows / most, 1)) if rows else 0.0
        bars.append(Bar(title, rows, number * (_BAR + _GAP), _HEIGHT - height, height))
    return Plot(label, bars)


def freshness(pipeline: Pipeline, now: datetime) -> float:
    """The time since the last successful run in percent of a day, at most 100."""
    lag = pipeline.lag(now)
    return 100.0 if lag is None else round(min(100.0, 100 * lag / _FULL), 1)


def render_page(pipelines: Sequence[Pipeline], now: datetime, *, days: int, problem: str) -> str:
    """Render the page.

    Args:
        pipelines: The pipelines in the order of their rows.
        now: The current time (UTC).
        days: The number of days in plots by date.
        problem: Why rows could not be counted; empty if they were.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html.j2").render(
        pipelines=[pipeline for pipeline in pipelines if not pipeline.is_unused(now)],
        unused=[pipeline for pipeline in pipelines if pipeline.is_unused(now)],
        now=now,
        days=days,
        problem=problem,
        stale=sum(pipeline.is_stale(now) for pipeline in pipelines),
        plot_rows_by_run=plot_rows_by_run,
        plot_rows_by_date=plot_rows_by_date,
        freshness=freshness,
        describe_run=describe_run,
        format_duration=format_duration,
        bar_width=_BAR,
        height=_HEIGHT,
        most_runs=_MOST_RUNS,
    )
