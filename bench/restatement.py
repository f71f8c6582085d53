"""What it costs to remove rows that the vendor took back: a lookback of thirty days, loaded again.

The tap's messages are written once, so that both loads read the same. Half of the rows in the
table are older than the days that are read again.
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
RUNS = 5
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
        (rows,) = database.execute(f"SELECT count(*) FROM {SCHEMA}.conversions")
    name = f"{DAYS} days again, {rows:,} conversions"
    peer = ("removed_rows: keep", median(seconds["keep"]))
    # At most 1.15 times the time.
    yield result(name, median(seconds["delete"]), peer, max(peaks), budget=0.87)


BENCHES = {"lookback": bench_lookback}
