"""``make bench-year``: a year of hourly runs of the six taps, with a clean-up each week.

Real are: one run of each tap at the beginning and one at the end, through Meltano, from a sandbox
into an embedded PostgreSQL; what these runs leave behind; the file history of tap-sticky-s3 over a
year of hourly files in three folders, of which some come late and some are overwritten; and the
clean-up itself, on simulated days. Replicated are the runs in between: each is written as the
real one was, into Meltano's list of runs (with the state of that day), its logs, and the log of
loads.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from measure import BIN, HERE
from meltano.core.db import project_engine
from meltano.core.job.job import Job
from sqlalchemy import insert, select

from signalroom_cli.cleanup.command import clean_up
from signalroom_cli.cleanup.model import Limits, format_size
from signalroom_cli.meltano_project import activate_project
from signalroom_sandbox.server import SandboxServer
from signalroom_singer.state_merge import seal_state
from signalroom_target_postgres.embedded import EmbeddedPostgres
from tap_sticky_s3.client import S3Object
from tap_sticky_s3.file_history import FileHistory

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = HERE.parent
TAPS = ("everflow", "gsheets", "mautic", "posthog", "redtrack", "sticky-s3")
QUICK = (("everflow", "sticky-s3"), 1)
FOLDERS = ("orders-create", "orders-update", "prospects-create")
DAYS, WEEK, MONTH, MONTHS, KEPT = 365, 7, 30, 12, timedelta(days=30)
STATE, DATABASE = "tap-sticky-s3's state", "Meltano's database"
MOST_STATE = 100_000
SETTLED, GROWTH = 3, 1.5  # from the end of this month on nothing grows by more than that
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
COPY_LOADS = """
INSERT INTO signalroom.loads SELECT (jsonb_populate_record(l, jsonb_build_object(
    'run_id', run || l.run_id, 'started_at', at, 'finished_at', at + interval '1 minute'
))).* FROM signalroom.loads AS l, unnest(%s::text[], %s::timestamptz[]) AS made (run, at)
WHERE l.run_id = ANY(%s)
"""


@dataclass
class Pipeline:
    """A pipeline of a tap and the loader, with what its real run left behind.

    Attributes:
        row: Of Meltano's list of runs.
        log: What it logged.
    """

    row: dict
    log: bytes


@dataclass
class Exports:
    """The hourly files of a bucket, and the tap's state of them."""

    state: dict
    listed: dict[str, list[S3Object]] = field(default_factory=lambda: {one: [] for one in FOLDERS})

    def add(self, day: datetime, number: int, count: int) -> dict:
        """Load a number of files of a day and folder, and return the state after that."""
        state = copy.deepcopy(self.state)
        for folder, listed in self.listed.items():
            mark = state["bookmarks"].setdefault(folder.replace("-", "_"), {})
            moments = (day + timedelta(hours=24 * hour / count) for hour in range(count))
            listed += [file(folder, moment) for moment in moments]
            if number % WEEK == 0 and number:
                # A file of two days ago arrives late, and one of the last days is overwritten.
                listed.append(file(folder, day - timedelta(hours=40, minutes=30)))
                place = -min(100, len(listed))
                listed[place] = S3Object(listed[place].key, f"{number:032x}", 99, day)
            history = FileHistory(mark, folder, listed)
            for obj in listed:
                if not history.is_loaded(obj):
                    history.add(obj, 700)
            history.save()
        self.state = state
        return {"singer_state": json.loads(json.dumps(seal_state(state)))}


def file(folder: str, moment: datetime) -> S3Object:
    """A delivered file."""
    digest = hashlib.sha256(f"{folder} {moment}".encode()).hexdigest()
    key = f"{folder}/report_{moment:%Y-%m-%dT%H%M}_{digest[:12]}.csv"
    return S3Object(key, digest[32:], 540_000, moment)


