"""From S3 to PostgreSQL: the tap and the target, compared with COPY, Sling, dlt and the SDK.

moto serves the files, in a process of its own. Every run has a database of its own, and what is in
it afterwards is compared with the files.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING

import boto3
import psycopg
from botocore.config import Config
from loader import OURS, RUNS, SCHEMA, STOCK, copy_into, new_database, usual
from measure import BIN, HERE, growth, piped, result, timed

from signalroom_sandbox.sticky_s3.exports import export, key_of
from tap_sticky_s3.client import S3Object
from tap_sticky_s3.file_history import FileHistory

if TYPE_CHECKING:
    from pathlib import Path

PREFIX, TABLE = "orders-create", f"{SCHEMA}.orders_create"
FILES, MANY, ROWS = 6, 60, 17_000
SMALL, SMALL_ROWS, LATENCY = 1_000, 100, 0.05  # files, their rows, and seconds for an answer
OBJECTS = 5_000  # of a run that finds nothing new
SHARE = 20  # of the rows the stock target at its defaults gets one in so many
FIRST = date(2025, 9, 22)
PEERS = HERE.parent / ".meltano" / "bench"
KEYS = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench"}


@dataclass
class Store:
    """A bucket of moto."""

    endpoint: str
    name: str
    client: object

    def fill(self, files: int, rows: int) -> dict:
        """Store exports, and return the expected sums of the loaded table."""
        count, revenue, clicks = 0, 0, 0
        for number in range(files):
            day = FIRST + timedelta(days=number)
            body = export(PREFIX, day, rows)
            self.client.put_object(Bucket=self.name, Key=key_of(PREFIX, day), Body=body)
            for row in csv.DictReader(io.StringIO(body.decode(), newline="")):
                count += 1
                revenue += int(row["total_amount"])
                clicks += len(row["Click ID"]) + len(row["decline_reason"])
        return {"count": count, "revenue": revenue, "clicks": clicks}

    def tap(self, folder: Path, **settings) -> list:
        """The command that reads the bucket."""
        config = folder / f"{uuid.uuid4().hex}.json"
        batches = {"encoding": {"format": "arrow"}, "storage": {"root": folder.as_uri()}}
        given = {
            "bucket": self.name,
            "endpoint_url": self.endpoint,
            "prefixes": PREFIX,
            "batch_config": batches,
            **KEYS,
        }
        config.write_text(json.dumps(given | settings))
        return [BIN / "tap-sticky-s3", "--config", config]


@contextmanager
def store():
    """An empty bucket, in a server that is stopped afterwards."""
    program = (
        "import sys, threading; from moto.server import ThreadedMotoServer;"
        "server = ThreadedMotoServer('127.0.0.1', 0, verbose=False); server.start();"
        "print(*server.get_host_and_port()); sys.stdout.flush(); threading.Event().wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        host, port = process.stdout.readline().split()
        endpoint = f"http://{host}:{port}"
        client = client_of(endpoint)
        client.create_bucket(Bucket="exports")
        try:
            yield Store(endpoint, "exports", client)
        finally:
            client.close()
            process.kill()


@contextmanager
def slow_store(files: int, rows: int, latency: float):
    """A bucket that answers late; yields it, the expected sums, and what stops it."""
    command = [sys.executable, HERE / "slow_s3.py", files, rows, latency]
    with subprocess.Popen(
        [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            about = json.loads(process.stdout.readline())
            expected = dict(zip(("count", "revenue", "clicks"), about["expected"], strict=True))

            def stop() -> int:
                process.stdin.close()
                return int(process.stdout.readline())

            yield Store(about["endpoint"], "exports", None), expected, stop
        finally:
            process.kill()


def client_of(endpoint: str):
    """An S3 client for the server."""
    config = Config(s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config, **KEYS)


@cache
def peers() -> Path:
    """The folder of an environment with the software to compare with; created if it is missing."""
    wanted = HERE / "peers.txt"
    done = PEERS / "peers.txt"
    if not done.exists() or done.read_text() != wanted.read_text():
        uv = BIN / "uv" if (BIN / "uv").exists() else "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", PEERS], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", PEERS / "bin/python"]
        subprocess.run([*install, "--requirement", wanted], check=True)
        done.write_text(wanted.read_text())
    return PEERS / "bin"


def check(database, expected) -> None:
    """End the benchmarks if the table does not have the expected rows."""
    query = (
        "SELECT count(*), sum(total_amount::numeric)::bigint,"
        " sum(coalesce(length(click_id), 0) + coalesce(length(decline_reason), 0))"
        f" FROM {TABLE}"
    )
    found = [int(value) for value in database.execute(query)]
    if found != [*expected.values()]:
        sys.exit(f"loaded was {found}, not {expected}")


def ours(job, bucket, expected, runs=RUNS) -> tuple[float, float]:
    """Load with the tap and the target, and return seconds and MB."""
    measured = []
    for _ in range(1 if job.quick else runs):
        with new_database() as database:
            tap, target = bucket.tap(job.folder), OURS.command(database, job.folder)
            measured.append(piped([tap, target]))
            check(database, expected)
    return usual(measured)


def copied(job, bucket, expected) -> float:
    """Seconds that PostgreSQL takes to COPY the same rows into the same table."""
    measured = []
    contents = job.folder / "contents.csv"
    with new_database() as database:
        piped([bucket.tap(job.folder), OURS.command(database, job.folder)])
        with psycopg.connect(database.libpq_url, autocommit=True) as connection:
            statement = f"COPY {TABLE} TO STDOUT (FORMAT csv, NULL '\\N')"
            with contents.open("wb") as file, connection.cursor().copy(statement) as rows:
                for row in rows:
                    file.write(row)
            connection.execute(f"CREATE TABLE plain (LIKE {TABLE} INCLUDING ALL)")
            for _ in range(1 if job.quick else RUNS):
                connection.execute("TRUNCATE plain")
                connection.execute("CHECKPOINT")
                began = monotonic()
                copy_into(connection, "plain", contents)
                measured.append((monotonic() - began, 0.0))
            connection.execute(f"DROP TABLE {TABLE}; ALTER TABLE plain SET SCHEMA {SCHEMA}")
            connection.execute(f"ALTER TABLE {SCHEMA}.plain RENAME TO orders_create")
        check(database, expected)
    contents.unlink()
    return usual(measured)[0]


def sling(bucket, expected) -> float:
    """Seconds that Sling takes, with the same key."""
    (program,) = peers().parent.glob("lib/*/site-packages/sling_linux_amd64/bin/sling-linux-amd64")
    source = {
        "type": "s3",
        "bucket": bucket.name,
        "access_key_id": "bench",
        "secret_access_key": "bench",
        "endpoint": bucket.endpoint,
        "region": "us-east-1",
    }
    key = ["_sling_stream_url", "_sling_row_num"]
    with new_database() as database:
        env = {
            "BENCH_S3": json.dumps(source),
            "BENCH_POSTGRES": database.libpq_url,
            "SLING_STREAM_URL_COLUMN": "true",
            "SLING_ROW_NUM_COLUMN": "true",
            "SLING_DISABLE_TELEMETRY": "true",
        }
        command = [program, "run", "--src-conn", "BENCH_S3", "--tgt-conn", "BENCH_POSTGRES"]
        command += ["--src-stream", f"s3://{bucket.name}/{PREFIX}/*.csv", "--tgt-object", TABLE]
        command += ["--mode", "incremental", "--primary-key", ",".join(key)]
        command += ["--columns", '{"*": "string"}']
        command += ["--tgt-options", json.dumps({"table_keys": {"primary": key}})]
        seconds, _ = timed(command, env)
        check(database, expected)
    return seconds


def dlt(job, bucket, expected, form) -> float:
    """Seconds that dlt takes, with the same key."""
    with new_database() as database:
        arguments = [form, bucket.endpoint, bucket.name, database.libpq_url]
        command = [peers() / "python", HERE / "peer_dlt.py", *arguments, job.folder / form]
        seconds, _ = timed(command)
        check(database, expected)
    return seconds


def plain_sdk(job, rows) -> float:
    """Seconds of a simple tap and the stock target, extrapolated from a share of the rows.

    The time to start is not multiplied.
    """
    measured = []
    for few in (1, rows // SHARE):
        with store() as bucket, new_database() as database:
            expected = bucket.fill(1, few)
            tap = [sys.executable, HERE / "peer_sdk.py", bucket.endpoint, bucket.name]
            measured.append(piped([tap, STOCK.command(database, job.folder)])[0])
            check(database, expected)
    start, seconds = measured
    return start + (seconds - start) * SHARE


def bench_files(job):
    """Six days of a client's orders."""
    rows = job.count(ROWS)
    with store() as bucket:
        expected = bucket.fill(FILES, rows)
        mine, peak = ours(job, bucket, expected)
        name = f"{FILES * rows:,} x 129 from S3"
        yield result(name, mine, ("plain COPY", copied(job, bucket, expected)), peak, budget=0.33)
        yield result(name, mine, ("Sling", sling(bucket, expected)), peak, budget=2)
        for form in ("arrow", "dicts"):
            peer = (f"dlt, {form}", dlt(job, bucket, expected, form))
            yield result(name, mine, peer, peak, budget=5)
    peer = f"SDK's and stock target's defaults (1/{SHARE} of the rows, scaled)"
    yield result(name, mine, (peer, plain_sdk(job, FILES * rows)), peak, budget=25)


