"""Compare this checkout with an earlier commit, in turns: ``before.py REV``.

    .venv/bin/python bench/before.py main --runs 5
    .venv/bin/python bench/before.py main files --runs 5
    .venv/bin/python bench/before.py main small-files --runs 3
    .venv/bin/python bench/before.py main taps --runs 5

The commit is checked out and installed in a temporary folder. Both load the same records and
batches, or the same files from S3 by tap and loader, into databases of the same server, one after
the other; each line has the medians, and the ratio of the earlier one's seconds to this one's, pair
by pair: more than 1 is faster than before. ``taps`` has each HTTP tap write its largest stream as
RECORD messages, without a loader, and compares CPU seconds: how long it takes is the rate limit's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import files
import loader
from measure import BIN, HERE, Job, cpu_seconds, piped
from vendors import catalog, sandbox

ROWS = {
    ("wide", "records"): loader.WIDE,
    ("narrow", "records"): loader.NARROW,
    ("wide", "batch"): loader.WIDE,
}
PROJECT = HERE.parent
STREAMS = {  # by tap, the stream with most columns or the deepest JSON
    "tap-everflow": "conversions",
    "tap-mautic": "contacts",
    "tap-posthog": "events",
    "tap-redtrack": "conversions",
}
WHAT = ("loader", "files", "small-files", "taps")
SCALE, CONTACTS = 8, 10_000  # of the mock vendors' data


@dataclass
class Earlier(loader.Target):
    """The loader of another checkout."""

    folder: Path = Path()

    def command(self, database, folder: Path) -> list:
        """The command that loads into a database."""
        program, *options = super().command(database, folder)
        return [self.folder / ".venv" / "bin" / Path(program).name, *options]


@contextmanager
def checkout(revision: str):
    """A commit's files with their environment, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="signalroom-before-") as folder:
        place = Path(folder) / "project"
        git = ["git", "-C", PROJECT, "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", place, revision], check=True)
        try:
            subprocess.run(["make", "--silent", "-C", place, "setup"], check=True)
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", place], check=True)


def compile_modules(*projects: Path) -> None:
    """Compile the packages of checkouts, so that no program compiles a module while it is timed."""
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for project in projects:
        folders = [project / name for name in ("libs", "sandbox", "taps", "targets")]
        command = [project / ".venv/bin/python", "-m", "compileall", "-q", *folders]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def alternately(runs: int):
    """The order of two: which of them begins alternates."""
    for run in range(runs):
        yield from (0, 1) if run % 2 else (1, 0)


def compare(job: Job, targets, shape: str, form: str, runs: int):
    """Load with each target in turns, and return what each took for each load."""
    rows = job.count(ROWS[shape, form])
    sources = [loader.written(job.folder, shape, rows, form, revision) for revision in (0, 1)]
    measured = {load: ([], []) for load in loader.LOADS}
    for which in alternately(runs):
        with loader.new_database() as database:
            for load, source in zip(loader.LOADS, sources, strict=True):
                took = loader.loaded(targets[which], database, source, form, job.folder)
                loader.check(database, json.loads((source / "about.json").read_text()))
                measured[load][which].append(took)
    return measured


def compare_files(job: Job, targets, folders, runs: int):
    """Load files from S3 with each pair of tap and target in turns, and return what each took."""
    with files.store() as bucket:
        expected = bucket.fill(files.FILES, job.count(files.ROWS))
        return load_in_turns(job, targets, folders, runs, (bucket, expected))


def compare_small_files(job: Job, targets, folders, runs: int):
    """The same with many small files of a store that is slow to answer."""
    size = job.count(files.SMALL), files.SMALL_ROWS, files.LATENCY
    with files.slow_store(*size) as (bucket, expected, _):
        return load_in_turns(job, targets, folders, runs, (bucket, expected))


def load_in_turns(job: Job, targets, folders, runs: int, filled):
    """Load a bucket with each pair of tap and target in turns, and return what each took."""
    (bucket, expected), measured = filled, ([], [])
    for which in alternately(runs):
        with loader.new_database() as database:
            program, *options = bucket.tap(job.folder)
            tap = [folders[which] / program.name, *options]
            took = piped([tap, targets[which].command(database, job.folder)])
            files.check(database, expected)
            measured[which].append(took)
    return measured


def compare_taps(job: Job, folders, runs: int):
    """Run each tap of both versions in turns, and yield its stream and the CPU seconds of each."""
    with sandbox(scale=job.count(SCALE)) as (env, control):
        control.mautic.make_contacts(count=job.count(CONTACTS), fields=36)
        for tap, stream in STREAMS.items():
            measured = ([], [])
            for which in alternately(runs):
                # Each version needs its own catalog, as streams differ.
                folder = job.folder / f"{tap}-{which}"
                folder.mkdir(exist_ok=True)
                chosen = catalog(folders[which] / tap, stream, folder, env)
                command = [folders[which] / tap, "--config=ENV", "--catalog", chosen]
                measured[which].append((cpu_seconds(command, env), 0))
            yield f"{tap} {stream}, CPU", measured


def show(name: str, now, before) -> None:
    """Print a line with the median of both, and the ratios of pairs."""
    ratios = sorted(old / new for (new, _), (old, _) in zip(now, before, strict=True))
    (seconds, peak), (old_seconds, old_peak) = loader.usual(now), loader.usual(before)
    print(
        f"{name:34} {seconds:6.2f} s {old_seconds:6.2f} s"
        f" {median(ratios):6.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        f" {peak:7.0f} {old_peak:7.0f}",
        flush=True,
    )


def main() -> None:
    """Compare, and print a line for each load."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("revision")
    parser.add_argument("what", nargs="?", default="loader", choices=WHAT)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few rows, to try it")
    given = parser.parse_args()
    with (
        checkout(given.revision) as place,
        tempfile.TemporaryDirectory(prefix="signalroom-bench-") as folder,
    ):
        job = Job(Path(folder), given.quick)
        targets = loader.OURS, Earlier(loader.OURS.program, folder=place)
        folders = BIN, place / ".venv" / "bin"
        compile_modules(PROJECT, place)
        print(f"{'':34} {'now':>8} {'before':>8} {'ratio':>20} {'MB now':>7} {'before':>7}")
        if given.what == "files":
            show("files from S3", *compare_files(job, targets, folders, given.runs))
            return
        if given.what == "small-files":
            show("small files", *compare_small_files(job, targets, folders, given.runs))
            return
        if given.what == "taps":
            for name, (now, before) in compare_taps(job, folders, given.runs):
                show(name, now, before)
            return
        for shape, form in ROWS:
            measured = compare(job, targets, shape, form, given.runs)
            for load, (now, before) in measured.items():
                show(f"{shape} {form}, {load}", now, before)


if __name__ == "__main__":
    sys.exit(main())
