"""The benchmarks run, and check what they loaded."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from e2e import ROOT, clean_env

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", ("load-batch", "pipe", "files-growth", "events", "contacts"))
def test_a_benchmark_runs(name):
    done = subprocess.run(
        [sys.executable, ROOT / "bench/run.py", "--quick", name],
        capture_output=True,
        text=True,
        check=False,
        env=clean_env(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        "plain COPY|stock target|6 files|queries a minute|the pages alone", done.stdout
    )


def test_the_large_one_runs_small():
    done = subprocess.run(
        [sys.executable, ROOT / "bench/large.py", "--quick", "events"],
        capture_output=True,
        text=True,
        check=False,
        env=clean_env(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5,000 events" in done.stdout
