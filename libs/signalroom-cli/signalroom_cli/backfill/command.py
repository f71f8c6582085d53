"""``signalroom backfill``: load a date range of a tap again, without touching its bookmark.

``signalroom backfill tap-everflow--acme 2025-01-01 2025-12-31 --slices=4`` runs Meltano once for
each slice of the range, with a state of its own (``--state-id-suffix``) and a working folder of its
own, as Meltano caches one catalog per tap. Rows are upserted by primary key. A slice that failed
resumes when the command is run again. Once all slices are loaded, their states are removed.

The limits of the vendor's account hold for all runs together. With ``rate_limit_store`` the runs
count their requests together. Without it, each of four slices takes a fifth of every limit, which
leaves one to a scheduled run; where a fifth is less than one, fewer slices run at once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from signalroom_cli.backfill.limits import limits_too_low, max_parallel
from signalroom_cli.backfill.runs import clear_states, load_slices
from signalroom_cli.backfill.slices import split_days
from signalroom_cli.backfill.tap import BackfillError, read_tap, slice_environment
from signalroom_cli.folders import ProjectError, add_folder_option
from signalroom_cli.output import print_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_cli.backfill.tap import Tap


def main(arguments: Sequence[str] | None = None) -> int:
    """Load a date range, or do one step of that.

    Args:
        arguments: The command line after ``signalroom backfill``.

    Returns:
        The exit code: 1 if a slice failed, or the backfill cannot be done.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    streams = [name.strip() for name in options.streams.split(",") if name.strip()]
    if options.last < options.first or options.slices < 1:
        parser.error("FROM must not be after TO, and --slices must be at least 1.")
    # In the time zone that is furthest ahead it may be tomorrow already.
    if options.last > datetime.now(UTC).date() + timedelta(days=1):
        parser.error(f"TO ({options.last}) is in the future, so there is no data for it yet.")
    slices = split_days(options.first, options.last, options.slices)
    if options.only is not None and not 0 <= options.only < len(slices):
        parser.error(f"There are slices 0 to {len(slices) - 1}.")
    started = time.monotonic()
    try:
        tap = read_tap(options.tap, options.folder.resolve(), options.environment)
        if options.plan:
            slice_environment(tap, slices[0], len(slices))
            check_limits(tap, len(slices))
            print_lines(json.dumps([*range(len(slices))]))
            return 0
        if options.only is not None:
            check_limits(tap, len(slices))
            load_slices(tap, [slices[options.only]], len(slices), streams)
            return 0
        if not options.finish:
            load_slices(tap, slices, tap.max_parallel(len(slices)), streams)
        clear_states(tap, slices)
    except (BackfillError, ProjectError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    seconds = time.monotonic() - started
    print_lines(f"{len(slices)} slices in {seconds:.0f} s; the bookmarks are unchanged.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="signalroom backfill",
        description="Load a date range in parallel slices, without touching the bookmark.",
    )
    parser.add_argument("tap", metavar="TAP", help="such as tap-everflow--acme")
    parser.add_argument("first", type=_day, metavar="FROM", help="the first day: 2025-01-31")
    parser.add_argument("last", type=_day, metavar="TO", help="the last day")
    parser.add_argument("--slices", type=int, default=4, help="how many; default: 4")
    parser.add_argument(
        "--streams", default="", help="separated by commas; default: those that are selected"
    )
    parser.add_argument("--environment", default="", help="the Meltano environment")
    add_folder_option(parser)
    # Single steps, for an orchestrator.
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--plan", action="store_true", help="print the slices' numbers as JSON")
    step.add_argument("--only", type=int, metavar="NUMBER", help="load this slice")
    step.add_argument("--finish", action="store_true", help="remove the slices' states")
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = (
            f"{text!r} is not a date such as 2025-01-31. Name a tap and a date range: signalroom "
            "backfill tap-everflow 2025-01-01 2025-12-31, or make backfill TAP=tap-everflow "
            "FROM=2025-01-01 TO=2025-12-31"
        )
        raise argparse.ArgumentTypeError(msg) from None


def check_limits(tap: Tap, count: int) -> None:
    """Check that the account's rate limits suffice for all slices at once.

    An orchestrator may run all of them at once. Concurrent requests are left to its pools.

    Args:
        tap: The tap to run.
        count: The number of slices.

    Raises:
        BackfillError: If there are more slices than a rate limit can be shared among.
    """
    rates = [limit for limit in tap.settings.limits if limit.is_rate]
    if tap.settings.has_store or (most := max_parallel(rates, count)) == count:
        return
    names = ", ".join(
        f"{limit.setting} ({limit.value:g})" for limit in limits_too_low(rates, count)
    )
    msg = (
        f"{count} slices cannot share {names}: use {most}, or set SIGNALROOM_RATE_LIMIT_STORE, so "
        "that all runs count their requests together."
    )
    raise BackfillError(msg)
