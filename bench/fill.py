"""Fill a bucket: ``fill.py ENDPOINT BUCKET FILES ROWS``; prints the table's expected sums.

In a process of its own: a program's peak memory is at least that of the one that starts it.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import date, timedelta

from files import PREFIX, Store, client_of

from signalroom_sandbox.sticky_s3.exports import export, key_of

#: The number of different files; others repeat their contents under other names.
CONTENTS = 10
FIRST, DAYS = date(2024, 1, 1), 1_000


def fill(store: Store, files: int, rows: int) -> list[int]:
    """Store exports, and return the sums of all of them."""
    bodies = [export(PREFIX, FIRST + timedelta(days=one), rows) for one in range(CONTENTS)]
    sums = [sums_of(body) for body in bodies]
    expected = [0, 0, 0]
    for number in range(files):
        day = key_of(PREFIX, FIRST + timedelta(days=number % DAYS)).removesuffix(".csv")
        key, which = f"{day}-{number:05}.csv", number % CONTENTS
        store.client.put_object(Bucket=store.name, Key=key, Body=bodies[which])
        expected = [one + more for one, more in zip(expected, sums[which], strict=True)]
    return expected


def sums_of(body: bytes) -> list[int]:
    """The sums of a file: rows, revenue, and lengths of texts."""
    found = [0, 0, 0]
    for row in csv.DictReader(io.StringIO(body.decode(), newline="")):
        found[0] += 1
        found[1] += int(row["total_amount"])
        found[2] += len(row["Click ID"]) + len(row["decline_reason"])
    return found


if __name__ == "__main__":
    endpoint, bucket = sys.argv[1:3]
    of = Store(endpoint, bucket, client_of(endpoint))
    print(json.dumps(fill(of, *map(int, sys.argv[3:]))))
