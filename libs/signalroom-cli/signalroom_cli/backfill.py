"""Load a range of days of one tap again, in slices side by side, apart from the hourly state.

``signalroom backfill tap-everflow--acme 2025-01-01 2025-12-31 --slices=4``. Each slice is a
run of Meltano's with a state of its own (``--state-id-suffix``) and a working folder of its own,
as Meltano keeps one catalog by tap. Rows are merged by key. A slice that fails is gone on with when
the command is called again; once all are through, their states are removed.

The vendor's limits are shared out: with four slices each asks a quarter as often.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from signalroom_cli.folders import ProjectFileError, project_folder, read_project_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MELTANO = Path(sys.executable).parent / "meltano"
#: The settings of a tap that say the first and the last day.
_DAYS = (("start_date", "end_date"), ("file_date_from", "file_date_to"))
_SHARED_OUT = ("requests_per_", "reads_per_", "max_concurrency")
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
        settings: By name, with their defaults.
        environ: What its runs would see: the environment, and ``.env``.
        folder: The project's.
    """

    name: str
    settings: dict[str, object]
    environ: dict[str, str]
    folder: Path

    @property
    def prefix(self) -> str:
        """Of its variables."""
        return self.name.replace("--", "__").replace("-", "_").upper()

    def variable(self, setting: str) -> str:
        """The variable of a setting."""
        return f"{self.prefix}_{setting.upper()}"


def read_tap(name: str, folder: Path) -> Tap:
    """Read what the project says of a tap, or of the one that it inherits from.

    Args:
        name: The tap's.
        folder: The project's.

    Raises:
        BackfillError: If there is no such tap.
        ProjectFileError: If a file of the project cannot be read.
    """
    project = read_project_file(folder / "meltano.yml")
    found = {one["name"]: one for one in project["plugins"]["extractors"]}
    for path in sorted((folder / "clients").glob("*.yml")):
        plugins = read_project_file(path).get("plugins", {})
        found |= {one["name"]: one for one in plugins.get("extractors", ())}
    one = found.get(name)
    if one is None:
        msg = f"There is no {name}; there are {', '.join(sorted(found))}."
        raise BackfillError(msg)
    declared = found[one.get("inherit_from", name)]["settings"]
    settings = {setting["name"]: setting.get("value") for setting in declared}
    given = {key: value for key, value in dotenv_values(folder / ".env").items() if value}
    # The state is where it always is, though slices have folders of their own.
    environ = {_ROOT: str(folder / ".meltano")} | given | os.environ
    database = project.get("database_uri") or f"sqlite:///{Path(environ[_ROOT]) / 'meltano.db'}"
    environ.setdefault(_DATABASE, database)
    return Tap(name, settings | (one.get("config") or {}), environ, folder)


def environment(tap: Tap, part: Slice, count: int, streams: Sequence[str] = ()) -> dict[str, str]:
    """What a slice's run is told besides.

    Args:
        tap: Which one.
        part: The slice.
        count: How many run at once.
        streams: Only these, if any are named.

    Raises:
        BackfillError: If the tap does not read by days, or a limit is not a number.
    """
    days = next((pair for pair in _DAYS if {*pair} <= {*tap.settings}), None)
    if days is None:
        msg = f"{tap.name} does not read by days: run it with --full-refresh instead."
        raise BackfillError(msg)
    env = {
        tap.variable(days[0]): part.first.isoformat(),
        tap.variable(days[1]): part.last.isoformat(),
        _ROOT: str(Path(tap.environ[_ROOT]) / "backfill" / tap.name / part.suffix),
        _DATABASE: tap.environ[_DATABASE],
        # Also said to the loader, so that its log has these runs by themselves.
        _SUFFIX: part.suffix,
    }
    for name, value in tap.settings.items():
        given = tap.environ.get(tap.variable(name), value)
        if name.startswith(_SHARED_OUT) and given is not None:
            env[tap.variable(name)] = _shared(tap.variable(name), str(given), count)
    if streams:
        env[f"{tap.prefix}__SELECT"] = json.dumps([f"{name}.*" for name in streams])
    return env


