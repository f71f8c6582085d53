"""``make compat-targets``: each tap into other targets than this project's, with the same rows.

Each tap reads the sandbox once, without Meltano and with its default settings. Its output goes into
the project's loader and into each other target, for which ``uvx`` creates a separate environment.
Every value of every row must then be the same, as far as the target's format can represent it.
"""

from __future__ import annotations

import argparse
import ast
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from signalroom_cli.clients import settings_of_sources
from signalroom_sandbox.server import SandboxServer
from signalroom_target_postgres.embedded import EmbeddedPostgres
from tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BIN = Path(sys.executable).parent
SOURCES = list(settings_of_sources(ROOT))
UVX = shutil.which("uvx") or str(BIN / "uvx")
#: The sources with a start date, and the number of days to read from them.
DATED, DAYS = ("everflow", "posthog", "redtrack"), 4

_DECIMAL = re.compile(r"Decimal\('([^']*)'\)")
_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")

Rows = dict[tuple[Any, ...], dict[str, Any]]


@dataclass
class TapOutput:
    """The output of a tap.

    Attributes:
        path: The file with its messages.
        columns: The columns of each stream.
        keys: The key columns of each stream.
        records: The number of records of each stream.
        batches: The number of BATCH messages.
    """

    path: Path
    columns: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    batches: int = 0

    def __post_init__(self) -> None:
        """Read the messages."""
        with self.path.open(encoding="utf-8") as file:
            for message in map(json.loads, file):
                match message["type"]:
                    case "SCHEMA":
                        properties = message["schema"]["properties"]
                        self.columns[message["stream"]] = [*properties]
                        self.keys[message["stream"]] = message["key_properties"]
                    case "RECORD":
                        self.records[message["stream"]] += 1
                    case "BATCH":
                        self.batches += 1

    def by_key(self, stream: str, rows: Iterable[Mapping[str, Any]]) -> Rows:
        """The rows by key; the last one of each key, since a file has all of them."""
        keys = self.keys[stream]
        return {tuple(part_of_key(row.get(key)) for key in keys): dict(row) for row in rows}


@dataclass
class Table:
    """The tables that a target loads."""

    server: EmbeddedPostgres
    schema: str

    def read(self, stream: str) -> list[dict[str, Any]]:
        """All rows of a stream's table, parsed from JSON."""
        query = sql.SQL("SELECT to_jsonb(rows)::text FROM {} AS rows").format(
            sql.Identifier(self.schema, stream)
        )
        with psycopg.connect(self.server.libpq_url) as connection:
            rows = connection.execute(query).fetchall()
        return [json.loads(text, parse_float=Decimal) for (text,) in rows]


def read_lines(folder: Path, stream: str) -> list[dict[str, Any]]:
    """Read the rows of a file of JSON lines."""
    path = folder / f"{stream}.jsonl"
    with path.open(encoding="utf-8") as file:
        return [json.loads(line, parse_float=Decimal) for line in file]


