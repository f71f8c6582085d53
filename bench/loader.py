"""What loading costs: the target against the stock one, and against a plain COPY.

Every run has a database of its own, in an embedded server, and says what is in it afterwards.
A second load brings the same keys with other values.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from time import monotonic

import psycopg
from measure import BIN, HERE, growth, piped, result, timed

from signalroom_target_postgres.embedded import EmbeddedPostgres

RUNS = 3
SCHEMA = "bench"
WIDE, NARROW, PIPED = 102_000, 100_000, 100_000
FEW, MANY = 20_000, 200_000  # rows, for growth
SHARE = 10  # of the wide rows the stock target at its defaults gets one in so many
LOADS = ("first load", "second load")
FILES = {"records": "records.jsonl", "batch": "batch.jsonl", "csv": "table.csv"}
COPY = r"COPY {} FROM STDIN (FORMAT csv, NULL '\N')"
BLOCK = 1 << 20


@dataclass
class Target:
    """A program that loads Singer messages, with its settings."""

    program: str
    settings: dict = field(default_factory=dict)

    def command(self, database, folder: Path) -> list:
        """The command that loads into a database."""
        settings = {
            "sqlalchemy_url": database.sqlalchemy_url,
            "default_target_schema": SCHEMA,
            "add_record_metadata": False,
            "activate_version": False,
        }
        config = folder / f"{uuid.uuid4().hex}.json"
        config.write_text(json.dumps(settings | self.settings))
        return [BIN / self.program, "--config", config]


OURS = Target("signalroom-target-postgres")
STOCK = Target("target-postgres")
TUNED = Target(
    "target-postgres", {"use_copy": True, "validate_records": False, "batch_size_rows": 50_000}
)


@dataclass
class Database:
    """A database for one run."""

    sqlalchemy_url: str
    libpq_url: str

    def execute(self, *statements):
        """Run statements, and return the first row of the last one, if there is one."""
        with psycopg.connect(self.libpq_url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchone() if cursor.description else None


@contextmanager
def new_database():
    """A database that is dropped afterwards, in a server that is stopped afterwards."""
    home = Path(tempfile.gettempdir()) / f"signalroom-bench-{os.getuid()}"
    name = f"bench_{uuid.uuid4().hex}"
    with EmbeddedPostgres(home) as server:
        urls = server.sqlalchemy_url, server.libpq_url
        whole = Database(*urls)
        whole.execute(f"CREATE DATABASE {name}")
        try:
            yield Database(*(url.replace("/signalroom?", f"/{name}?") for url in urls))
        finally:
            whole.execute(f"DROP DATABASE {name} WITH (FORCE)", "CHECKPOINT")


@cache
def written(folder: Path, shape: str, rows: int, form: str, revision: int = 0) -> Path:
    """The folder of a stream in one format, which is written if it does not exist.

    By a process of its own: a program's peak memory is at least that of the one that starts it.
    """
    to = folder / f"{shape}-{rows}-{form}-{revision}"
    options = ["--formats", form, "--revision", str(revision)]
    subprocess.run([sys.executable, HERE / "loads.py", shape, str(rows), to, *options], check=True)
    return to


def check(database, about) -> None:
    """End the benchmarks if the table does not have the expected rows."""
    row = database.execute(f"SELECT {', '.join(about['checks'])} FROM {SCHEMA}.{about['table']}")
    found = [str(value).removesuffix(".00").removesuffix(".000000") for value in row]
    if found != about["expected"]:
        sys.exit(f"loaded was {found}, not {about['expected']}")


def loaded(target, database, source: Path, form: str, folder: Path) -> tuple[float, float]:
    """Load a file, and return seconds and MB."""
    database.execute("CHECKPOINT")
    return timed(target.command(database, folder), stdin=source / FILES[form])


def both(job, target, shape, rows, form, *, runs=RUNS) -> list[tuple[float, float]]:
    """Load twice, and return seconds and MB of each load."""
    sources = [written(job.folder, shape, rows, form, revision) for revision in (0, 1)]
    found = []
    for _ in range(1 if job.quick else runs):
        with new_database() as database:
            measured = []
            for source in sources:
                measured.append(loaded(target, database, source, form, job.folder))
                check(database, json.loads((source / "about.json").read_text()))
            found.append(measured)
    return [usual(measured) for measured in zip(*found, strict=True)]


def usual(measured) -> tuple[float, float]:
    """The median of the seconds, and the maximum of the memory."""
    seconds, peaks = zip(*measured, strict=True)
    return median(seconds), max(peaks)


def scaled(job, target, shape, rows, share) -> list[float]:
    """Seconds of both loads, extrapolated if only a share of the rows is loaded.

    The time to start and to make an empty table is not multiplied.
    """
    few = rows // share
    measured = both(job, target, shape, few, "records", runs=RUNS if share == 1 else 1)
    began = start(job, target, written(job.folder, shape, few, "records")) if share > 1 else 0
    return [began + (seconds - began) * rows / few for seconds, _ in measured]


def start(job, target, source: Path) -> float:
    """Seconds that a target takes to start and to create an empty table."""
    schema = job.folder / "schema.jsonl"
    with (source / FILES["records"]).open() as file:
        schema.write_text(file.readline())
    with new_database() as database:
        return timed(target.command(database, job.folder), stdin=schema)[0]


def copied(job, shape, rows) -> list[float]:
    """Seconds of both loads with COPY: into an empty table, and as an upsert into a full one."""
    sources = [written(job.folder, shape, rows, "csv", revision) for revision in (0, 1)]
    found = []
    for _ in range(1 if job.quick else RUNS):
        with new_database() as database:
            measured = []
            for source, copy in zip(sources, (copy_plainly, copy_and_merge), strict=True):
                about = json.loads((source / "about.json").read_text())
                if not measured:
                    make_table(database, about)
                database.execute("CHECKPOINT")
                began = monotonic()
                with psycopg.connect(database.libpq_url) as connection:
                    copy(connection, source / FILES["csv"], about)
                measured.append(monotonic() - began)
                check(database, about)
            found.append(measured)
    return [median(seconds) for seconds in zip(*found, strict=True)]


def make_table(database, about) -> None:
    """Create the table that the targets create for a stream of texts."""
    columns = ", ".join(f"{name} text" for name in about["columns"])
    keys = ", ".join(about["keys"])
    database.execute(
        f"CREATE SCHEMA {SCHEMA}",
        f"CREATE TABLE {SCHEMA}.{about['table']} ({columns}, PRIMARY KEY ({keys}))",
    )


def copy_into(connection, table: str, path: Path) -> None:
    """COPY a file into a table."""
    with connection.cursor().copy(COPY.format(table)) as copy, path.open("rb") as file:
        while block := file.read(BLOCK):
            copy.write(block)


def copy_plainly(connection, path, about) -> None:
    """COPY directly into the table."""
    copy_into(connection, f"{SCHEMA}.{about['table']}", path)


def copy_and_merge(connection, path, about) -> None:
    """COPY into a temporary table, and update the existing rows from it."""
    table = f"{SCHEMA}.{about['table']}"
    connection.execute(f"CREATE TEMP TABLE passing (LIKE {table}) ON COMMIT DROP")
    copy_into(connection, "passing", path)
    others = [name for name in about["columns"] if name not in about["keys"]]
    updates = ", ".join(f"{name} = excluded.{name}" for name in others)
    connection.execute(
        f"INSERT INTO {table} TABLE passing"
        f" ON CONFLICT ({', '.join(about['keys'])}) DO UPDATE SET {updates}"
    )


def bench_batch(job):
    """Parquet files, compared with COPY."""
    rows = job.count(WIDE)
    ours = both(job, OURS, "wide", rows, "batch")
    peers = zip(("plain COPY", "COPY and upsert by hand"), copied(job, "wide", rows), strict=True)
    for load, (seconds, peak), peer in zip(LOADS, ours, peers, strict=True):
        yield result(f"{rows:,} wide, Parquet, {load}", seconds, peer, peak, budget=0.5)


def bench_records(shape, wanted, share=1):
    """Records, compared with the stock target: with its defaults, and with fast settings.

    As it comes it gets only a share of the rows, where all of them would take minutes.
    """

    def bench(job):
        rows = job.count(wanted)
        ours = both(job, OURS, shape, rows, "records")
        stock = scaled(job, STOCK, shape, rows, share)
        tuned = [seconds for seconds, _ in both(job, TUNED, shape, rows, "records", runs=1)]
        scaling = f" (1/{share} of the rows, scaled)" if share > 1 else ""
        # Updates cost the server more than reading the records costs any target.
        peers = (
            (f"stock target's defaults{scaling}", stock, (6, 5)),
            ("stock target, tuned", tuned, (1, 1)),
        )
        for peer, seconds, budgets in peers:
            for load, (mine, peak), theirs, budget in zip(
                LOADS, ours, seconds, budgets, strict=True
            ):
                name = f"{rows:,} {shape} records, {load}"
                yield result(name, mine, (peer, theirs), peak, budget=budget)

    return bench


def bench_growth(form, what):
    """Ten times the rows take ten times as long, with the same memory."""

    def bench(job):
        rows = job.count(FEW), job.count(MANY)
        (small, _), (large, peak) = (once(job, count, form) for count in rows)
        shutil.rmtree(written(job.folder, "wide", rows[1], form))
        written.cache_clear()
        yield growth(f"growth, 10 x wide {what}", large, (f"{rows[0]:,} rows", small), peak)

    return bench


def once(job, rows, form) -> tuple[float, float]:
    """Load into an empty database, and return seconds and MB."""
    source = written(job.folder, "wide", rows, form)
    with new_database() as database:
        measured = loaded(OURS, database, source, form, job.folder)
        check(database, json.loads((source / "about.json").read_text()))
    return measured


def bench_pipe(job):
    """A tap and a target in a pipe, compared with those of the SDK and the stock target."""
    rows = job.count(PIPED)
    # The tap's columns and their sums.
    checks = ["count(*)", "sum(id)", "round(sum(payout) * 100)", "sum(length(text_11))"]
    expected = [rows, rows * (rows - 1) // 2, rows * 1235, rows * 27]
    about = {"table": "made_up", "checks": checks, "expected": list(map(str, expected))}
    found = []
    for tap, target in (("kit", OURS), ("sdk", STOCK)):
        writer = [sys.executable, HERE / "writer.py", tap, str(rows)]
        measured = []
        for _ in range(1 if job.quick else RUNS):
            with new_database() as database:
                measured.append(piped([writer, target.command(database, job.folder)]))
                check(database, about)
        found.append(usual(measured))
    (seconds, peak), (peer, _) = found
    name = f"{rows:,} records, tap to table"
    yield result(name, seconds, ("SDK's and stock target's defaults", peer), peak, budget=6)


BENCHES = {
    "load-batch": bench_batch,
    "load-record-wide": bench_records("wide", WIDE, SHARE),
    "load-record-narrow": bench_records("narrow", NARROW),
    "load-growth": bench_growth("records", "records"),
    "load-growth-batch": bench_growth("batch", "Parquet"),
    "pipe": bench_pipe,
}