def _shared(variable: str, limit: str, count: int) -> str:
    try:
        return str(max(1, int(float(limit)) // count))
    except (ValueError, OverflowError):
        msg = f"Invalid {variable} {limit!r}: expected a number."
        raise BackfillError(msg) from None


def run(tap: Tap, parts: Sequence[Slice], count: int, streams: Sequence[str]) -> list[Slice]:
    """Load slices, all at once; gives those that failed.

    Args:
        tap: Which one.
        parts: Which.
        count: How many share the vendor's limits; those that others run too.
        streams: Only these, if any are named.
    """
    running = {}
    for part in parts:
        env = environment(tap, part, count, streams)
        log = Path(env[_ROOT]) / "run.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        # One alone is watched: by a person, or by an orchestrator that shows what it prints.
        with log.open("w") if len(parts) > 1 else nullcontext() as file:
            running[part] = (
                log,
                subprocess.Popen(  # noqa: S603 - this project's Meltano
                    [
                        *(MELTANO, "run", f"--state-id-suffix={part.suffix}"),
                        *(tap.name, "target-postgres"),
                    ],
                    cwd=tap.folder,
                    env=os.environ | env,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                ),
            )
    failed = []
    watched = {part: log for part, (log, _) in running.items()} if len(parts) > 1 else {}
    for part, (log, process) in running.items():
        code = _ended(process, watched)
        watched.pop(part, None)
        where = f"FAILED: see {log}" if len(parts) > 1 else "FAILED"
        _say(f"{part.first} to {part.last}  {'loaded' if code == 0 else where}")
        if code:
            failed.append(part)
        if code and len(parts) > 1:
            lines = log.read_text().splitlines()
            errors = [line for line in lines if "[error" in line] or lines[-5:]
            _say("    " + "\n    ".join(errors))
    return failed


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
    parts = slices(asked.first, asked.last, asked.slices)
    if asked.only is not None and not 0 <= asked.only < len(parts):
        parser.error(f"There are slices 0 to {len(parts) - 1}.")
    began = time.monotonic()
    try:
        tap = read_tap(asked.tap, asked.folder.resolve())
        if asked.plan:
            environment(tap, parts[0], len(parts))
            _say(json.dumps([*range(len(parts))]))
            return 0
        if not asked.finish:
            load(tap, parts if asked.only is None else [parts[asked.only]], len(parts), streams)
        if asked.only is not None:
            return 0
        finish(tap, parts)
    except (BackfillError, ProjectFileError) as error:
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
        count: How many there are in all.
        streams: Only these, if any are named.

    Raises:
        BackfillError: If one failed.
    """
    # Meltano makes its database when it first runs, which several at once would do twice.
    _meltano(tap, "state", "list")
    if failed := run(tap, parts, count, streams):
        msg = (
            f"{len(failed)} of {len(parts)} slices failed. Call the same again: those that were "
            "loaded are left out, the others go on where they stopped."
        )
        raise BackfillError(msg)


def finish(tap: Tap, parts: Sequence[Slice]) -> None:
    """Remove the states of slices that are all through.

    Args:
        tap: Which one.
        parts: Its slices.
    """
    name = tap.environ.get("MELTANO_ENVIRONMENT", "dev")
    for part in parts:
        state_id = f"{name}:{tap.name}-to-target-postgres:{part.suffix}"
        _meltano(tap, "state", "clear", "--force", state_id)


def _meltano(tap: Tap, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - this project's Meltano
        [MELTANO, *arguments],
        cwd=tap.folder,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    if done.returncode:
        msg = f"`meltano {' '.join(arguments)}` failed:\n{done.stderr or done.stdout}"
        raise BackfillError(msg)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
