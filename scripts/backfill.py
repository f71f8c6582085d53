"""Load a range of days of one tap again, in slices side by side, apart from the hourly state.

``make backfill TAP=tap-everflow--acme FROM=2025-01-01 TO=2025-12-31 SLICES=4``. Each slice is a
run of Meltano's with a state of its own (``--state-id-suffix``) and a working folder of its own,
as Meltano keeps one catalog by tap. Rows are merged by key. A slice that fails is gone on with when
the command is called again; once all are through, their states are removed.

The vendor's limits are shared out: with four slices each asks a quarter as often.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from ruamel.yaml import YAML

MELTANO = Path(sys.executable).parent / "meltano"
#: The settings of a tap that say the first and the last day.
_DAYS = (("start_date", "end_date"), ("file_date_from", "file_date_to"))
_SHARED_OUT = ("requests_per_", "reads_per_", "max_concurrency")


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


def settings_of(tap: str, folder: Path) -> dict[str, object]:
    """The settings of a tap, or of the one that it inherits from, with their defaults.

    Args:
        tap: Its name.
        folder: The project's.

    Raises:
        BackfillError: If there is no such tap.
    """
    yaml = YAML(typ="safe")
    found = {}
    for path in (folder / "meltano.yml", *sorted((folder / "clients").glob("*.yml"))):
        plugins = (yaml.load(path) or {}).get("plugins", {})
        found |= {one["name"]: one for one in plugins.get("extractors", ())}
    one = found.get(tap)
    if one is None:
        msg = f"There is no {tap}; there are {', '.join(sorted(found))}."
        raise BackfillError(msg)
    declared = found[one.get("inherit_from", tap)]["settings"]
    return {setting["name"]: setting.get("value") for setting in declared}


def environment(tap: str, part: Slice, count: int, folder: Path) -> dict[str, str]:
    """What a slice's run is told besides.

    Args:
        tap: Its name.
        part: The slice.
        count: How many run at once.
        folder: The project's.

    Raises:
        BackfillError: If the tap does not read by days.
    """
    settings = settings_of(tap, folder)
    days = next((pair for pair in _DAYS if {*pair} <= {*settings}), None)
    if days is None:
        msg = f"{tap} does not read by days: run it with --full-refresh instead."
        raise BackfillError(msg)
    prefix = tap.replace("--", "__").replace("-", "_").upper()
    env = {
        f"{prefix}_{days[0].upper()}": part.first.isoformat(),
        f"{prefix}_{days[1].upper()}": part.last.isoformat(),
        "MELTANO_SYS_DIR_ROOT": str(folder / ".meltano" / "backfill" / tap / part.suffix),
    }
    # The state is where it always is.
    database = f"sqlite:///{folder / '.meltano' / 'meltano.db'}"
    env["MELTANO_DATABASE_URI"] = os.environ.get("MELTANO_DATABASE_URI", database)
    for name, value in settings.items():
        given = os.environ.get(f"{prefix}_{name.upper()}", value)
        if name.startswith(_SHARED_OUT) and given is not None:
            env[f"{prefix}_{name.upper()}"] = str(max(1, int(float(str(given))) // count))
    return env


def run(tap: str, parts: list[Slice], streams: list[str], folder: Path) -> list[Slice]:
    """Load slices, all at once; gives those that failed.

    Args:
        tap: Which one.
        parts: Which.
        streams: Only these, if any are named.
        folder: The project's.
    """
    prefix = tap.replace("--", "__").replace("-", "_").upper()
    select = {f"{prefix}__SELECT": str([f"{name}.*" for name in streams]).replace("'", '"')}
    running = {}
    for part in parts:
        env = environment(tap, part, len(parts), folder)
        log = Path(env["MELTANO_SYS_DIR_ROOT"]) / "run.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            running[part] = (
                log,
                subprocess.Popen(  # noqa: S603 - this project's Meltano
                    [MELTANO, "run", f"--state-id-suffix={part.suffix}", tap, "target-postgres"],
                    cwd=folder,
                    env=os.environ | env | (select if streams else {}),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                ),
            )
    failed = []
    for part, (log, process) in running.items():
        code = process.wait()
        _say(f"{part.first} to {part.last}  {'loaded' if code == 0 else f'FAILED: see {log}'}")
        if code:
            failed.append(part)
            lines = log.read_text().splitlines()
            errors = [line for line in lines if "[error" in line] or lines[-5:]
            _say("    " + "\n    ".join(errors))
    return failed


def main() -> int:
    """Run the command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tap")
    parser.add_argument("first", type=date.fromisoformat, metavar="FROM")
    parser.add_argument("last", type=date.fromisoformat, metavar="TO")
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--streams", default="", help="with commas; all that are selected if none")
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    streams = [name.strip() for name in asked.streams.split(",") if name.strip()]
    if asked.last < asked.first or asked.slices < 1:
        parser.error("TO comes after FROM, and there is at least one slice.")
    parts = slices(asked.first, asked.last, asked.slices)
    began = time.monotonic()
    try:
        load(asked.tap, parts, streams, folder)
    except BackfillError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say(f"{len(parts)} slices in {time.monotonic() - began:.0f} s; the hourly state is as it was.")
    return 0


def load(tap: str, parts: list[Slice], streams: list[str], folder: Path) -> None:
    """Load slices, and remove their states once all are through.

    Args:
        tap: Which one.
        parts: Which.
        streams: Only these, if any are named.
        folder: The project's.

    Raises:
        BackfillError: If one failed.
    """
    # Meltano makes its database when it first runs, which several at once would do twice.
    _meltano(folder, "state", "list")
    if failed := run(tap, parts, streams, folder):
        msg = (
            f"{len(failed)} of {len(parts)} slices failed. Call the same again: those that were "
            "loaded are left out, the others go on where they stopped."
        )
        raise BackfillError(msg)
    environment_name = os.environ.get("MELTANO_ENVIRONMENT", "dev")
    for part in parts:
        state_id = f"{environment_name}:{tap}-to-target-postgres:{part.suffix}"
        _meltano(folder, "state", "clear", "--force", state_id)


def _meltano(folder: Path, *arguments: str) -> None:
    subprocess.run(  # noqa: S603 - this project's Meltano
        [MELTANO, *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
