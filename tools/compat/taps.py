"""``make compat-taps``: third-party taps into this project's loader, two runs each.

Between the runs rows are changed, added and deleted in the source. Then the table must have the
source's rows; after an incremental run also the deleted ones. ``uvx`` gives each tap a separate
environment. The database taps read a table of the embedded PostgreSQL. The tap for Google Sheets
reads its responses from a file, without the network.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from signalroom_target_postgres.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BIN = Path(sys.executable).parent
UVX = shutil.which("uvx") or str(BIN / "uvx")
RUN_TAP = str(BIN / "signalroom-run-tap")
PIPELINEWISE = "pipelinewise-tap-postgres==1.8.4"
MELTANOLABS = "meltanolabs-tap-postgres==0.10.0"
SHEETS = "tap-google-sheets==3.1.2"
#: More rows than the SDK's taps send between two states.
MANY = 10_500
BEFORE = dict.fromkeys(range(1, MANY + 1), "old")
#: One row is changed, one is new, and one is deleted.
AFTER = {**BEFORE, 2: "new", MANY + 1: "new"}
del AFTER[3]
#: The rows for Google Sheets, which is read in pages of 200 rows.
FEW = 700
FILES = {"overrides": "txt", "sheets": "py"}
#: Replaces the requests of `GoogleClient`, whose addresses are fixed, by responses from a file.
SHEETS_TAP = """
import json
import os
import sys

import tap_google_sheets
from tap_google_sheets.client import GoogleClient

with open(os.environ["SHEET"]) as file:
    rows = [["id", "name"], *json.load(file)]
properties = {
    "sheetId": 1, "title": "Orders", "index": 0, "sheetType": "GRID",
    "gridProperties": {"rowCount": len(rows) + 100, "columnCount": 2},
}

def request(self, method, path=None, **_):
    if "/values/" not in path:
        cells = [
            {"values": [{"formattedValue": str(cell), "effectiveValue": {"stringValue": str(cell)}}
                        for cell in row]}
            for row in rows[:2]
        ]
        sheet = {"properties": properties, "data": [{"rowData": cells}]}
        about = {"spreadsheetId": "s", "properties": {"title": "S"}, "spreadsheetUrl": "u"}
        return about | {"sheets": [sheet]}
    first, last = (int(part.lstrip("ABC")) for part in path.rpartition("!")[2].split(":"))
    return {"values": [[str(cell) for cell in row] for row in rows[first - 1:last]]}

