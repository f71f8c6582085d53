"""``python bench/api_backfills.py``: how much of what their limits permit the taps use.

Each tap reads as much history as there is from its mock vendor, which takes 0.2 or 2 seconds for
each response. After some minutes, its requests are compared with the most that could have been
made: by the vendor's published limits, and by the tap's settings, which stay a little below them.
A tap that waits for nothing else than its limits reaches 1.
"""

from __future__ import annotations

import argparse
import heapq
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from measure import BIN, SURROUNDINGS
from vendors import catalog, sandbox

#: Latencies of the vendors, in seconds.
LATENCIES = (0.2, 2.0)
SPREADSHEETS = 400
#: The least share of what the settings permit.
BUDGET = 0.97


@dataclass(frozen=True)
class Limit:
    """Requests that may be made.

    Attributes:
        concurrency: The requests that may be under way.
        requests: The requests in any `seconds`; None if there is no limit.
        seconds: The length of that window.
    """

    concurrency: int
    requests: int | None = None
    seconds: float = 60.0

    def most(self, seconds: float, latency: float) -> int:
        """Count the requests that can be started in some seconds."""
        starts: list[float] = []
        free = [0.0] * self.concurrency
        while True:
            start = heapq.heappop(free)
            if self.requests and len(starts) >= self.requests:
                start = max(start, starts[-self.requests] + self.seconds)
            if start > seconds:
                return len(starts)
            starts.append(start)
            heapq.heappush(free, start + latency)


@dataclass(frozen=True)
class Backfill:
    """What is read of a vendor.

    Attributes:
        tap: The tap.
        stream: The stream to read.
        path: A part of the paths of the requests that are limited.
        published: The vendor's limit.
        set: The tap's limit, by its defaults.
        settings: Settings that make it many requests.
        scale: How much data the mock vendor has.
    """

    tap: str
    stream: str
    path: str
    published: Limit
    set: Limit
    settings: dict[str, str] = field(default_factory=dict)
    scale: float = 1


BACKFILLS = (
    Backfill(
        *("tap-everflow", "conversions", "/conversions"),
        published=Limit(10, 30, 1),
        set=Limit(8, 29, 1),
        settings={"start_date": "2020-01-01", "page_size": "5"},
    ),
    Backfill(
        *("tap-posthog", "events", "/query"),
        published=Limit(3, 240),
        set=Limit(1, 230),
        settings={"start_date": "2020-01-01", "window_hours": "1"},
    ),
    Backfill(
        *("tap-mautic", "contacts", ""),
        published=Limit(1),
        set=Limit(1),
        settings={"start_date": "2020-01-01", "page_size": "10"},
        scale=20,
    ),
    Backfill(
        *("tap-redtrack", "daily_spend", "/report"),
        published=Limit(1, 20),
        set=Limit(1, 18),
        settings={"start_date": "2020-01-01", "report_window_days": "1"},
    ),
    Backfill(
        *("tap-gsheets", "", "/spreadsheets/"),
        published=Limit(1, 60),
        set=Limit(1, 50),
    ),
)


def prepare(backfill: Backfill, control) -> dict[str, str]:
    """Return the settings, once the vendor has enough to read."""
    if backfill.tap != "tap-gsheets":
        return backfill.settings
    ids = [f"{number:044d}" for number in range(SPREADSHEETS)]
    for id_ in ids:
        tab = {"title": f"Costs {id_}", "cells": [["a"], [1]]}
        control.gsheets.spreadsheet(id_, [tab], public=True)
    return {"spreadsheets": json.dumps([{"spreadsheet": id_} for id_ in ids])}


def measure(backfill: Backfill, latency: float, seconds: float) -> str:
    """Run a tap for some seconds, and return a line of the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as log,
        sandbox(scale=backfill.scale, latency=latency) as (env, control),
    ):
        prefix = backfill.tap.upper().replace("-", "_")
        settings = prepare(backfill, control)
        env |= {f"{prefix}_{name.upper()}": value for name, value in settings.items()}
        command = [BIN / backfill.tap, "--config=ENV"]
        if backfill.stream:
            command += ["--catalog", catalog(backfill.tap, backfill.stream, folder, env)]
        control.clear_requests()
        with subprocess.Popen(
            command, env=SURROUNDINGS | env, stdout=subprocess.DEVNULL, stderr=log
        ) as process:
            times: list[float] = []
            while not times or time.monotonic() < times[0] + seconds:
                time.sleep(1)
                if process.poll() is not None:
                    log.seek(0)
                    sys.exit(f"{backfill.tap} has ended: {log.read().decode()[-2_000:]}")
                if not times:
                    seen = control.requests()["requests"]
                    times = [one["at"] for one in seen if backfill.path in one["path"]][:1]
            seen = control.requests()
            process.terminate()
    count = sum(
        backfill.path in one["path"] and times[0] <= one["at"] <= times[0] + seconds
        for one in seen["requests"]
    )
    shares = [count / limit.most(seconds, latency) for limit in (backfill.set, backfill.published)]
    return (
        f"{backfill.tap:14} {latency:10} {count:10} {shares[0]:10.2f} {shares[1]:10.2f}"
        f" {seen['refused']:10}{'' if shares[0] >= BUDGET else '  MISSED'}"
    )


def main() -> None:
    """Measure, and print the results as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="of each measurement")
    parser.add_argument("--tap", help="only this one")
    asked = parser.parse_args()
    jobs = [
        (backfill, latency)
        for backfill in BACKFILLS
        for latency in LATENCIES
        if asked.tap in {None, backfill.tap}
    ]
    heads = ("latency s", "requests", "of set", "of allowed", "rejected")
    print(f"{'tap':14}", *(f"{head:>10}" for head in heads))
    # They mostly wait.
    with ThreadPoolExecutor(len(jobs)) as pool:
        for line in pool.map(lambda job: measure(*job, asked.seconds), jobs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
