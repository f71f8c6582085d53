"""A lookback of thirty days, loaded again.

What it costs to remove rows that the vendor took back, and what is written of rows that did not
change. The tap's messages are written once, so that both loads read the same. Half of the rows in
the table are older than the days that are read again.
"""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from loader import OURS, SCHEMA, Target, new_database
from measure import BIN, result, timed
from vendors import catalog, sandbox

if TYPE_CHECKING:
    from pathlib import Path

DAYS = 30
RUNS, RUNS_IN_A_DAY = 5, 20
TABLE = f"{SCHEMA}.conversions"
SCALE = 60  # of the sandbox's conversions: about 100,000 in 30 days
KEPT = Target(OURS.program, {"removed_rows": "keep"})
YESTERDAY = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=1)


def write_messages(job) -> list[Path]:
    """Write the messages of twice as many days, then those of the days that are read again."""
    paths = []
    with sandbox(scale=1 if job.quick else SCALE) as (env, _):
        env["TAP_EVERFLOW_REQUESTS_PER_SECOND"] = "1000"
        for days in (job.count(2 * DAYS) + 1, job.count(DAYS)):
            env["TAP_EVERFLOW_START_DATE"] = str(YESTERDAY - timedelta(days=days - 1))
            chosen = catalog("tap-everflow", "conversions", job.folder, env)
            paths.append(job.folder / f"restatement-{days}.jsonl")
            with paths[-1].open("wb") as file:
                command = [BIN / "tap-everflow", "--config=ENV", "--catalog", chosen]
                surroundings = os.environ | env
                devnull = subprocess.DEVNULL
                subprocess.run(command, env=surroundings, stdout=file, stderr=devnull, check=True)
    return paths


def bench_lookback(job):
    """Thirty days again, with rows that vanished removed, compared with keeping them."""
    whole, again = write_messages(job)
    seconds: dict[str, list[float]] = {"delete": [], "keep": []}
    peaks = []
    with new_database() as database:
        timed(OURS.command(database, job.folder), stdin=whole)
        for _ in range(1 if job.quick else RUNS):
            for name, target in (("keep", KEPT), ("delete", OURS)):
                database.execute("CHECKPOINT")
                taken, peak = timed(target.command(database, job.folder), stdin=again)
                seconds[name].append(taken)
                peaks.append(peak)
        (rows,) = database.execute(f"SELECT count(*) FROM {TABLE}")
    name = f"{DAYS} days again, {rows:,} conversions"
    peer = ("removed_rows: keep", median(seconds["keep"]))
    # At most 1.15 times the time.
    yield result(name, median(seconds["delete"]), peer, max(peaks), budget=0.87)


def wal(database) -> float:
    """The position in the write-ahead log, in MB."""
    (megabytes,) = database.execute("SELECT (pg_current_wal_lsn() - '0/0') / 1e6")
    return float(megabytes)


def table_size(database) -> float:
    """The size of the table with its indexes, in MB."""
    (megabytes,) = database.execute(f"SELECT pg_total_relation_size('{TABLE}') / 1e6")
    return float(megabytes)


def bench_unchanged(job):
    """Thirty days again in which nothing changed: what is written, compared with all rows."""
    whole, again = write_messages(job)
    with new_database() as database:

        def load(messages) -> tuple[float, float, float]:
            """Load, and return the seconds, the peak in MB, and the MB of write-ahead log."""
            before = wal(database)
            taken, peak = timed(OURS.command(database, job.folder), stdin=messages)
            return taken, peak, wal(database) - before

        load(whole)
        size = table_size(database)
        # What the first reading of new rows notes on their pages is not the loader's.
        database.execute(f"VACUUM ANALYZE {TABLE}", "CHECKPOINT")
        runs = [load(again) for _ in range(1 if job.quick else RUNS_IN_A_DAY)]
        size_after = table_size(database)
        every = []
        for _ in range(1 if job.quick else RUNS):
            # Rows of another loader: all of them are written again.
            database.execute(f"UPDATE {TABLE} SET _loaded_at = NULL", "CHECKPOINT")
            every.append(load(again))
        (rows,) = database.execute(f"SELECT count(*) FROM {TABLE}")
    seconds, peaks, megabytes = zip(*runs, strict=True)
    others, _, written = zip(*every, strict=True)
    name = f"{DAYS} days again, unchanged"
    peak = max(peaks)
    yield result(name, median(seconds), ("each row written", median(others)), peak, budget=1)
    log = max(median(megabytes), 0.01), ("each row written, MB", median(written))
    yield result(f"{name}: MB of WAL", *log, peak, budget=33)
    grown = size_after, ("before, MB", size)
    yield result(f"{name}: MB of {rows:,} rows, 20 runs", *grown, peak, budget=0.95)


BENCHES = {"lookback": bench_lookback, "unchanged": bench_unchanged}