def read_cells(folder: Path, stream: str) -> list[dict[str, Any]]:
    """Read the rows of a CSV file, in which every value is text."""
    with (folder / f"{stream}.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


@dataclass(frozen=True)
class Other:
    """Another target.

    Attributes:
        command: The command line, without ``--config``.
        settings: Returns its settings for a folder, a server and a schema.
        read: Reads the rows that it wrote of a stream.
        is_text: Whether every value that it writes is text.
    """

    command: tuple[str, ...]
    settings: Callable[[Path, EmbeddedPostgres, str], dict[str, Any]]
    read: Callable[[Path, EmbeddedPostgres, str, str], list[dict[str, Any]]]
    is_text: bool = False


def _files(folder: Path, _: EmbeddedPostgres, __: str) -> dict[str, Any]:
    return {"destination_path": str(folder), "do_timestamp_file": False}


def _database(_: Path, server: EmbeddedPostgres, schema: str) -> dict[str, Any]:
    return {
        "sqlalchemy_url": server.sqlalchemy_url,
        "default_target_schema": schema,
        # Otherwise the stock target fails at the end of each stream that has a column `version`.
        "hard_delete": True,
    }


OTHERS = {
    "target-jsonl": Other(
        (UVX, "--quiet", "target-jsonl@0.1.4"),
        _files,
        lambda folder, _, __, stream: read_lines(folder, stream),
    ),
    "target-csv": Other(
        (UVX, "--quiet", "--from", "meltanolabs-target-csv==0.5.0", "target-csv"),
        lambda folder, _, __: {"output_path": str(folder)},
        lambda folder, _, __, stream: read_cells(folder, stream),
        is_text=True,
    ),
    "target-postgres": Other(
        (str(BIN / "target-postgres"),),
        _database,
        lambda _, server, schema, stream: Table(server, schema).read(stream),
    ),
}
OURS = Other((str(BIN / "signalroom-target-postgres"),), _database, OTHERS["target-postgres"].read)


def part_of_key(value: Any) -> str:
    """A key column's value as text, with timestamps of all formats in the same form."""
    return str(_moment(value) or value)


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or not _DATE_AND_TIME.match(value):
        return None
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def is_same(ours: Any, theirs: Any, *, is_text: bool) -> bool:
    """Whether a value of another target equals the one of our loader.

    Args:
        ours: Our loader's value, parsed from JSON.
        theirs: The other target's value, parsed from its own format.
        is_text: Whether their format has only text, in which null is the empty text.
    """
    if ours is None or theirs is None:
        return ours is theirs or (is_text and theirs == "")
    if isinstance(ours, bool):
        return str(theirs).lower() == str(ours).lower() if is_text else theirs is ours
    if isinstance(ours, (int, Decimal)):
        return isinstance(theirs, str) == is_text and bool(Decimal(theirs) == ours)
    if isinstance(ours, (dict, list)):
        return bool(_exact(ours) == _exact(_read(theirs) if is_text else theirs))
    is_same_moment = _moment(ours) is not None and _moment(ours) == _moment(theirs)
    return is_same_moment or bool(ours == theirs)


def _read(text: str) -> Any:
    """Parse an object or array that was written as JSON, or as a Python literal (target-csv)."""
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return ast.literal_eval(_DECIMAL.sub(r"\1", text))


def _exact(value: Any) -> Any:
    """Normalize the numbers of a value, so that 1.0 equals 1."""
    if isinstance(value, dict):
        return {name: _exact(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(inner) for inner in value]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return Decimal(str(value)).normalize()
    return value


def run_tap(tap: str, sandbox: SandboxServer, folder: Path) -> TapOutput:
    """Run a tap and return its output."""
    env = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    env |= sandbox.dotenv
    if tap in DATED:
        start = datetime.now(UTC).date() - timedelta(days=DAYS)
        env[f"TAP_{tap.upper()}_START_DATE"] = start.isoformat()
    path = folder / f"{tap}.jsonl"
    with path.open("wb") as file:
        command: list[str | Path] = [BIN / f"tap-{tap}", "--config=ENV"]
        subprocess.run(command, env=env, stdout=file, stderr=subprocess.PIPE, check=True)  # noqa: S603
    return TapOutput(path)


def load(target: Other, output: TapOutput, folder: Path, server: EmbeddedPostgres) -> str | None:
    """Load a tap's output; returns the end of the target's error output if it failed."""
    folder.mkdir()
    config = folder / "config.json"
    config.write_text(json.dumps(target.settings(folder, server, folder.name)))
    with output.path.open("rb") as file:
        done = subprocess.run(  # noqa: S603
            [*target.command, "--config", config],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            check=False,
        )
    return done.stderr.decode()[-600:] if done.returncode else None


def differences(
    columns: list[str], ours: Rows, theirs: Rows, *, is_text: bool
) -> Iterable[tuple[str, str]]:
    """Compare the rows of a stream.

    Args:
        columns: The columns of the stream.
        ours: The rows of our loader, by key.
        theirs: The rows of the other target, by key.
        is_text: Whether every value of the other target is text.

    Yields:
        The column that differs, or an empty text for rows, and a description.
    """
    for problem, keys in (
        ("missing", ours.keys() - theirs.keys()),
        ("too many", theirs.keys() - ours.keys()),
    ):
        if keys:
            yield "", f"{len(keys)} rows are {problem}, as {min(keys)}"
    for column in columns:
        pairs = [
            (ours[key].get(column), theirs[key].get(column)) for key in ours.keys() & theirs.keys()
        ]
        wrong = [pair for pair in pairs if not is_same(*pair, is_text=is_text)]
        if wrong:
            yield column, f"{len(wrong)} differ, as {wrong[0][0]!r} and {wrong[0][1]!r}"


def main() -> int:
    """Test all taps with all targets and return the exit code."""
    # Cells may be of any length. Not on import, since the limit applies to the whole process.
    csv.field_size_limit(sys.maxsize)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--taps", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--targets", nargs="+", choices=OTHERS, default=list(OTHERS))
    options = parser.parse_args()
    has_failed = False
    sys.stdout.write(
        f"{'tap':18}{'target':18}{'streams':>8}{'rows':>8}  compared with our loader\n"
    )
    with (
        tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as name,
        SandboxServer() as sandbox,
        EmbeddedPostgres(Path(name) / "pg") as server,
    ):
        sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
        for tap in options.taps:
            folder = Path(name) / tap.replace("-", "_")
            folder.mkdir()
            for line, failed in _test(tap, options.targets, sandbox, server, folder):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
                has_failed |= failed
    return int(has_failed)


def _test(
    tap: str, targets: list[str], sandbox: SandboxServer, server: EmbeddedPostgres, folder: Path
) -> Iterable[tuple[str, bool]]:
    """Test a tap with targets; yields lines to print, and whether each reports a failure."""
    output = run_tap(tap, sandbox, folder)
    if output.batches:
        yield f"tap-{tap}: {output.batches} BATCH messages without a batch_config", True
    streams = [stream for stream, count in output.records.items() if count]
    place = folder / f"{folder.name}_ours"
    if error := load(OURS, output, place, server):
        yield f"tap-{tap}: our loader failed: {error}", True
        return
    ours = {
        stream: output.by_key(stream, OURS.read(place, server, place.name, stream))
        for stream in streams
    }
    for name in targets:
        target = OTHERS[name]
        place = folder / f"{folder.name}_{name.replace('-', '_')}"
        label = f"{f'tap-{tap}':18}{name:18}"
        if error := load(target, output, place, server):
            yield f"{label}FAILED: {error}", True
            continue
        problems, count = [], 0
        for stream in streams:
            rows = output.by_key(stream, target.read(place, server, place.name, stream))
            count += len(rows)
            problems += [
                f"\n  {stream}.{column}: {how}"
                for column, how in differences(
                    output.columns[stream], ours[stream], rows, is_text=target.is_text
                )
            ]
        verdict = "".join(problems) or ("the same" if count else "NOTHING")
        yield f"{label}{len(streams):8}{count:8,}  {verdict}", bool(problems) or not count


if __name__ == "__main__":
    sys.exit(main())
