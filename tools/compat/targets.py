"""``make compat-targets``: each tap into other targets than this project's, with the same rows.

Each tap reads the sandbox once, on its own and with its defaults. What it writes goes into the
project's loader, and into each other target, which has an environment of its own by ``uvx``. Every
value of every row must then be the same, as far as the target's form can say it.
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
#: Those that begin at a day, and how many they read.
DATED, DAYS = ("everflow", "posthog", "redtrack"), 4

_DECIMAL = re.compile(r"Decimal\('([^']*)'\)")
_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")

Rows = dict[tuple[Any, ...], dict[str, Any]]


@dataclass
class Written:
    """What a tap wrote.

    Attributes:
        path: Its messages.
        columns: Of each stream, its columns.
        keys: Of each stream, its key columns.
        records: Of each stream, how many came.
        batches: How many BATCH messages.
    """

    path: Path
    columns: dict[str, list[str]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    batches: int = 0

    def __post_init__(self) -> None:
        """Read them."""
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
        """Rows by their keys; of several with one, the last: a file keeps all that came."""
        keys = self.keys[stream]
        return {tuple(part_of_key(row.get(key)) for key in keys): dict(row) for row in rows}


@dataclass
class Table:
    """A target's way to keep a stream."""

    server: EmbeddedPostgres
    schema: str

    def read(self, stream: str) -> list[dict[str, Any]]:
        """All rows, as JSON has them."""
        query = sql.SQL("SELECT to_jsonb(rows)::text FROM {} AS rows").format(
            sql.Identifier(self.schema, stream)
        )
        with psycopg.connect(self.server.libpq_url) as connection:
            found = connection.execute(query).fetchall()
        return [json.loads(text, parse_float=Decimal) for (text,) in found]


def read_lines(folder: Path, stream: str) -> list[dict[str, Any]]:
    """The rows in a file of JSON lines."""
    path = folder / f"{stream}.jsonl"
    with path.open(encoding="utf-8") as file:
        return [json.loads(line, parse_float=Decimal) for line in file]


def read_cells(folder: Path, stream: str) -> list[dict[str, Any]]:
    """The rows in a file of CSV; all is text."""
    with (folder / f"{stream}.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


@dataclass(frozen=True)
class Other:
    """Another target.

    Attributes:
        command: What runs it.
        settings: Its settings.
        read: What it made of a stream; given the folder it ran in.
        is_text: Whether it writes nothing but text.
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
        # Else the stock target fails at the end of each stream that has a column `version`.
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
    """A key column's value, alike from every form: a moment is one, however it is written."""
    return str(_moment(value) or value)


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or not _DATE_AND_TIME.match(value):
        return None
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def same(ours: Any, theirs: Any, *, is_text: bool) -> bool:
    """Whether a value is what our loader made of it.

    Args:
        ours: As JSON has it.
        theirs: The same.
        is_text: Whether their form has nothing but text, where null is the empty one.
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
    """A structure that was written as JSON, or as Python has it (target-csv)."""
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return ast.literal_eval(_DECIMAL.sub(r"\1", text))


def _exact(value: Any) -> Any:
    """A structure with its numbers comparable: 1.0 and 1 are one."""
    if isinstance(value, dict):
        return {name: _exact(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(one) for one in value]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return Decimal(str(value)).normalize()
    return value


def messages(tap: str, sandbox: SandboxServer, folder: Path) -> Written:
    """Run a tap; gives what it wrote."""
    env = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    env |= sandbox.dotenv
    if tap in DATED:
        start = datetime.now(UTC).date() - timedelta(days=DAYS)
        env[f"TAP_{tap.upper()}_START_DATE"] = start.isoformat()
    path = folder / f"{tap}.jsonl"
    with path.open("wb") as file:
        command: list[str | Path] = [BIN / f"tap-{tap}", "--config=ENV"]
        subprocess.run(command, env=env, stdout=file, stderr=subprocess.PIPE, check=True)  # noqa: S603
    return Written(path)


def load(target: Other, written: Written, folder: Path, server: EmbeddedPostgres) -> str | None:
    """Load what a tap wrote; gives the target's last words if it failed."""
    folder.mkdir()
    config = folder / "config.json"
    config.write_text(json.dumps(target.settings(folder, server, folder.name)))
    with written.path.open("rb") as file:
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
    """What differs in a stream: where, and how.

    Args:
        columns: The stream's.
        ours: Its rows by key, by our loader.
        theirs: The same by the other target.
        is_text: Whether that writes nothing but text.
    """
    for what, keys in (
        ("missing", ours.keys() - theirs.keys()),
        ("too many", theirs.keys() - ours.keys()),
    ):
        if keys:
            yield "", f"{len(keys)} rows are {what}, as {min(keys)}"
    for column in columns:
        pairs = [
            (ours[key].get(column), theirs[key].get(column)) for key in ours.keys() & theirs.keys()
        ]
        wrong = [pair for pair in pairs if not same(*pair, is_text=is_text)]
        if wrong:
            yield column, f"{len(wrong)} differ, as {wrong[0][0]!r} and {wrong[0][1]!r}"


def main() -> int:
    """Try all taps with all targets; gives the exit code."""
    # A cell of theirs holds any length. Not on import: the limit is the whole process's.
    csv.field_size_limit(sys.maxsize)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--taps", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--targets", nargs="+", choices=OTHERS, default=list(OTHERS))
    asked = parser.parse_args()
    wrong = False
    sys.stdout.write(
        f"{'tap':18}{'target':18}{'streams':>8}{'rows':>8}  compared with our loader\n"
    )
    with (
        tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as name,
        SandboxServer() as sandbox,
        EmbeddedPostgres(Path(name) / "pg") as server,
    ):
        sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
        for tap in asked.taps:
            folder = Path(name) / tap.replace("-", "_")
            folder.mkdir()
            for line, failed in _tried(tap, asked.targets, sandbox, server, folder):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
                wrong |= failed
    return int(wrong)


def _tried(
    tap: str, targets: list[str], sandbox: SandboxServer, server: EmbeddedPostgres, folder: Path
) -> Iterable[tuple[str, bool]]:
    """Try a tap with targets; gives lines, and whether each says that something is wrong."""
    written = messages(tap, sandbox, folder)
    if written.batches:
        yield f"tap-{tap}: {written.batches} BATCH messages, which nobody asked for", True
    streams = [stream for stream, count in written.records.items() if count]
    place = folder / f"{folder.name}_ours"
    if said := load(OURS, written, place, server):
        yield f"tap-{tap}: our loader failed: {said}", True
        return
    ours = {
        stream: written.by_key(stream, OURS.read(place, server, place.name, stream))
        for stream in streams
    }
    for name in targets:
        target = OTHERS[name]
        place = folder / f"{folder.name}_{name.replace('-', '_')}"
        label = f"{f'tap-{tap}':18}{name:18}"
        if said := load(target, written, place, server):
            yield f"{label}FAILED: {said}", True
            continue
        found, count = [], 0
        for stream in streams:
            rows = written.by_key(stream, target.read(place, server, place.name, stream))
            count += len(rows)
            found += [
                f"\n  {stream}.{column}: {how}"
                for column, how in differences(
                    written.columns[stream], ours[stream], rows, is_text=target.is_text
                )
            ]
        told = "".join(found) or ("the same" if count else "NOTHING")
        yield f"{label}{len(streams):8}{count:8,}  {told}", bool(found) or not count


if __name__ == "__main__":
    sys.exit(main())
