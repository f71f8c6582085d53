"""Load a range of days of one tap again, in slices side by side, apart from the hourly state.

``signalroom backfill tap-everflow--acme 2025-01-01 2025-12-31 --slices=4``. Each slice is a
run of Meltano's with a state of its own (``--state-id-suffix``) and a working folder of its own,
as Meltano keeps one catalog by tap. Rows are merged by key. A slice that fails is gone on with when
the command is called again; once all are through, their states are removed.

Limits of the vendor's account are for all runs together. With ``rate_limit_store`` the runs keep
them so. Without it, each of four slices takes a fifth, as a scheduled run goes on meanwhile; where
that is less than one, fewer slices run at once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from signalroom_cli.folders import ProjectFileError, project_folder, read_project_file
from signalroom_cli.limits import TapSettings, at_once, read_settings, shares, too_low
from signalroom_cli.meltanocommand import command_about
from signalroom_cli.meltanoproject import ENVIRONMENT_VARIABLE, ProjectError, open_project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The settings of a tap that say the first and the last day.
_DAYS = (("start_date", "end_date"), ("file_date_from", "file_date_to"))
_DATABASE = "MELTANO_DATABASE_URI"
_SUFFIX = "MELTANO_RUN_STATE_ID_SUFFIX"
#: Where Meltano writes; in a container the project's folder is not to be written to.
_ROOT = "MELTANO_SYS_DIR_ROOT"


class BackfillError(Exception):
    """The command cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Slice:
    """Days that one run loads, both included."""

    first: date
    last: date

    @property
    def suffix(self) -> str:
        """Of its state id."""
        return f"backfill-{self.first}-{self.last}"


