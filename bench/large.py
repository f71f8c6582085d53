"""``make bench-large``: ten million rows through S3, and five million events through PostHog.

Each is measured at a tenth, too, in the same run: ten times as much may take eleven times as long,
in the memory that a tenth takes. What is loaded is counted and summed in SQL, and held against
what was made. Rows are as wide as the vendor's: 129 columns, a kilobyte of CSV each.

The whole takes about 25 minutes and 34 GB of disk, in the folder for temporary files, and
``--share=10`` a tenth of both. Nothing stays but ``bench/results-large.json``, which only the whole
writes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

import psutil
from files import check as check_rows
from files import store
from loader import OURS, SCHEMA, new_database
from measure import BIN, HERE, MEMORY, piped_each
from vendors import catalog, sandbox

GROWTH, BUDGET = 10, 11
QUICK = 1_000  # times less, for a smoke test
#: Files and their rows: together ten million rows, more than a year of a client's days.
FILES, ROWS = 500, 20_000
#: The same for small files, of which each is an entry in the state.
MANY, FEW_ROWS = 10_000, 100
EVENTS, EVENTS_A_DAY, TIED = 5_000_000, 50_000, 0.05
FIRST = date(2024, 1, 1)
#: Bytes on disk of a row or an event: at the vendor, in staging tables, and in the table.
ROW_BYTES, EVENT_BYTES = 3_500, 3_000
# Above this size, moto keeps a file on disk instead of in memory.
MOTO = {"MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(64 << 10)}


@dataclass
class Load:
    """What a load took.

    Attributes:
        count: Rows.
        seconds: From the start of tap and target to the end of both.
        tap_mb: The most memory that the tap held.
        target_mb: The target.
        vendor_mb: What the vendor's stand-in holds in the end.
    """

    count: int
    seconds: float
    tap_mb: float
    target_mb: float
    vendor_mb: float


@dataclass
class Line:
    """Two loads, of which the second is ten times the first."""

    name: str
    command: str
    small: Load
    large: Load
    ratio: float = field(init=False)
    met: bool = field(init=False)

    def __post_init__(self) -> None:
        """Compare the loads with each other, and with the budgets."""
        times = self.large.count / self.small.count
        self.ratio = round(self.large.seconds / self.small.seconds, 2)
        peaks = (self.small.tap_mb, self.small.target_mb, self.large.tap_mb, self.large.target_mb)
        self.met = self.ratio <= BUDGET * times / GROWTH and max(peaks) <= MEMORY


def load(tap, database, job: Job, env=None) -> tuple[float, list[float], float]:
    """Run a tap into the target, and return the seconds and the memory of both and the vendor."""
    seconds, peaks = piped_each([tap, OURS.command(database, job.folder)], env)
    return seconds, peaks, vendor_mb()


def vendor_mb() -> float:
    """The memory of the mock vendors that this process started."""
    children = psutil.Process().children()
    return sum(child.memory_info().rss for child in children if child.is_running()) / (1 << 20)


@dataclass
class Job:
    """A run."""

    folder: Path
    share: int = 1

    def count(self, number: int) -> int:
        """The number of rows, reduced to the share that is run."""
        return max(1, number // self.share)


def load_files(job: Job, files: int, rows: int) -> Load:
    """Load a number of files of a number of rows."""
    with store() as bucket, new_database() as database:
        command = [sys.executable, HERE / "fill.py", bucket.endpoint, bucket.name]
        filled = subprocess.run(
            [*command, str(files), str(rows)], stdout=subprocess.PIPE, check=True
        )
        expected = json.loads(filled.stdout)
        seconds, peaks, vendor = load(bucket.tap(job.folder), database, job)
        check_rows(database, dict(zip(("count", "revenue", "clicks"), expected, strict=True)))
        distinct = f"SELECT count(DISTINCT _file_name) FROM {SCHEMA}.orders_create"
        if database.execute(distinct) != (files,):
            sys.exit(f"of {files} files not all are in the table")
    return Load(expected[0], seconds, *peaks, vendor)


def load_events(job: Job, count: int) -> Load:
    """Load a number of events, at a constant number per day."""
    days = max(1, count // EVENTS_A_DAY)
    last = FIRST + timedelta(days=days)
    with sandbox(scale=0.01) as (env, control), new_database() as database:
        control.posthog.make_events(
            begin=FIRST.isoformat(), days=days, count=count, tied=int(count * TIED)
        )
        env |= {
            "TAP_POSTHOG_START_DATE": FIRST.isoformat(),
            "TAP_POSTHOG_END_DATE": last.isoformat(),
            "TAP_POSTHOG_PAGE_SIZE": "50000",
            "TAP_POSTHOG_QUERY_REQUESTS_PER_MINUTE": "230",
        }
        chosen = catalog("tap-posthog", "events", job.folder, env)
        tap = [BIN / "tap-posthog", "--config=ENV", "--catalog", chosen]
        seconds, peaks, vendor = load(tap, database, job, env)
        check_events(control, database, last)
        if refused := control.requests()["refused"]:
            sys.exit(f"the sandbox refused {refused} requests: the tap asked too fast")
    return Load(count, seconds, *peaks, vendor)


def check_events(control, database, last: date) -> None:
    """End if the table's sums differ from the vendor's; its key, the uuid, is unique."""
    expected, day = [0] * 6, FIRST
    while day <= last:
        following = min(day + timedelta(days=10), last + timedelta(days=1))
        found = control.posthog.sums(start=day.isoformat(), end=following.isoformat())
        expected = [one + more for one, more in zip(expected, found, strict=True)]
        day = following
    row = database.execute(
        "SELECT count(*), sum(('x' || left(uuid, 8))::bit(32)::bigint),"
        " sum(('x' || right(uuid, 8))::bit(32)::bigint),"
        " sum((extract(epoch FROM timestamp) * 1000000)::bigint),"
        " sum((properties->>'order_id')::bigint),"
        " sum(round((properties->>'revenue')::numeric * 100)::bigint)"
        f" FROM {SCHEMA}.events"
    )
    if [int(value or 0) for value in row] != expected:
        sys.exit(f"loaded was {row}, not {expected}")


def bench_files(job: Job) -> tuple[Load, Load]:
    """Ten million rows in large files."""
    rows = max(10, ROWS // max(1, job.share // 10))
    files = max(GROWTH, job.count(FILES * ROWS) // rows)
    return load_files(job, files // GROWTH, rows), load_files(job, files, rows)


def bench_many(job: Job) -> tuple[Load, Load]:
    """A million rows in small files."""
    files = max(GROWTH, job.count(MANY))
    return load_files(job, files // GROWTH, FEW_ROWS), load_files(job, files, FEW_ROWS)


def bench_events(job: Job) -> tuple[Load, Load]:
    """Five million events."""
    count = job.count(EVENTS)
    return load_events(job, count // GROWTH), load_events(job, count)


BENCHES = {"files": bench_files, "many-files": bench_many, "events": bench_events}


def needed(names: list[str], share: int) -> int:
    """Bytes of disk that the largest load needs; loads run one at a time."""
    bytes_of = {
        "files": FILES * ROWS * ROW_BYTES,
        "many-files": MANY * FEW_ROWS * ROW_BYTES,
        "events": EVENTS * EVENT_BYTES,
    }
    return max(bytes_of[name] for name in names) // share + (1 << 30)


def main() -> int:
    """Run the named benchmarks; a missed budget is an error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], default=[])
    parser.add_argument("--share", type=int, default=1, help="so many times less of everything")
    smoke = f"a smoke test: {QUICK} times less, and no budgets"
    parser.add_argument("--quick", action="store_true", help=smoke)
    asked = parser.parse_args()
    names, share = asked.names or list(BENCHES), QUICK if asked.quick else asked.share
    free, needs = shutil.disk_usage(tempfile.gettempdir()).free, needed(names, share)
    if free < needs:
        sys.exit(
            f"{needs >> 30} GB are needed in {tempfile.gettempdir()}, and {free >> 30} are free: "
            "set TMPDIR to a folder on another disk, or run a part of it (--share=10)."
        )
    os.environ.update(MOTO)
    print(
        f"{'what':24}{'seconds':>9}{'10 x':>9}{'ratio':>7}{'tap MB':>13}{'target MB':>13}"
        f"{'vendor MB':>13}"
    )
    lines = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            small, large = BENCHES[name](Job(Path(folder), share))
        more = f" {name}" + (f" --share={share}" if share > 1 else "")
        line = Line(
            f"{large.count:,} {name}", f'make bench-large ARGS="{more.strip()}"', small, large
        )
        lines.append(line)
        memory = (
            f"{f'{one:.0f} > {ten:.0f}':>13}"
            for one, ten in (
                (small.tap_mb, large.tap_mb),
                (small.target_mb, large.target_mb),
                (small.vendor_mb, large.vendor_mb),
            )
        )
        print(
            f"{line.name:24}{small.seconds:8.1f}s{large.seconds:8.1f}s{line.ratio:7.2f}"
            f"{''.join(memory)}{'' if line.met or asked.quick else '  MISSED'}",
            flush=True,
        )
    if asked.quick:
        return 0
    if share == 1:
        keep(lines)
    return int(not all(line.met for line in lines))


def keep(lines: list[Line]) -> None:
    """Write the results; those of benchmarks that were not run stay."""
    path = HERE / "results-large.json"
    found = {line.name: asdict(line) for line in lines}
    before = json.loads(path.read_text()) if path.exists() else []
    kept = {line["name"]: line for line in before}
    for line in found.values():
        for size in ("small", "large"):
            line[size] = {name: round(value, 1) for name, value in line[size].items()}
    path.write_text(json.dumps([*(kept | found).values()], indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
