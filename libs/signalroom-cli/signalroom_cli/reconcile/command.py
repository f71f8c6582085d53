"""``signalroom reconcile``: compare tables with the vendors' own totals, per day and column.

The vendor's totals come from another report than the rows: at Everflow from its summary, at
RedTrack from its report by day alone. So they also show what the tap itself would not notice.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any

from meltano.core.error import MeltanoError

from signalroom_cli.database import in_transaction
from signalroom_cli.folders import ProjectError, add_folder_option
from signalroom_cli.meltano_project import activate_project, find_taps
from signalroom_cli.output import print_lines
from signalroom_cli.plugin_settings import loader_settings, read_plugin_settings, read_setting
from signalroom_cli.reconcile.comparison import Comparison, ReconcileError, compare
from signalroom_cli.reconcile.vendor import request_totals
from signalroom_cli.reconcile.warehouse import read_sums, table_of
from signalroom_target_postgres.embedded import EmbeddedPostgresError
from signalroom_target_postgres.errors import TargetPostgresError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meltano.core.project import Project

    from signalroom_cli.reconcile.comparison import VendorTotals

_DIFFERENT, _UNKNOWN = 1, 2
#: So many differences of a stream are printed; `--json` has all of them.
_MOST_LINES = 50


@dataclass(frozen=True)
class _Result:
    """What was compared of a tap, and why nothing could be, if so."""

    tap: str
    comparisons: Sequence[Comparison] = ()
    problem: str = ""

    @property
    def differs(self) -> bool:
        return any(comparison.differences for comparison in self.comparisons)

    @property
    def is_unknown(self) -> bool:
        return bool(self.problem) or all(each.problem for each in self.comparisons)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the tables of taps with their vendors' totals.

    Args:
        arguments: The command line after ``signalroom reconcile``.

    Returns:
        The exit code: 1 if a total differs, 2 if a tap could not be compared, else 0.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.first is None) != (options.last is None):
        parser.error("Name both --from and --to, or neither.")
    if options.first and options.last < options.first:
        parser.error("--from must not be after --to.")
    days = (str(options.first), str(options.last)) if options.first else None
    try:
        project = activate_project(options.folder.resolve())
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return _UNKNOWN
    results = [_reconcile(project, tap, days, options.tolerance) for tap in options.taps]
    if options.json:
        taps = [
            {
                "tap": result.tap,
                "problem": result.problem or None,
                "streams": [each.as_dict() for each in result.comparisons],
            }
            for result in results
        ]
        print_lines(json.dumps(taps, indent=2))
    else:
        for result in results:
            print_lines(*_format(result))
    if any(result.differs for result in results):
        return _DIFFERENT
    return _UNKNOWN if any(result.is_unknown for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="signalroom reconcile",
        description=(
            "Compare tables with the vendors' own totals, per day and column: by default the days "
            "that the last run read."
        ),
        epilog="Exit code: 1 if a total differs, 2 if a tap could not be compared, else 0.",
    )
    parser.add_argument("taps", nargs="+", metavar="TAP", help="such as tap-everflow--acme")
    parser.add_argument("--from", dest="first", type=_day, metavar="DAY", help="the first day")
    parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="the last day")
    parser.add_argument(
        "--tolerance",
        type=_amount,
        default=Decimal(0),
        metavar="AMOUNT",
        help="how far two totals may be apart, such as 0.01, if the vendor rounds; default: 0",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with all differences")
    add_folder_option(parser)
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is not a date such as 2026-01-31"
        raise argparse.ArgumentTypeError(msg) from None


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        msg = f"{text!r} is not an amount such as 0.01"
        raise argparse.ArgumentTypeError(msg)
    return amount


def _reconcile(
    project: Project,
    tap: str,
    days: tuple[str, str] | None,
    tolerance: Decimal,
) -> _Result:
    """Compare a tap; whatever keeps it from that is in the result."""
    taps = find_taps(project)
    if tap not in taps:
        return _Result(tap, problem=f"There is no {tap}; there are {', '.join(taps)}.")
    try:
        if problem := read_plugin_settings(project, taps[tap]).problem:
            return _Result(tap, problem=f"{problem}. Set what is missing in .env.")
        schema = read_setting(project, taps[tap], "_load_schema")
        settings = loader_settings(project, schema=schema)
        totals = request_totals(project, tap, days)
        comparisons = [
            each if isinstance(each, Comparison) else _compare(settings, each, tolerance)
            for each in totals
        ]
    except (
        *(ReconcileError, ProjectError, EmbeddedPostgresError, TargetPostgresError, MeltanoError),
    ) as error:
        return _Result(tap, problem=str(error))
    if not comparisons:
        problem = "no selected stream of it has totals at the vendor to compare with"
        return _Result(tap, problem=problem)
    return _Result(tap, comparisons)


def _compare(settings: dict[str, Any], vendor: VendorTotals, tolerance: Decimal) -> Comparison:
    table = table_of(settings, vendor.stream)
    try:
        sums = in_transaction(settings, partial(read_sums, vendor=vendor, table=table))
    except ReconcileError as error:
        return Comparison(vendor.stream, str(error))
    return compare(vendor, str(table), sums, tolerance)


def _format(result: _Result) -> Iterator[str]:
    """The lines about a tap: a line for each stream, and its differences."""
    if result.problem:
        yield f"{result.tap}: {result.problem}"
    for comparison in result.comparisons:
        yield f"{result.tap} {comparison.stream}: {_sentence(comparison)}"
        yield from _table(comparison)
    if days := sorted({day for each in result.comparisons for day in each.different_days}):
        yield (
            "If the vendor changed them after the last run, the next run or this corrects them: "
            f"uv run signalroom backfill {result.tap} {days[0]} {days[-1]}"
        )


def _sentence(comparison: Comparison) -> str:
    if comparison.problem:
        return f"not compared: {comparison.problem}"
    first, last = comparison.days[0], comparison.days[-1]
    days = first if first == last else f"{first} to {last}"
    columns = ", ".join(comparison.columns)
    count = len(comparison.differences)
    if not count:
        return f"equal, {days} ({columns})"
    totals = len(comparison.days) * len(comparison.columns)
    return f"{count} of {totals} totals differ, {days} ({columns})"


def _table(comparison: Comparison) -> Iterator[str]:
    differences = comparison.differences
    if differences:
        yield f"  {'day':10}  {'column':14} {'table':>16} {'vendor':>16} {'difference':>16}"
    for each in differences[:_MOST_LINES]:
        yield (
            f"  {each.day:10}  {each.column:14} {each.table:>16,f} {each.vendor:>16,f} "
            f"{each.amount:>+16,f}"
        )
    if len(differences) > _MOST_LINES:
        yield f"  and {len(differences) - _MOST_LINES} more: --json lists all"
