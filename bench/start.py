"""What it costs to start a tap and the loader: CPU seconds, which many hourly runs add up.

Against the smallest tap that the SDK can run, and against the stock target.
"""

from __future__ import annotations

import json
import sys
from statistics import median

from loader import OURS, STOCK, new_database
from measure import BIN, HERE, cpu_seconds, result, timed

RUNS = 5
MESSAGES = (
    {
        "type": "SCHEMA",
        "stream": "days",
        "schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "key_properties": ["id"],
    },
    {"type": "RECORD", "stream": "days", "record": {"id": 1}},
    {"type": "STATE", "value": {"bookmarks": {"days": {}}}},
)


def compare(job, ours, peer, stdin=None) -> tuple[float, float, float]:
    """The median CPU seconds of two commands, run in turns, and the memory of the first."""
    measured = [
        [cpu_seconds(command, stdin=stdin) for command in (ours, peer)]
        for _ in range(1 if job.quick else RUNS)
    ]
    _, peak = timed(ours, stdin=stdin)
    return *(median(seconds) for seconds in zip(*measured, strict=True)), peak


def start_of_tap(job):
    """A tap that says its version, and no more."""
    peer = [sys.executable, HERE / "peer_start.py", "--version"]
    ours, theirs, peak = compare(job, [BIN / "tap-everflow", "--version"], peer)
    yield result("CPU, start of a tap", ours, ("smallest SDK tap", theirs), peak, budget=1.6)


def start_of_loader(job):
    """The loader with a single record."""
    messages = job.folder / "start.jsonl"
    messages.write_text("".join(f"{json.dumps(message)}\n" for message in MESSAGES))
    with new_database() as database:
        commands = [target.command(database, job.folder) for target in (OURS, STOCK)]
        ours, theirs, peak = compare(job, *commands, stdin=messages)
    yield result("CPU, loading one record", ours, ("stock target", theirs), peak, budget=1.3)


def bench_start(job):
    """Both."""
    yield from start_of_tap(job)
    yield from start_of_loader(job)


BENCHES = {"start": bench_start}