class Year:
    """A project on a machine of its own.

    Args:
        folder: Where all is.
        server: The database that is loaded into.
        sandbox: The vendors.
    """

    def __init__(self, folder: Path, server: EmbeddedPostgres, sandbox: SandboxServer) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        shutil.copy(ROOT / "meltano.yml", self.folder)
        shutil.copytree(ROOT / "plugins", self.folder / "plugins")
        self._url = server.libpq_url
        first = (TODAY - timedelta(days=3)).date().isoformat()
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        self.env = kept | {
            **sandbox.dotenv,
            **{f"TAP_{one}_START_DATE": first for one in ("EVERFLOW", "POSTHOG", "REDTRACK")},
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "NO_COLOR": "1",
            "XDG_STATE_HOME": str(folder / "user"),
            "TARGET_POSTGRES_SQLALCHEMY_URL": server.sqlalchemy_url,
        }
        self.logs = folder / "user" / "meltano" / "log" / "elt"

    def load(self, taps: Sequence[str]) -> None:
        """Run taps with Meltano."""
        for tap in taps:
            command = [BIN / "meltano", "run", f"tap-{tap}", "target-postgres"]
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode:
                sys.exit(f"{done.stdout[-2_000:]}\ntap-{tap} failed ({done.returncode})")

    def open(self) -> None:
        """Read what the real runs left behind."""
        os.environ.update(self.env)
        os.environ.pop("MELTANO_DATABASE_URI", None)
        self._project = activate_project(self.folder)
        _, self._session = project_engine(self._project)
        with psycopg.connect(self._url) as connection:
            found = connection.execute("SELECT DISTINCT run_id FROM signalroom.loads").fetchall()
        self._loads = [run_id for (run_id,) in found]
        self.pipelines = {}
        with self._session() as session:
            for row in session.execute(select(Job.__table__)).mappings():
                log = next(self.logs.glob(f"*/{row['run_id']}/*.log")).read_bytes()
                name = row["job_name"].split(":tap-")[1].removesuffix("-to-target-postgres")
                values = {key: value for key, value in row.items() if key != "id"}
                self.pipelines[name] = Pipeline(values, log)

    def replicate(self, day: datetime, runs: int, states: dict[str, dict]) -> None:
        """Write what the runs of a day would have left behind, with their states on that day."""
        moments = [day + timedelta(hours=24 * number / runs) for number in range(runs)]
        rows = []
        for name, pipeline in self.pipelines.items():
            payload = states.get(name, pipeline.row["payload"])
            for moment in moments:
                run, ended = uuid.uuid4(), moment + timedelta(minutes=1)
                rows.append(
                    pipeline.row
                    | {"run_id": run, "started_at": moment, "ended_at": ended, "payload": payload}
                )
                folder = self.logs / pipeline.row["job_name"].replace(":", "") / str(run)
                folder.mkdir()
                (folder / "elt.log").write_bytes(pipeline.log)
                for path in (folder / "elt.log", folder):
                    os.utime(path, (ended.timestamp(), ended.timestamp()))
        with self._session() as session:
            session.execute(insert(Job.__table__), rows)
            session.commit()
        names = [f"{moment:%Y%m%d%H%M} " for moment in moments]
        with psycopg.connect(self._url) as connection:
            connection.execute(COPY_LOADS, (names, moments, self._loads))
        self._leave_settings(day)

    def _leave_settings(self, day: datetime) -> None:
        """Leave behind what a killed run does, once a day."""
        path = self.folder / ".meltano" / "run" / "tap-everflow" / f"tap.{uuid.uuid4()}.config.json"
        path.write_text("{}")
        os.utime(path, (day.timestamp(), day.timestamp()))

    def clean_up(self, now: datetime) -> None:
        """Clean up at a simulated time."""
        _, problems = clean_up(self._project, Limits(now - KEPT, now - KEPT, dry_run=False))
        if problems:
            sys.exit("\n".join(problems))
        with psycopg.connect(self._url, autocommit=True) as connection:
            # PostgreSQL does this by itself within minutes, which are months here.
            connection.execute("VACUUM signalroom.loads")

    def sizes(self) -> dict[str, int]:
        """The sizes, in bytes, of everything that grows."""
        with psycopg.connect(self._url) as connection:
            query = "SELECT pg_total_relation_size('signalroom.loads')"
            (loads,) = connection.execute(query).fetchone()
        return {
            DATABASE: (self.folder / ".meltano" / "meltano.db").stat().st_size,
            "its logs": size_of(self.logs),
            "working folders": size_of(self.folder / ".meltano" / "run"),
            "log of loads": loads,
        }


def size_of(folder: Path) -> int:
    """The size of all files in a folder, in bytes."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def simulate(folder: Path, taps: Sequence[str], runs: int) -> list[str]:
    """Simulate a year with a number of runs a day, and return the problems."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(folder / "pg"))
        sandbox = stack.enter_context(SandboxServer(scale=0.1))
        year = Year(folder, server, sandbox)
        year.load(taps)
        year.open()
        sticky = year.pipelines["sticky-s3"].row["payload"]["singer_state"]
        for mark in sticky["bookmarks"].values():
            mark.pop("days", None)
        exports = Exports(sticky)
        months, written = [], 0
        for number in range(DAYS):
            day = TODAY - timedelta(days=DAYS - number)
            states = {"sticky-s3": exports.add(day, number, runs)}
            year.replicate(day, runs, states)
            written += runs * sum(
                len(json.dumps(states.get(name, one.row["payload"]))) + len(one.log)
                for name, one in year.pipelines.items()
            )
            if number % WEEK == WEEK - 1:
                year.clean_up(day + timedelta(days=1))
            if number % MONTH == MONTH - 1 and number // MONTH < MONTHS:
                state = len(json.dumps(states["sticky-s3"]))
                months.append({STATE: state, **year.sizes()})
                if len(months) == 1:
                    print("month", *(f"{name:>22}" for name in months[0]))
                sizes = (f"{format_size(size):>22}" for size in months[-1].values())
                print(f"{len(months):>5}", *sizes, flush=True)
        print(f"Without a clean-up, runs and logs alone: {format_size(written)}.")
        for name, one in year.pipelines.items():
            size = len(json.dumps(one.row["payload"]))
            if name != "sticky-s3":
                print(f"tap-{name}'s state after a run: {format_size(size)}.")
        year.load(taps)
    return judged(months)


def judged(months: list[dict[str, int]]) -> list[str]:
    """Problems of the sizes by month, one per line."""
    early, last = months[SETTLED - 1], months[-1]
    # Meltano's database has a copy of the state for each run.
    allowed = {DATABASE: GROWTH * max(1, last[STATE] / early[STATE])}
    wrong = [
        f"{name} grew from {format_size(early[name])} to {format_size(last[name])}"
        for name in early.keys() - {STATE}
        if last[name] > allowed.get(name, GROWTH) * early[name]
    ]
    if last[STATE] > MOST_STATE:
        wrong.append(f"{STATE} has {format_size(last[STATE])}")
    return wrong


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two taps, daily")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sr-year-"))
    # The user of the embedded PostgreSQL needs access to the folder.
    folder.chmod(0o755)
    try:
        wrong = simulate(folder, *(QUICK if asked.quick else (TAPS, 24)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in wrong:
        print(f"WRONG: {line}")
    if not wrong:
        print(f"From month {SETTLED} on nothing grows but the state, and the copies of it.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
