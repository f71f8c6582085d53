"""``--control-totals``: prints the vendor's own totals by day, to compare a table with.

A line of JSON for each stream whose vendor can tell them:

    {"stream": "daily_spend", "client_id": "acme", "day_column": "date",
     "where": {"date": {"from": "2026-01-01", "before": "2026-01-31"}},
     "days": {"2026-01-01": {"clicks": "1200", "cost": "345.60"}}}

``where`` has the conditions of scopes (`signalroom_singer.scopes`): the rows whose sums these are.
``days`` has each day that was asked for. Numbers are text, with all their digits. A stream that
cannot be compared has ``problem`` in place of ``days``: a sentence.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from signalroom_singer.errors import explain_malformed_responses
from signalroom_singer.scopes import between
from signalroom_singer.windows import DateWindow, WindowedStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk import Tap

#: In place of a range: the days that the last run read, by the state.
LOOKBACK = "lookback"
_DAY = timedelta(days=1)

_Days = tuple[date, date]


def parse_days(text: str) -> _Days | None:
    """Parse the days to compare.

    Args:
        text: `2026-01-01..2026-01-31`, or `lookback`.

    Returns:
        The first day and the last one; None for those that the last run read.

    Raises:
        click.BadParameter: If it is neither.
    """
    if text == LOOKBACK:
        return None
    try:
        first, last = map(date.fromisoformat, text.split(".."))
    except ValueError:
        first, last = date.max, date.min
    if first > last:
        msg = f"{text!r} is no range of days, such as 2026-01-01..2026-01-31, nor {LOOKBACK}"
        raise click.BadParameter(msg)
    return first, last


def print_control_totals(tap: Tap, days: _Days | None) -> None:
    """Print a line for each selected stream whose vendor can tell its totals.

    Args:
        tap: The tap, with the state of the last run.
        days: The first day and the last one; None for those that the last run read.
    """
    for stream in tap.streams.values():
        if isinstance(stream, WindowedStream) and stream.selected and stream.control_columns:
            for line in _compare(stream, days):
                click.echo(json.dumps(line))


def _compare(stream: WindowedStream, days: _Days | None) -> Iterator[dict[str, Any]]:
    window = DateWindow(*days, stream.report_zone) if days else stream.loaded_again(None)
    line = {"stream": stream.name, "client_id": stream.config.get("client_id")}
    if window is None:
        yield line | {"problem": "no day was loaded yet"}
        return
    filters = stream.filters_in_force
    if filters is None:
        yield line | {"problem": "no column shows what the settings filter by"}
        return
    column = str(stream.window_column)
    columns = {column, *filters, *stream.control_columns}
    maps = [each for each in stream.stream_maps if stream.keeps_columns(columns, each)]
    if not maps:
        yield line | {"problem": "a setting changes, hashes or leaves out rows or columns of it"}
        return
    with explain_malformed_responses(lambda: stream.last_request() or stream.name):
        totals = stream.control_totals(window)
    where = {column: between(window.start, window.end + _DAY), **filters}
    line |= {"day_column": column, "where": where, "days": _texts(stream, window, totals)}
    for stream_map in maps:
        yield line | {"stream": stream_map.stream_alias}


def _texts(
    stream: WindowedStream, window: DateWindow, totals: Mapping[date, Mapping[str, Decimal]]
) -> dict[str, dict[str, str]]:
    """The totals of each day as text; those of days that are missing are 0."""
    days = [window.start + number * _DAY for number in range(window.days)]
    return {
        day.isoformat(): {
            column: format(totals.get(day, {}).get(column, Decimal(0)), "f")
            for column in stream.control_columns
        }
        for day in days
    }
