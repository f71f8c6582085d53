"""``make bench``: what SignalRoom should be fast at, as ratios within one run.

Each line of ``bench/results.json`` is ``{name, ours_s, peer, peer_s, ratio, peak_mb, budget}``;
the ratio is the peer's seconds to ours, so more is better, unless the name says growth.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import contacts
import events
import files
import history
import loader
import restatement
import start
from measure import BIN, HERE, QUICK, Job, growth, result, timed, within
from vendors import catalog, sandbox

PERMITTED = 30  # requests a second, by Everflow
RECORDS = 100_000
LATENCY = 0.2
YESTERDAY = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=1)


def backfill(days: int, folder: str, *, scale: float = 1, latency: float = 0.0, **settings: int):
    """Read conversions, and return wall seconds, peak MB, and the times of the requests."""
    with sandbox(scale=scale, latency=latency) as (env, control):
        env |= {f"TAP_EVERFLOW_{name.upper()}": str(value) for name, value in settings.items()}
        env["TAP_EVERFLOW_START_DATE"] = str(YESTERDAY - timedelta(days=days - 1))
        chosen = catalog("tap-everflow", "conversions", folder, env)
        command = [BIN / "tap-everflow", "--config=ENV", "--catalog", chosen]
        seconds, peak = timed(command, env)
        seen = control.requests()
    if seen["refused"]:
        sys.exit(f"the sandbox refused {seen['refused']} requests: the tap asked too fast")
    return seconds, peak, [one["at"] for one in seen["requests"] if "conversions" in one["path"]]


def bench_rate(job):
    """A year of conversions from a slow vendor, at the vendor's permitted rate."""
    days = job.count(364)
    _, peak, moments = backfill(days, job.folder, latency=LATENCY, page_size=50)
    ours, permitted = moments[-1] - moments[0], len(moments) / PERMITTED
    peer = (f"{PERMITTED} requests/s", permitted)
    yield result(f"a year, {LATENCY} s latency", ours, peer, peak, budget=0.9)


def bench_concurrency(job):
    """The same, compared with reading one window after the other."""
    days = job.count(60)
    ours, peak, _ = backfill(days, job.folder, latency=LATENCY)
    peer, _, _ = backfill(days, job.folder, latency=LATENCY, max_concurrency=1)
    name = f"60 days, {LATENCY} s latency"
    yield result(name, ours, ("one request at a time", peer), peak, budget=2)


def bench_growth(job):
    """Ten times the rows take ten times as long, with the same memory."""
    days = job.count(30)
    small, _, _ = backfill(days, job.folder, scale=10)
    large, peak, _ = backfill(days, job.folder, scale=100)
    yield growth("growth, 10 x conversions", large, ("1 x", small), peak)


def bench_writer(job):
    """Records through a tap, including its start, compared with the SDK's defaults."""
    records = job.count(RECORDS)
    ours, peak = timed([sys.executable, HERE / "writer.py", "kit", str(records)])
    peer, _ = timed([sys.executable, HERE / "writer.py", "sdk", str(records)])
    name = f"{records:,} records, tap alone"
    yield result(name, ours, ("Singer SDK's defaults", peer), peak, budget=1.5)


BENCHES = {
    "rate": bench_rate,
    "concurrency": bench_concurrency,
    "growth": bench_growth,
    "writer": bench_writer,
    **loader.BENCHES,
    **files.BENCHES,
    **events.BENCHES,
    **contacts.BENCHES,
    **restatement.BENCHES,
    **history.BENCHES,
    **start.BENCHES,
}


def main() -> int:
    """Run the named benchmarks, or all of them; a missed budget is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], default=[])
    smoke = f"a smoke test: {QUICK} times less of everything, and no budgets"
    parser.add_argument("--quick", action="store_true", help=smoke)
    asked = parser.parse_args()
    names = asked.names or list(BENCHES)
    results = []
    print(f"{'what':40} {'ours':>8} {'peer':>8} {'ratio':>6} {'budget':>7} {'peak MB':>8}  peer")
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Path(folder), quick=asked.quick)
        for line in (line for name in names for line in BENCHES[name](job)):
            line["met"] = within(line)
            results.append(line)
            missed = "" if line["met"] or job.quick else "  MISSED"
            print(
                f"{line['name']:40} {line['ours_s']:7.2f}s {line['peer_s']:7.2f}s"
                f" {line['ratio']:6.2f} {line['budget']:7} {line['peak_mb']:8}  {line['peer']}"
                f"{missed}",
                flush=True,
            )
    if asked.quick:
        return 0
    path = HERE / "results.json"
    # If only some ran, they replace their own lines.
    measured = {(line["name"], line["peer"]) for line in results}
    before = json.loads(path.read_text()) if set(names) != set(BENCHES) else []
    kept = [line for line in before if (line["name"], line["peer"]) not in measured]
    path.write_text(json.dumps(kept + results, indent=2) + "\n")
    return int(not all(line["met"] for line in results))


if __name__ == "__main__":
    sys.exit(main())