def slices(first: date, last: date, count: int) -> list[Slice]:
    """Cut days into so many parts, as even as may be; fewer if there are fewer days."""
    days = (last - first).days + 1
    count = min(count, days)
    ends = [first + timedelta(days=days * number // count) for number in range(count + 1)]
    return [Slice(begin, end - timedelta(days=1)) for begin, end in pairwise(ends)]


@dataclass(frozen=True)
class Tap:
    """What is known of a tap before its runs.

    Attributes:
        name: The plugin's.
        settings: As its runs would have them.
        environ: What its runs would see: the environment, and ``.env``.
        folder: The project's.
        environment: Meltano's.
    """

    name: str
    settings: TapSettings
    environ: dict[str, str]
    folder: Path
    environment: str

    @property
    def prefix(self) -> str:
        """Of its variables."""
        return self.name.replace("--", "__").replace("-", "_").upper()

    def variable(self, setting: str) -> str:
        """The variable of a setting."""
        return f"{self.prefix}_{setting.upper()}"

    def at_once(self, count: int) -> int:
        """How many of so many slices can run at once."""
        return count if self.settings.has_store else at_once(self.settings.limits, count)


def read_tap(name: str, folder: Path, environment: str = "") -> Tap:
    """Read what the project says of a tap, and of the one that it inherits from.

    Args:
        name: The tap's.
        folder: The project's.
        environment: Meltano's, in place of the one that a command without a name has.

    Raises:
        BackfillError: If there is no environment, whose name the states have.
        ProjectError: If there is no such tap, or a setting cannot be read.
        ProjectFileError: If a file of the project cannot be read.
    """
    in_project = read_project_file(folder / "meltano.yml")
    project = open_project(folder, environment)
    if project.environment is None:
        msg = (
            "A backfill needs a Meltano environment, whose name its states have. Name one with "
            "--environment or MELTANO_ENVIRONMENT, or set default_environment in meltano.yml."
        )
        raise BackfillError(msg)
    settings = read_settings(project, name)
    in_file = {key: value for key, value in project.dotenv_env.items() if value}
    # The state is where it always is, though slices have folders of their own.
    environ = {_ROOT: str(folder / ".meltano")} | in_file | os.environ
    local = f"sqlite:///{Path(environ[_ROOT]) / 'meltano.db'}"
    database = in_project.get("database_uri") or local
    environ.setdefault(_DATABASE, database)
    return Tap(name, settings, environ, folder, project.environment.name)


def environment(tap: Tap, part: Slice, count: int, streams: Sequence[str] = ()) -> dict[str, str]:
    """What a slice's run is told besides.

    Args:
        tap: Which one.
        part: The slice.
        count: How many run at once.
        streams: Only these, if any are named.

    Raises:
        BackfillError: If the tap does not read by days.
    """
    days = next((pair for pair in _DAYS if {*pair} <= tap.settings.names), None)
    if days is None:
        msg = f"{tap.name} does not read by days: run it with --full-refresh instead."
        raise BackfillError(msg)
    env = {
        tap.variable(days[0]): part.first.isoformat(),
        tap.variable(days[1]): part.last.isoformat(),
        _ROOT: str(Path(tap.environ[_ROOT]) / "backfill" / tap.name / part.suffix),
        _DATABASE: tap.environ[_DATABASE],
        ENVIRONMENT_VARIABLE: tap.environment,
        # Also said to the loader, so that its log has these runs by themselves.
        _SUFFIX: part.suffix,
    }
    if not tap.settings.has_store:
        for name, share in shares(tap.settings.limits, count).items():
            env[tap.variable(name)] = share
    if streams:
        env[f"{tap.prefix}__SELECT"] = json.dumps([f"{name}.*" for name in streams])
    return env


def run(tap: Tap, parts: Sequence[Slice], count: int, streams: Sequence[str]) -> list[Slice]:
    """Load slices; gives those that failed.

    Args:
        tap: Which one.
        parts: Which.
        count: How many run at once, and share the account's limits; those that others run too.
        streams: Only these, if any are named.
    """
    # One alone is watched: by a person, or by an orchestrator that shows what it prints.
    has_log = len(parts) > 1
    with ThreadPoolExecutor(min(count, len(parts))) as pool:
        runs = [pool.submit(_load, tap, part, count, streams, has_log) for part in parts]
        try:
            codes = [run.result() for run in runs]
        except BaseException:
            # Those under way were interrupted too.
            pool.shutdown(cancel_futures=True)
            raise
    return [part for part, code in zip(parts, codes, strict=True) if code]


def _load(tap: Tap, part: Slice, count: int, streams: Sequence[str], has_log: bool) -> int:  # noqa: FBT001
    env = environment(tap, part, count, streams)
    log = Path(env[_ROOT]) / "run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") if has_log else nullcontext() as file:
        process = subprocess.Popen(  # noqa: S603 - this project's Meltano
            command_about(
                *(tap.name, "run", f"--state-id-suffix={part.suffix}"),
                *(tap.name, "target-postgres"),
            ),
            cwd=tap.folder,
            env=os.environ | env,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        code = _ended(process, {part: log} if has_log else {})
    where = f"FAILED: see {log}" if has_log else "FAILED"
    lines = [f"{part.first} to {part.last}  {'loaded' if code == 0 else where}"]
    if code and has_log:
        logged = log.read_text().splitlines()
        errors = [line for line in logged if "[error" in line] or logged[-5:]
        lines += [f"    {line}" for line in errors]
    _say("\n".join(lines))
    return code


#: What a tap or the loader says of long work; see `signalroom_singer.progress`.
_PROGRESS = re.compile(r"\[info +\] \S+ +(?P<said>\S+: .*\d rows (?:read|loaded) in .*)")
_EVERY_SECONDS = 10.0


def _ended(process: subprocess.Popen[bytes], logs: Mapping[Slice, Path]) -> int:
    """Wait for a run, and say every ten seconds how far all are; gives its exit code."""
    while True:
        try:
            return process.wait(_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            for part, log in logs.items():
                if said := progress(log):
                    _say(f"{part.first} to {part.last}  {said}")


def progress(log: Path) -> str:
    """How far a run is.

    Args:
        log: What Meltano logged so far.

    Returns:
        The last line that says so; nothing if none does.
    """
    found = [one["said"] for one in _PROGRESS.finditer(log.read_text(errors="replace"))]
    return found[-1] if found else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 1 if a chunk failed.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom backfill",
        description="Load a date range in parallel chunks, without touching the bookmark.",
    )
    parser.add_argument("tap")
    parser.add_argument("first", type=_day, metavar="FROM")
    parser.add_argument("last", type=_day, metavar="TO")
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--streams", default="", help="with commas; all that are selected if none")
    parser.add_argument("--environment", default="", help="Meltano's, if not the default one")
    parser.add_argument("--folder", type=Path, default=project_folder(), help="the project's")
    # One step of it, for an orchestrator that does each by itself.
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--plan", action="store_true", help="print the slices' numbers as JSON")
    step.add_argument("--only", type=int, metavar="NUMBER", help="load this slice")
    step.add_argument("--finish", action="store_true", help="remove the slices' states")
    asked = parser.parse_args(arguments)
    streams = [name.strip() for name in asked.streams.split(",") if name.strip()]
    if asked.last < asked.first or asked.slices < 1:
        parser.error("TO comes after FROM, and there is at least one slice.")
    # In the time zone that is furthest ahead it may be tomorrow already.
    if asked.last > datetime.now(UTC).date() + timedelta(days=1):
        parser.error(f"TO ({asked.last}) is in the future: nothing of it can be loaded yet.")
    parts = slices(asked.first, asked.last, asked.slices)
    if asked.only is not None and not 0 <= asked.only < len(parts):
        parser.error(f"There are slices 0 to {len(parts) - 1}.")
    began = time.monotonic()
    try:
        tap = read_tap(asked.tap, asked.folder.resolve(), asked.environment)
        if asked.plan:
            environment(tap, parts[0], len(parts))
            check_limits(tap, len(parts))
            _say(json.dumps([*range(len(parts))]))
            return 0
        if asked.only is not None:
            check_limits(tap, len(parts))
            load(tap, [parts[asked.only]], len(parts), streams)
        elif not asked.finish:
            load(tap, parts, tap.at_once(len(parts)), streams)
        if asked.only is not None:
            return 0
        finish(tap, parts)
    except (BackfillError, ProjectError, ProjectFileError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say(f"{len(parts)} slices in {time.monotonic() - began:.0f} s; the hourly state is as it was.")
    return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = (
            f"{text!r} is not a date such as 2025-01-31. Say which tap and which days: signalroom "
            "backfill tap-everflow 2025-01-01 2025-12-31, or make backfill TAP=tap-everflow "
            "FROM=2025-01-01 TO=2025-12-31"
        )
        raise argparse.ArgumentTypeError(msg) from None


def load(tap: Tap, parts: Sequence[Slice], count: int, streams: Sequence[str]) -> None:
    """Load slices.

    Args:
        tap: Which one.
        parts: Which.
        count: How many run at once; those that others run too.
        streams: Only these, if any are named.

    Raises:
        BackfillError: If one failed.
    """
    environment(tap, parts[0], count, streams)
    if count < len(parts):
        _say(f"{count} of {len(parts)} slices run at once, so that each has a share of the limits.")
    if not tap.settings.has_store and (low := too_low(tap.settings.limits, 1)):
        names = ", ".join(f"{limit.setting} ({tap.variable(limit.setting)})" for limit in low)
        _say(f"A slice and a scheduled run together exceed {names}: pause the schedule meanwhile.")
    # Meltano makes its database when it first runs, which several at once would do twice.
    _meltano(tap, "state", "list")
    if streams:
        check_streams(tap, streams)
    if failed := run(tap, parts, count, streams):
        msg = (
            f"{len(failed)} of {len(parts)} slices failed. Call the same again: those that were "
            "loaded are left out, the others go on where they stopped."
        )
        raise BackfillError(msg)


def check_streams(tap: Tap, names: Sequence[str]) -> None:
    """See that a tap has the streams that are to be loaded again.

    Args:
        tap: The tap to discover the streams of.
        names: The streams' names, as the user has written them.

    Raises:
        BackfillError: If it does not have one, or they cannot be listed.
    """
    catalog = json.loads(_meltano(tap, "invoke", tap.name, "--discover"))
    streams = {stream["tap_stream_id"] for stream in catalog["streams"]}
    if unknown := [name for name in names if name not in streams]:
        msg = (
            f"{tap.name} has no stream {', '.join(unknown)}; it has {', '.join(sorted(streams))}. "
            "Nothing was loaded."
        )
        raise BackfillError(msg)


def check_limits(tap: Tap, count: int) -> None:
    """See that slices that an orchestrator runs, as many at once as it likes, keep the limits.

    Requests under way at once are left to its pools.

    Args:
        tap: Which one.
        count: How many slices there are.

    Raises:
        BackfillError: If there are too many.
    """
    rates = [limit for limit in tap.settings.limits if limit.is_rate]
    if tap.settings.has_store or (most := at_once(rates, count)) == count:
        return
    names = ", ".join(f"{limit.setting} ({limit.value:g})" for limit in too_low(rates, count))
    msg = (
        f"{count} slices cannot share {names}: use {most}, or set SIGNALROOM_RATE_LIMIT_STORE, so "
        "that all runs count their requests together."
    )
    raise BackfillError(msg)


def finish(tap: Tap, parts: Sequence[Slice]) -> None:
    """Remove the states of slices that are all through.

    Args:
        tap: Which one.
        parts: Its slices.
    """
    for part in parts:
        state_id = f"{tap.environment}:{tap.name}-to-target-postgres:{part.suffix}"
        _meltano(tap, "state", "clear", "--force", state_id)


def _meltano(tap: Tap, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - this project's Meltano
        command_about(tap.name, *arguments),
        cwd=tap.folder,
        env=os.environ | {ENVIRONMENT_VARIABLE: tap.environment},
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    if done.returncode:
        msg = f"`meltano {' '.join(arguments)}` failed:\n{done.stderr or done.stdout}"
        raise BackfillError(msg)
    return done.stdout


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
