"""The runs of Meltano that load slices, and their states."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from signalroom_cli.backfill.limits import limits_too_low
from signalroom_cli.backfill.tap import ROOT, BackfillError, slice_environment
from signalroom_cli.meltano_command import meltano_command
from signalroom_cli.meltano_project import ENVIRONMENT_VARIABLE
from signalroom_cli.output import print_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_cli.backfill.slices import Slice
    from signalroom_cli.backfill.tap import Tap

#: The progress that a tap or the loader logs; see `signalroom_singer.progress`.
_PROGRESS = re.compile(r"\[info +\] \S+ +(\S+: .*\d rows (?:read|loaded) in .*)")
_PROGRESS_INTERVAL = 10.0


def load_slices(tap: Tap, slices: Sequence[Slice], parallel: int, streams: Sequence[str]) -> None:
    """Load slices, several at once.

    Args:
        tap: The tap to run.
        slices: The slices that this process loads.
        parallel: How many slices run at once, those that other processes load included.
        streams: The names of streams to load; empty for those that are selected.

    Raises:
        BackfillError: If a slice failed, or nothing can be loaded.
    """
    # Fails early for a tap without a date range.
    slice_environment(tap, slices[0], parallel, streams)
    if parallel < len(slices):
        print_lines(
            f"{parallel} of {len(slices)} slices run at once, so that each has a share of the "
            "limits."
        )
    if not tap.settings.has_store and (low := limits_too_low(tap.settings.limits, 1)):
        names = ", ".join(f"{limit.setting} ({tap.variable(limit.setting)})" for limit in low)
        print_lines(
            f"A slice and a scheduled run together exceed {names}: pause the schedule meanwhile."
        )
    # Meltano's first command creates its database, which concurrent runs would all try to do.
    _run_meltano(tap, "state", "list")
    if streams:
        _check_streams(tap, streams)
    if failed := _run_all(tap, slices, parallel, streams):
        msg = (
            f"{len(failed)} of {len(slices)} slices failed. Run the same command again: it skips "
            "the slices that were loaded, and resumes the others."
        )
        raise BackfillError(msg)


def clear_states(tap: Tap, slices: Sequence[Slice]) -> None:
    """Remove the states of slices.

    Args:
        tap: The tap that loaded them.
        slices: Slices that have all been loaded.
    """
    for slice_ in slices:
        state_id = f"{tap.environment}:{tap.name}-to-target-postgres:{slice_.suffix}"
        _run_meltano(tap, "state", "clear", "--force", state_id)


def read_progress(log: Path) -> str:
    """The last progress that a run has logged; empty if there is none yet.

    Args:
        log: The file with Meltano's log.
    """
    lines: list[str] = _PROGRESS.findall(log.read_text(errors="replace"))
    return lines[-1] if lines else ""


def wait_for_run(process: subprocess.Popen[bytes], slice_: Slice, log: Path | None) -> int:
    """Wait for a run to end, and print its progress every ten seconds.

    Args:
        process: The process of Meltano.
        slice_: The days that it loads.
        log: The file with its log; None if its output is shown as it is.

    Returns:
        The exit code of the process.
    """
    while True:
        try:
            return process.wait(_PROGRESS_INTERVAL)
        except subprocess.TimeoutExpired:
            if log and (progress := read_progress(log)):
                print_lines(f"{slice_}  {progress}")


def _check_streams(tap: Tap, names: Sequence[str]) -> None:
    """Check that the tap has the streams that the user named."""
    catalog = json.loads(_run_meltano(tap, "invoke", tap.name, "--discover"))
    streams = {stream["tap_stream_id"] for stream in catalog["streams"]}
    if unknown := [name for name in names if name not in streams]:
        msg = (
            f"{tap.name} has no stream {', '.join(unknown)}; it has {', '.join(sorted(streams))}. "
            "Nothing was loaded."
        )
        raise BackfillError(msg)


def _run_all(
    tap: Tap, slices: Sequence[Slice], parallel: int, streams: Sequence[str]
) -> list[Slice]:
    """Load slices; returns those that failed."""
    # The output of a single slice is not redirected: a user or an orchestrator reads it.
    has_log = len(slices) > 1
    with ThreadPoolExecutor(min(parallel, len(slices))) as pool:
        runs = [pool.submit(_run, tap, each, parallel, streams, has_log) for each in slices]
        try:
            codes = [run.result() for run in runs]
        except BaseException:
            # The runs under way got the interrupt, too.
            pool.shutdown(cancel_futures=True)
            raise
    return [slice_ for slice_, code in zip(slices, codes, strict=True) if code]


def _run(tap: Tap, slice_: Slice, parallel: int, streams: Sequence[str], has_log: bool) -> int:  # noqa: FBT001
    env = slice_environment(tap, slice_, parallel, streams)
    folder = Path(env[ROOT])
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "run.log" if has_log else None
    with log.open("w") if log else nullcontext() as file:
        process = subprocess.Popen(  # noqa: S603 - this project's Meltano
            meltano_command(
                *(tap.name, "run", f"--state-id-suffix={slice_.suffix}"),
                *(tap.name, "target-postgres"),
            ),
            cwd=tap.folder,
            env=os.environ | env,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        code = wait_for_run(process, slice_, log)
    if code == 0:
        print_lines(f"{slice_}  loaded")
    elif log:
        print_lines(f"{slice_}  FAILED: see {log}", *_errors(log))
    else:
        print_lines(f"{slice_}  FAILED")
    return code


def _errors(log: Path) -> list[str]:
    """The errors in a log, else its last lines; indented."""
    lines = log.read_text().splitlines()
    errors = [line for line in lines if "[error" in line]
    return [f"    {line}" for line in errors or lines[-5:]]


def _run_meltano(tap: Tap, *arguments: str) -> str:
    completed = subprocess.run(  # noqa: S603 - this project's Meltano
        meltano_command(tap.name, *arguments),
        cwd=tap.folder,
        env=os.environ | {ENVIRONMENT_VARIABLE: tap.environment},
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    if completed.returncode:
        msg = f"`meltano {' '.join(arguments)}` failed:\n{completed.stderr or completed.stdout}"
        raise BackfillError(msg)
    return completed.stdout
