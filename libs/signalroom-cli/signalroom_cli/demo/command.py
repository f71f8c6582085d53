"""``signalroom demo``: load the mock vendors' data into the embedded PostgreSQL, twice.

It runs in the root of SignalRoom's repository.
"""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from signalroom_cli.demo.isolation import isolate_environment
from signalroom_cli.demo.runs import LOG, reset, run_meltano, schemas_of_taps
from signalroom_cli.demo.tables import compare_runs, read_tables, return_on_ad_spend
from signalroom_cli.demo.totals import format_totals, read_totals, verdict
from signalroom_cli.output import print_lines
from signalroom_sandbox.gsheets import MAPPINGS
from signalroom_sandbox.server import SandboxServer
from signalroom_sandbox.sticky_s3.exports import day_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from signalroom_cli.demo.tables import Tables

#: The file with the rows of each table and the totals.
REPORT = Path(".meltano") / "demo.txt"
_ZONE = "America/New_York"
#: The first run ends so many days earlier, so that the second one has new rows to load.
_WITHHELD_DAYS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: The command line after ``signalroom demo``.

    Returns:
        The exit code: 1 if a run failed, or a total differs from the mock vendors'.
    """
    description = "Load the mock vendors' data into an embedded PostgreSQL, twice."
    parser = argparse.ArgumentParser(prog="signalroom demo", description=description)
    parser.add_argument("--tables", action="store_true", help="print rows by table, and all totals")
    options = parser.parse_args(arguments)
    if not (Path("meltano.yml").is_file() and Path("README.md").is_file()):
        sys.stderr.write("Run the demo in the root of SignalRoom's repository.\n")
        return 2
    try:
        with _lock(), isolate_environment(MELTANO_ENVIRONMENT="sandbox"):
            return _run_demo(with_tables=options.tables)
    except KeyboardInterrupt:
        print_lines(
            "\nInterrupted; everything that was running is stopped. To start over: make demo"
        )
        return 130


@contextmanager
def _lock() -> Iterator[None]:
    """Refuse a second demo in this folder: it would delete the first one's database."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(
                "A demo is already running in this folder, and both would use the same database: "
                "wait for it to end, or stop it with Ctrl-C. A second clone can run its own."
            )
        yield


def _run_demo(*, with_tables: bool = False) -> int:
    started = time.monotonic()
    yesterday = datetime.now(ZoneInfo(_ZONE)).date() - timedelta(days=1)
    start = yesterday - timedelta(days=89)
    with SandboxServer() as sandbox:
        print_lines(f"Mock servers of the six vendor APIs: {sandbox.url}")
        reset()
        first_end = yesterday - timedelta(days=_WITHHELD_DAYS)
        # Files are dated in UTC: the second run reads all that exist.
        if (first := _load(sandbox, 1, start, first_end, last_file=first_end)) is None:
            return 1
        _change_sources(sandbox, start, yesterday, first_end)
        if (second := _load(sandbox, 2, start, yesterday, last_file=date.max)) is None:
            return 1
        totals = read_totals(sandbox, start, yesterday, _ZONE)
        report = "\n".join(
            (compare_runs(first, second), format_totals(totals), return_on_ad_spend())
        )
    REPORT.write_text(report)
    if with_tables:
        print_lines("\n" + report)
    sentence, code = verdict(totals, time.monotonic() - started)
    print_lines(
        "\nQuery the result:",
        '  make sql Q="select date, sum(conversions), sum(payout) from everflow.daily_stats'
        ' group by 1 order by 1 desc limit 7"',
        f"Rows of each table, the totals, and return on ad spend: {REPORT}",
        f"Full log of Meltano: {LOG}\n",
        sentence,
    )
    return code


def _load(
    sandbox: SandboxServer, number: int, start: date, end: date, *, last_file: date
) -> Tables | None:
    """Load all taps with one Meltano; returns the tables, or None if a run failed."""
    started = time.monotonic()
    settings = sandbox.dotenv | {
        "TAP_EVERFLOW_START_DATE": start.isoformat(),
        "TAP_EVERFLOW_END_DATE": end.isoformat(),
        "TAP_POSTHOG_END_DATE": end.isoformat(),
        "TAP_REDTRACK_START_DATE": start.isoformat(),
        "TAP_REDTRACK_END_DATE": end.isoformat(),
        "TAP_STICKY_S3_FILE_DATE_TO": last_file.isoformat(),
        "TAP_POSTHOG_START_DATE": (start + timedelta(days=60)).isoformat(),
    }
    # Each tap has a job with its name, in which target-postgres follows it.
    jobs = [tap.removeprefix("tap-") for tap in schemas_of_taps()]
    print_lines(f"Run {number}: meltano run {' '.join(jobs)}   (up to {end})")
    if not run_meltano("run", *jobs, **settings):
        return None
    tables = read_tables()
    print_lines(f"         {'total':10} {time.monotonic() - started:5.1f} s")
    return tables


def _change_sources(sandbox: SandboxServer, start: date, yesterday: date, last: date) -> None:
    """Change what was loaded already, as vendors and users do between two runs.

    Args:
        sandbox: The server with the mock vendors.
        start: The first day that was loaded.
        yesterday: The last day that the second run loads.
        last: The last day that the first run loaded.
    """
    control = sandbox.control
    restated = yesterday - timedelta(days=10)
    control.everflow.restate(restated, _ZONE, percent=90)
    corrected = yesterday - timedelta(days=5)
    control.redtrack.restate(day=str(corrected), timezone=_ZONE, cost_percent=120)
    control.s3.export("orders-create", start, 200)
    print_lines(
        f"Meanwhile Everflow restates {restated} with 10% less payout and revenue,",
        f"RedTrack raises the costs of {corrected} by 20%,",
        f"Sticky.io delivers the orders of {start} late,",
    )
    _redeliver_files(sandbox, last)
    control.posthog.events(events=[{"timestamp": f"{last}T12:00:00Z"}] * 5)
    control.mautic.edit(numbers=[7, 70], firstname="Edited")
    control.mautic.add(count=3)
    sheet = {"id": MAPPINGS, "gid": 0}
    cells = control.gsheets.cells(**sheet)
    control.gsheets.edit(**sheet, cells=[*cells, ["1999", "Northwind"]])
    print_lines(
        "delivers one file twice, replaces one by a shorter one, and leaves an amount blank,",
        f"PostHog receives five late events of {last},",
        "in Mautic two contacts are edited and three are added,",
        "and somebody adds an affiliate to a sheet.",
    )


def _redeliver_files(sandbox: SandboxServer, last: date) -> None:
    """Deliver loaded files again, changed or under another name; no order may count twice."""
    s3 = sandbox.control.s3
    keys = [file["key"] for file in s3.objects("orders-create/")]
    *_, corrected, shorter, copied = [key for key in keys if day_of(key) <= str(last)]
    now = datetime.now(UTC)
    s3.redeliver(copied, to=copied.replace(".csv", "_again.csv"), modified=now)
    s3.shorten(shorter, 100, modified=now)
    s3.correct(corrected, 3, {"total_amount": ""}, modified=now)