def bench_files_growth(job):
    """Ten times the files take ten times as long, with the same memory."""
    rows = job.count(ROWS)
    measured = []
    for files in (FILES, MANY):
        with store() as bucket:
            measured.append(ours(job, bucket, bucket.fill(files, rows), runs=1))
    (small, _), (large, peak) = measured
    yield growth("growth, 10 x files on S3", large, (f"{FILES} files", small), peak)


def bench_small_files(job):
    """Many small files of a slow store, compared with waiting for one answer after the other."""
    files = job.count(SMALL)
    with slow_store(files, SMALL_ROWS, LATENCY) as (bucket, expected, stop):
        mine, peak = ours(job, bucket, expected, runs=1)
        waits = stop() * LATENCY
    name = f"{files:,} small files, {LATENCY} s latency"
    yield result(name, mine, ("one request at a time", waits), peak, budget=4)


def bench_nothing_new(job):
    """A run without new files, compared with a run over an empty bucket."""
    objects = job.count(OBJECTS)
    with store() as bucket:
        body = export(PREFIX, FIRST, 1)
        for number in range(objects):
            bucket.client.put_object(Bucket=bucket.name, Key=f"{PREFIX}/{number:06}.csv", Body=body)
        mark = {}
        pages = bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
        listed = [
            S3Object(one["Key"], one["ETag"].strip('"'), one["Size"], one["LastModified"])
            for page in pages
            for one in page["Contents"]
        ]
        history = FileHistory(mark, "orders_create", listed)
        for obj in listed:
            history.add(obj, 1)
        history.save()
        state = job.folder / "state.json"
        state.write_text(json.dumps({"bookmarks": {"orders_create": mark}}))
        mine, peak = timed([*bucket.tap(job.folder), "--state", state])
        none, _ = timed(bucket.tap(job.folder, prefixes="nothing-there"))
    name = f"growth, nothing new of {objects:,} files"
    yield growth(name, mine, ("no files", none), peak, budget=5)


BENCHES = {
    "files": bench_files,
    "files-growth": bench_files_growth,
    "files-small": bench_small_files,
    "files-nothing-new": bench_nothing_new,
}
