"""What the tests of this package share."""

from __future__ import annotations

import csv
import io
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from tap_sticky_s3.day_files import hash_version, parse_day

#: A sandbox's; the secret is not looked at.
BUCKET_SETTINGS = {
    "aws_access_key_id": "AKIASANDBOXSTICKY713",
    "aws_secret_access_key": "sandbox-sticky-secret",
}
DAY = "orders-create/report_2025-12-{:02}T0600_x.csv"


def export(*rows, header=("orders_id", "total_amount", "billing_state"), **options):
    """A file, as Sticky writes it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n", **options)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def orders(count, first=1):
    """Rows of an export, newest first."""
    return [(str(first + number), "95", "TX") for number in reversed(range(count))]


def cells(records, *columns):
    """Some columns of records, as tuples."""
    return [tuple(record[column] for column in columns) for record in records]


def batch_rows(output, stream):
    """The rows of a stream's batch files."""
    return [
        row
        for message in output.messages
        if message["type"] == "BATCH" and message["stream"] == stream
        for url in message["manifest"]
        for row in table_of(unquote(urlparse(url).path)).to_pylist()
    ]


def table_of(path):
    """A batch file's rows."""
    if path.endswith(".parquet"):
        return pq.read_table(path)
    with pa.memory_map(path) as file:
        return pa.ipc.open_file(file).read_all()


def known(state, stream="orders_create"):
    """The files of a state, of those that tests put, with their rows."""
    # The first state of a run names its streams, before there are files.
    days = dict(parse_day(text) for text in state["bookmarks"][stream].get("days", ()))
    keys = (*map(DAY.format, range(1, 32)), f"{stream.replace('_', '-')}/x.csv")
    actual = {}
    for key in keys:
        version = hash_version(key, "", 0, 0)
        if (day := days.get(version.day)) and version.key in day.files:
            actual[key] = day.files[version.key].row_count
    assert len(actual) == sum(map(len, days.values()))
    return actual