GoogleClient.request = request
GoogleClient.get_access_token = lambda self: None
tap_google_sheets.main()
"""


@dataclass
class Tap:
    """A tap, and how it is run.

    Attributes:
        command: The command line, without the tap's options.
        config: Returns the tap's settings for a server.
        stream: The stream that is loaded, and its table.
        metadata: Metadata of that stream, to be added to the catalog.
        keeps_deleted: Whether rows that were deleted in the source stay in the table.
        load_method: The setting ``load_method`` of the loader.
        dies: Whether to test as well that the tap dies after half of its output.
    """

    command: tuple[str, ...]
    config: Callable[[EmbeddedPostgres], dict[str, Any]]
    stream: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    keeps_deleted: bool = False
    load_method: str = "upsert"
    dies: bool = False


def _place(server: EmbeddedPostgres) -> dict[str, Any]:
    place = conninfo_to_dict(server.libpq_url)
    # The server needs no password, but one tap requires the setting.
    return {"password": "x"} | {name: place[name] for name in ("host", "port", "user")}


def _pipelinewise(server: EmbeddedPostgres) -> dict[str, Any]:
    name = conninfo_to_dict(server.libpq_url)["dbname"]
    return _place(server) | {"dbname": name, "filter_schemas": "source"}


def _meltanolabs(server: EmbeddedPostgres) -> dict[str, Any]:
    place = _place(server)
    database = conninfo_to_dict(server.libpq_url)["dbname"]
    # The SDK's URL for SQLAlchemy cannot have a socket's folder as host: PGHOST has it.
    overrides = {"host": "", "database": database, "filter_schemas": ["source"]}
    return place | overrides | {"port": int(place["port"] or 0)}


def _with_activate_version(server: EmbeddedPostgres) -> dict[str, Any]:
    return {**_meltanolabs(server), "emit_activate_version_messages": True}


def _sheets(_: EmbeddedPostgres) -> dict[str, Any]:
    return {
        "client_id": "x",
        "client_secret": "x",
        "refresh_token": "x",
        "spreadsheet_id": "s",
        "start_date": "2026-01-01T00:00:00Z",
        "user_agent": "x",
    }


def _uvx(package: str, program: str, *options: str) -> tuple[str, ...]:
    return (UVX, "--quiet", "--python", sys.executable, *options, "--from", package, program)


FULL = {"replication-method": "FULL_TABLE"}
TAPS = {
    "pipelinewise, FULL_TABLE": Tap(
        _uvx(PIPELINEWISE, "tap-postgres", "--overrides", "{overrides}"),
        _pipelinewise,
        "orders",
        FULL,
    ),
    "pipelinewise, INCREMENTAL": Tap(
        _uvx(PIPELINEWISE, "tap-postgres", "--overrides", "{overrides}"),
        _pipelinewise,
        "orders",
        {"replication-method": "INCREMENTAL", "replication-key": "at"},
        keeps_deleted=True,
    ),
    "pipelinewise, overwrite": Tap(
        _uvx(PIPELINEWISE, "tap-postgres", "--overrides", "{overrides}"),
        _pipelinewise,
        "orders",
        FULL,
        load_method="overwrite",
        dies=True,
    ),
    "meltanolabs": Tap(
        _uvx(MELTANOLABS, "tap-postgres"), _meltanolabs, "source-orders", FULL, keeps_deleted=True
    ),
    "meltanolabs, announcing": Tap(
        _uvx(MELTANOLABS, "tap-postgres"),
        _with_activate_version,
        "source-orders",
        FULL,
        keeps_deleted=True,
    ),
    "meltanolabs, run-tap": Tap(
        (RUN_TAP, *_uvx(MELTANOLABS, "tap-postgres")), _with_activate_version, "source-orders", FULL
    ),
    "meltanolabs, run-tap, overwrite": Tap(
        (RUN_TAP, *_uvx(MELTANOLABS, "tap-postgres")),
        _meltanolabs,
        "source-orders",
        FULL,
        load_method="overwrite",
        dies=True,
    ),
    "google-sheets": Tap((*_uvx(SHEETS, "python"), "{sheets}"), _sheets, "Orders"),
}


class Source:
    """The source of the taps, in the server that the loader writes to.

    Args:
        server: The server for the source table and the loaded tables.
        folder: The folder for scripts and settings.
    """

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self.server = server
        self.folder = folder
        (folder / "overrides.txt").write_text("psycopg2-binary>=2.9.9\n")
        (folder / "sheets.py").write_text(SHEETS_TAP)

    def fill(self, rows: Mapping[int, str]) -> None:
        """Replace the rows of the source.

        Args:
            rows: The names of the new rows, by id.
        """
        (self.folder / "sheet.json").write_text(json.dumps([*rows.items()]))
        with psycopg.connect(self.server.libpq_url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS source")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS source.orders"
                " (id int PRIMARY KEY, name text, at bigint)"
            )
            connection.execute("DELETE FROM source.orders")
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO source.orders VALUES (%s, %s, %s)",
                    [(number, name, int(name == "new")) for number, name in rows.items()],
                )

    def read_table(self, schema: str) -> list[tuple[int, str]]:
        """Read the table that the loader wrote.

        Args:
            schema: The schema of the table.

        Returns:
            The id and name of each row, ordered by id.
        """
        with psycopg.connect(self.server.libpq_url) as connection:
            names = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
            ((table,),) = connection.execute(names, [schema]).fetchall()
            query = sql.SQL("SELECT id::int, name FROM {} ORDER BY 1").format(
                sql.Identifier(schema, table)
            )
            return connection.execute(query).fetchall()


@dataclass
class Trial:
    """A tap with its own schema, for several runs.

    Args:
        name: The key of the tap in ``TAPS``.
        source: The source that it reads.
    """

    name: str
    source: Source

    def __post_init__(self) -> None:
        """Write the settings of tap and loader."""
        self.tap = TAPS[self.name]
        self.schema = re.sub(r"[^a-z0-9]", "_", self.name.lower())
        self.folder = self.source.folder / self.schema
        self.folder.mkdir()
        names = {name: self.source.folder / f"{name}.{end}" for name, end in FILES.items()}
        self.command = [part.format(**names) for part in self.tap.command]
        self._write("config", self.tap.config(self.source.server))
        self._write(
            "loader",
            {
                "sqlalchemy_url": self.source.server.sqlalchemy_url,
                "default_target_schema": self.schema,
                "activate_version": True,
                "hard_delete": True,
                "load_method": self.tap.load_method,
            },
        )

    def _write(self, name: str, content: Any) -> Path:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return path

    def write_catalog(self) -> None:
        """Write a catalog in which only the stream is selected."""
        catalog = json.loads(self._tap("--discover"))
        for entry in catalog["streams"]:
            is_selected = entry["stream"] == self.tap.stream or entry["tap_stream_id"].endswith(
                f"-{self.tap.stream}"
            )
            if is_selected and "replication-method" in self.tap.metadata:
                entry["replication_method"] = self.tap.metadata["replication-method"]
            for part in entry["metadata"]:
                if not part["breadcrumb"]:
                    part["metadata"] |= {
                        "selected": is_selected,
                        **(self.tap.metadata if is_selected else {}),
                    }
                elif is_selected:
                    part["metadata"]["selected"] = True
        self._write("catalog", catalog)

    def _tap(self, *options: str) -> str:
        env = os.environ | {"SHEET": str(self.source.folder / "sheet.json")}
        env["PGHOST"] = _place(self.source.server)["host"]
        done = subprocess.run(  # noqa: S603
            [*self.command, "--config", str(self.folder / "config.json"), *options],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"{self.name} failed: {done.stderr[-1000:]}"
            raise RuntimeError(message)
        return done.stdout

    def run(self, *, half: bool = False) -> str | None:
        """Run the tap and load its output.

        Args:
            half: Whether to load only half of it, as if the tap had died.

        Returns:
            The end of the loader's error output if it failed.
        """
        options = ["--catalog", str(self.folder / "catalog.json")]
        state = self.folder / "state.json"
        if state.exists():
            options += ["--state", str(state)]
        lines = self._tap(*options).splitlines(keepends=True)
        done = subprocess.run(  # noqa: S603
            [BIN / "signalroom-target-postgres", "--config", self.folder / "loader.json"],
            input="".join(lines[: len(lines) // 2] if half else lines),
            capture_output=True,
            text=True,
            check=False,
        )
        if states := done.stdout.splitlines():
            state.write_text(states[-1])
        return done.stderr[-600:] if done.returncode else None


def _test(name: str, source: Source) -> list[str]:
    """Test a tap and return the problems."""
    trial = Trial(name, source)
    before, after = (
        {number: text for number, text in rows.items() if name != "google-sheets" or number < FEW}
        for rows in (BEFORE, AFTER)
    )
    source.fill(before)
    trial.write_catalog()
    problems = [f"the first run: {error}" for error in [trial.run()] if error]
    problems += _compare("the first run", before, source.read_table(trial.schema))
    source.fill(after)
    if trial.tap.dies:
        if trial.run(half=True) is None:
            problems.append("half of a run ended with exit code 0")
        problems += _compare("half of a run", before, source.read_table(trial.schema))
    problems += [f"the second run: {error}" for error in [trial.run()] if error]
    expected = {**before, **after} if trial.tap.keeps_deleted else after
    return problems + _compare("the second run", expected, source.read_table(trial.schema))


def _compare(run: str, expected: Mapping[int, str], rows: list[tuple[int, str]]) -> list[str]:
    if rows == sorted(expected.items()):
        return []
    missing, extra = sorted({*expected.items()} - {*rows}), sorted({*rows} - {*expected.items()})
    return [f"{run}: {len(rows)} rows; missing {missing[:3]}, too many {extra[:3]}"]


def main() -> int:
    """Test all taps and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--taps", nargs="+", choices=TAPS, default=list(TAPS))
    options = parser.parse_args()
    has_failed = False
    with (
        tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as name,
        EmbeddedPostgres(Path(name) / "pg") as server,
    ):
        source = Source(server, Path(name))
        for tap in options.taps:
            problems = _test(tap, source)
            has_failed |= bool(problems)
            sys.stdout.write(f"{tap:34}{'; '.join(problems) or 'as it should be'}\n")
            sys.stdout.flush()
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
