"""What the versions of rows cost: loads with and without `history_streams`, and disk.

Each database gets the rows, and then all of them again, of which a share changed.
"""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING

from loader import OURS, SCHEMA, Target, new_database
from measure import result, timed

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 112_000
RUNS = 3
STREAM = "conversions"
TEXTS, NUMBERS = 20, 8  # columns, as Everflow's conversions have about
KEPT = Target(OURS.program, {"history_streams": [STREAM]})
#: The share of the rows that changed, in percent, and the least ratio to a load without history.
SHARES = {0: 0.5, 5: 0.4, 100: 0.2}
FIRST_BUDGET = 0.25
SIZES = f"""
SELECT round(pg_total_relation_size('{SCHEMA}.{STREAM}') / 1e6),
    round(pg_total_relation_size('{SCHEMA}.{STREAM}__history') / 1e6)
"""


def write_messages(path: Path, rows: int, percent: int) -> Path:
    """Write the messages of all rows, of which so many percent have another payout."""
    properties = {"conversion_id": {"type": "string"}, "payout": {"type": ["number", "null"]}}
    properties |= {f"text_{number}": {"type": ["string", "null"]} for number in range(TEXTS)}
    properties |= {f"id_{number}": {"type": ["integer", "null"]} for number in range(NUMBERS)}
    begin = {
        "type": "SCHEMA",
        "stream": STREAM,
        "key_properties": ["conversion_id"],
        "schema": {"type": "object", "properties": properties},
    }
    with path.open("w") as file:
        file.write(f"{json.dumps(begin)}\n")
        for number in range(rows):
            record = {
                "conversion_id": f"{number * 2_654_435_761 % 2**32:08x}{number:024x}",
                "payout": 12.5 + (number % 100 < percent),
                **{f"text_{n}": f"value {number % (n + 7)} of {n}" for n in range(TEXTS)},
                **{f"id_{n}": number // (n + 1) for n in range(NUMBERS)},
            }
            file.write(f'{{"type": "RECORD", "stream": "{STREAM}", "record": ')
            file.write(f"{json.dumps(record)}}}\n")
    return path


def load_twice(job, target: Target, first: Path, again: Path) -> tuple[list[float], float, list]:
    """Load two files; return the seconds of each, the peak in MB, and the sizes in MB."""
    with new_database() as database:
        measured, sizes = [], []
        for path in (first, again):
            database.execute("CHECKPOINT")
            measured.append(timed(target.command(database, job.folder), stdin=path))
            sizes.append(database.execute(SIZES) if target is KEPT else None)
    return [seconds for seconds, _ in measured], max(peak for _, peak in measured), sizes


def bench_history(job):
    """All rows again, of which none, few or all changed, compared with no history."""
    rows = job.count(ROWS)
    first = write_messages(job.folder / "history-first.jsonl", rows, 0)
    first_loads: dict[str, list[float]] = {"with": [], "without": []}
    for percent, budget in SHARES.items():
        again = write_messages(job.folder / f"history-{percent}.jsonl", rows, percent)
        seconds: dict[str, list[float]] = {"with": [], "without": []}
        peaks = []
        for _ in range(1 if job.quick else RUNS):
            for name, target in (("without", OURS), ("with", KEPT)):
                taken, peak, sizes = load_twice(job, target, first, again)
                first_loads[name].append(taken[0])
                seconds[name].append(taken[1])
                peaks.append(peak)
        (table, before), (_, after) = sizes
        print(
            f"{percent} % changed: the table has {table} MB, its history {before} MB, then {after}"
        )
        name = f"history, {rows:,} rows, {percent} % changed"
        peer = ("without history", median(seconds["without"]))
        yield result(name, median(seconds["with"]), peer, max(peaks), budget=budget)
    peer = ("without history", median(first_loads["without"]))
    name = f"history, {rows:,} rows, first load"
    yield result(name, median(first_loads["with"]), peer, max(peaks), budget=FIRST_BUDGET)


BENCHES = {"history": bench_history}
