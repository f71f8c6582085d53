"""``make bench``: what SignalRoom claims to be fast at, as ratios within one run.

Each line of ``bench/results.json`` is ``{name, ours_s, peer, peer_s, ratio, peak_mb, budget}``;
the ratio is the peer's seconds to ours, so more is better, unless the name says growth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from signalroom_sandbox.server import Control

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
PERMITTED = 30  # requests a second, by Everflow
RECORDS = 100_000
LATENCY = 0.2
MEMORY = 300  # MB
YESTERDAY = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=1)


@contextmanager
def sandbox(*, scale: float = 1, latency: float = 0.0):
    """A sandbox in a process of its own: it must not share the tap's interpreter."""
    command = [BIN / "signalroom-sandbox", "--port=0", f"--scale={scale}", f"--latency={latency}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = (line.strip() for line in process.stdout)
        env = dict(line.split("=", 1) for line in lines_until(lines, "# Stop") if "=" in line)
        yield env, Control(env["TAP_EVERFLOW_API_URL"].removesuffix("/everflow"))
        process.terminate()


def lines_until(lines, mark):
    """Lines up to one that begins with a mark."""
    for line in lines:
        if line.startswith(mark):
            return
        if not line.startswith("#"):
            yield line


def timed(command, env) -> tuple[float, float]:
    """Run a command to its end; gives seconds, and the most memory it held in MB."""
    began = time.monotonic()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=os.environ | env, **quiet) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def catalog(stream: str, folder: str) -> Path:
    """A catalog that selects one stream."""
    env = os.environ | {"TAP_EVERFLOW_API_KEY": "none-needed"}
    command = [BIN / "tap-everflow", "--config=ENV", "--discover"]
    found = subprocess.run(command, env=env, capture_output=True, check=True)
    catalog = json.loads(found.stdout)
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            metadata["metadata"]["selected"] = entry["stream"] == stream
    path = Path(folder) / f"{stream}.json"
    path.write_text(json.dumps(catalog))
    return path


def backfill(days: int, folder: str, *, scale: float = 1, latency: float = 0.0, **settings: int):
    """Read conversions; gives wall seconds, peak MB, and the requests' times."""
    with sandbox(scale=scale, latency=latency) as (env, control):
        env |= {f"TAP_EVERFLOW_{name.upper()}": str(value) for name, value in settings.items()}
        env["TAP_EVERFLOW_START_DATE"] = str(YESTERDAY - timedelta(days=days - 1))
        chosen = catalog("conversions", folder)
        command = [BIN / "tap-everflow", "--config=ENV", "--catalog", chosen]
        seconds, peak = timed(command, env)
        seen = control.requests()
    if seen["refused"]:
        sys.exit(f"the sandbox refused {seen['refused']} requests: the tap asked too fast")
    return seconds, peak, [one["at"] for one in seen["requests"] if "conversions" in one["path"]]


def bench_rate(folder: str):
    """A year of conversions from a slow vendor, at the vendor's permitted rate."""
    _, peak, moments = backfill(364, folder, latency=LATENCY, page_size=50)
    ours, permitted = moments[-1] - moments[0], len(moments) / PERMITTED
    peer = (f"{PERMITTED} requests/s", permitted)
    return result(f"a year, {LATENCY} s latency", ours, peer, peak, budget=0.9)


def bench_concurrency(folder: str):
    """The same against reading one window after the other."""
    ours, peak, _ = backfill(60, folder, latency=LATENCY)
    peer, _, _ = backfill(60, folder, latency=LATENCY, max_concurrency=1)
    name = f"60 days, {LATENCY} s latency"
    return result(name, ours, ("one request at a time", peer), peak, budget=2)


def bench_growth(folder: str):
    """Ten times the rows take ten times as long, in the same memory."""
    small, _, _ = backfill(30, folder, scale=10)
    large, peak, _ = backfill(30, folder, scale=100)
    line = result("growth, 10 x conversions", large, ("1 x", small), peak, budget=11)
    return line | {"ratio": round(large / small, 2)}


def bench_writer(_: str):
    """Records through a tap, start included, against the SDK's defaults."""
    ours, peak = timed([sys.executable, HERE / "writer.py", "kit", str(RECORDS)], {})
    peer, _ = timed([sys.executable, HERE / "writer.py", "sdk", str(RECORDS)], {})
    name = f"{RECORDS:,} records, tap alone"
    return result(name, ours, ("Singer SDK's defaults", peer), peak, budget=1.5)


def result(name, ours, peer, peak, *, budget):
    """A line of the results."""
    peer_name, peer_seconds = peer
    return {
        "name": name,
        "ours_s": round(ours, 2),
        "peer": peer_name,
        "peer_s": round(peer_seconds, 2),
        "ratio": round(peer_seconds / ours, 2),
        "peak_mb": round(peak),
        "budget": budget,
    }


BENCHES = {
    "rate": bench_rate,
    "concurrency": bench_concurrency,
    "growth": bench_growth,
    "writer": bench_writer,
}


def main() -> int:
    """Run what was asked for, or everything; a missed budget is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], default=[])
    names = parser.parse_args().names or list(BENCHES)
    results = []
    print(f"{'what':28} {'ours':>8} {'peer':>8} {'ratio':>6} {'budget':>7} {'peak MB':>8}  peer")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            line = BENCHES[name](folder)
            line["met"] = within(line)
            results.append(line)
            print(
                f"{line['name']:28} {line['ours_s']:7.2f}s {line['peer_s']:7.2f}s"
                f" {line['ratio']:6.2f} {line['budget']:7} {line['peak_mb']:8}  {line['peer']}"
                f"{'' if line['met'] else '  MISSED'}",
                flush=True,
            )
    if set(names) == set(BENCHES):
        (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    return int(not all(line["met"] for line in results))


def within(line) -> bool:
    """Whether a result is within its budget, of the ratio and of memory."""
    growth = line["name"].startswith("growth")
    enough = line["ratio"] <= line["budget"] if growth else line["ratio"] >= line["budget"]
    return enough and line["peak_mb"] <= MEMORY


if __name__ == "__main__":
    sys.exit(main())
