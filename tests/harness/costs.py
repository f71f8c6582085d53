"""Wall and CPU seconds of each test, with what it starts: where the time of ``make test`` goes.

    make test ARGS="--costs=/tmp/costs.jsonl"
    PYTHONPATH=tests .venv/bin/python -m harness.costs /tmp/costs.jsonl [MODULES]

CPU seconds include the programs that a test started and waited for, and those that the zygote
forked for it. A fixture of the session counts for the first test that uses it. Not included: the
PostgreSQL server that the tests share, and pytest itself before the first test.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

#: Names the file to the zygote, which is a process of its own.
VARIABLE = "SIGNALROOM_TEST_COSTS"
SLOWEST = 20


def pytest_addoption(parser):
    parser.addoption("--costs", metavar="FILE", help="append each test's wall and CPU seconds")


def pytest_configure(config):
    """Set the variable before the first worker and the first zygote start."""
    if path := config.getoption("--costs"):
        os.environ[VARIABLE] = str(Path(path).absolute())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Measure a test from the setup of its fixtures to their end."""
    if VARIABLE not in os.environ:
        return (yield)
    wall, cpu = time.perf_counter(), cpu_seconds()
    result = yield
    record(item.nodeid, time.perf_counter() - wall, cpu_seconds() - cpu)
    return result


def cpu_seconds():
    """CPU seconds of this process and of the children it has waited for."""
    return sum(os.times()[:4])


def record(test, wall, cpu):
    """Append a line; several processes write to the same file."""
    line = json.dumps({"test": test, "wall": round(wall, 3), "cpu": round(cpu, 3)})
    with Path(os.environ[VARIABLE]).open("a") as file:
        file.write(f"{line}\n")


def summary(path, modules=40):
    """A table of the costs by module, then of the slowest tests.

    Args:
        path: The file that ``--costs`` wrote.
        modules: How many modules to list.
    """
    by_test = defaultdict(lambda: [0.0, 0.0])
    with Path(path).open() as lines:
        for line in map(json.loads, lines):
            # As in PYTEST_CURRENT_TEST, which names the phase too.
            test = line["test"].rsplit(" (", 1)[0]
            by_test[test][0] += line["wall"]
            by_test[test][1] += line["cpu"]
    by_module = defaultdict(lambda: [0, 0.0, 0.0])
    for test, (wall, cpu) in by_test.items():
        totals = by_module[test.split("::")[0]]
        totals[0] += 1
        totals[1] += wall
        totals[2] += cpu
    total_wall = sum(wall for wall, _ in by_test.values())
    total_cpu = sum(cpu for _, cpu in by_test.values())
    yield f"{'wall s':>8} {'CPU s':>8}  tests  module"
    yield f"{total_wall:8.1f} {total_cpu:8.1f} {len(by_test):6}  all"
    costliest = sorted(by_module.items(), key=lambda item: -item[1][2])
    for module, (tests, wall, cpu) in costliest[:modules]:
        yield f"{wall:8.1f} {cpu:8.1f} {tests:6}  {module}"
    yield ""
    yield f"{'wall s':>8} {'CPU s':>8}  the slowest {SLOWEST}"
    for test, (wall, cpu) in sorted(by_test.items(), key=lambda item: -item[1][1])[:SLOWEST]:
        yield f"{wall:8.1f} {cpu:8.1f}  {test}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in summary(sys.argv[1], *map(int, sys.argv[2:])))
