"""What the benchmarks share: measuring programs, and their results."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
MEMORY = 300  # MB
QUICK = 100  # times less, for a smoke test
#: Without the variables that importing the target's package sets in this process.
SURROUNDINGS = {
    name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"
}


@dataclass
class Job:
    """A run of the benchmarks."""

    folder: Path
    quick: bool = False

    def count(self, number: int) -> int:
        """The number of rows, reduced in a smoke test."""
        return max(1, number // QUICK) if self.quick else number


def timed(command, env=None, stdin=None) -> tuple[float, float]:
    """Run a command, and return its seconds and its peak memory in MB."""
    return piped([command], env, stdin)


def piped(commands, env=None, stdin=None) -> tuple[float, float]:
    """Run commands in a pipe, and return the seconds and the highest peak memory in MB."""
    seconds, peaks = piped_each(commands, env, stdin)
    return seconds, max(peaks)


def piped_each(commands, env=None, stdin=None) -> tuple[float, list[float]]:
    """Run commands in a pipe, and return the seconds and the peak memory of each in MB."""
    with ExitStack() as stack:
        complaints = stack.enter_context(tempfile.TemporaryFile())
        source = stack.enter_context(Path(stdin or os.devnull).open("rb"))
        began = time.monotonic()
        running = []
        for command in commands:
            last = command is commands[-1]
            process = subprocess.Popen(
                command,
                env=SURROUNDINGS | (env or {}),
                stdin=source,
                stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                stderr=complaints,
            )
            # Only the reader keeps it, so that the writer notices when the reader ends.
            source.close()
            source = process.stdout
            running.append(process)
        codes, peaks = [], []
        for process in reversed(running):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            codes.insert(0, process.returncode)
            peaks.insert(0, usage.ru_maxrss / 1024)
        seconds = time.monotonic() - began
        for command, code in zip(commands, codes, strict=True):
            if code:
                complaints.seek(0)
                said = complaints.read().decode(errors="replace")[-2_000:]
                sys.exit(f"{said}\n{' '.join(map(str, command))} failed ({code})")
    return seconds, peaks


def cpu_seconds(command, env=None, stdin=None) -> float:
    """Run a command without its output, and return its CPU seconds (user and system)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    timed(command, env, stdin)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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


def growth(name, large, small, peak, *, budget=11):
    """A line with the ratio of two durations, for which less is better."""
    return result(name, large, small, peak, budget=budget) | {"ratio": round(large / small[1], 2)}


def within(line) -> bool:
    """Whether a result is within its budgets for ratio and memory."""
    grows = line["name"].startswith("growth")
    enough = line["ratio"] <= line["budget"] if grows else line["ratio"] >= line["budget"]
    return enough and line["peak_mb"] <= MEMORY
