"""``make compat-taps``: taps of other people into this project's loader, twice each.

Between the runs rows are changed, added and deleted at the source. Then the table must have what
the source has; after an incremental run also the rows that are gone. Each tap has an environment of
its own by ``uvx``. The database taps read a table of the embedded PostgreSQL. Google Sheets cannot
be reached, so its tap gets the answers to its requests from a file.
"""

from __future__ import annotations

import argparse
import json
import os
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
#: More than the SDK's taps send between two states.
MANY = 10_500
BEFORE = dict.fromkeys(range(1, MANY + 1), "old")
#: A row is changed, one is new, and one is gone.
AFTER = {**BEFORE, 2: "new", MANY + 1: "new"}
del AFTER[3]
#: Google Sheets is read by 200 rows.
FEW = 700
FILES = {"overrides": "txt", "sheets": "py"}
#: In place of `GoogleClient`, whose addresses are fixed: answers out of a file.
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
            {"values": [{"formattedValue": str(one), "effectiveValue": {"stringValue": str(one)}}
                        for one in row]}
            for row in rows[:2]
        ]
        sheet = {"properties": properties, "data": [{"rowData": cells}]}
        about = {"spreadsheetId": "s", "properties": {"title": "S"}, "spreadsheetUrl": "u"}
        return about | {"sheets": [sheet]}
    first, last = (int(part.lstrip("ABC")) for part in path.rpartition("!")[2].split(":"))
    return {"values": [[str(one) for one in row] for row in rows[first - 1:last]]}

GoogleClient.request = request
GoogleClient.get_access_token = lambda self: None
tap_google_sheets.main()
"""


@dataclass
class Tap:
    """A tap as it is run.

    Attributes:
        command: What runs it.
        config: Its settings, given the server.
        stream: The stream that is loaded, and its table.
        chosen: What its catalog says of that stream.
        keeps_deleted: Whether rows that are gone at the source stay in the table.
        load_method: The loader's.
        dies: Whether a tap is tried, too, that ends after half of its output.
    """

    command: tuple[str, ...]
    config: Callable[[EmbeddedPostgres], dict[str, Any]]
    stream: str
    chosen: Mapping[str, Any] = field(default_factory=dict)
    keeps_deleted: bool = False
    load_method: str = "upsert"
    dies: bool = False


def _place(server: EmbeddedPostgres) -> dict[str, Any]:
    place = conninfo_to_dict(server.libpq_url)
    # The server asks for no password, but one tap does.
    return {"password": "x"} | {name: place[name] for name in ("host", "port", "user")}


def _pipelinewise(server: EmbeddedPostgres) -> dict[str, Any]:
    name = conninfo_to_dict(server.libpq_url)["dbname"]
    return _place(server) | {"dbname": name, "filter_schemas": "source"}


def _meltanolabs(server: EmbeddedPostgres) -> dict[str, Any]:
    place = _place(server)
    database = conninfo_to_dict(server.libpq_url)["dbname"]
    # SQLAlchemy's addresses, as the SDK writes them, have no room for a socket's folder: PGHOST.
    more = {"host": "", "database": database, "filter_schemas": ["source"]}
    return place | more | {"port": int(place["port"] or 0)}


def _announcing(server: EmbeddedPostgres) -> dict[str, Any]:
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
        _uvx(MELTANOLABS, "tap-postgres"), _announcing, "source-orders", FULL, keeps_deleted=True
    ),
    "meltanolabs, run-tap": Tap(
        (RUN_TAP, *_uvx(MELTANOLABS, "tap-postgres")), _announcing, "source-orders", FULL
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
    """What the taps read, and where the loader writes to.

    Args:
        server: Both are in it.
        folder: For files.
    """

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self.server = server
        self.folder = folder
        (folder / "overrides.txt").write_text("psycopg2-binary>=2.9.9\n")
        (folder / "sheets.py").write_text(SHEETS_TAP)

    def fill(self, rows: Mapping[int, str]) -> None:
        """Let the source have these rows, and no others.

        Args:
            rows: Names by id.
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

    def loaded(self, schema: str) -> list[tuple[int, str]]:
        """Read what the loader made of it.

        Args:
            schema: Where the loader wrote to.

        Returns:
            The rows, in order.
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
    """A tap, run again and again into a schema of its own.

    Args:
        name: The tap's.
        source: What it reads.
    """

    name: str
    source: Source

    def __post_init__(self) -> None:
        """Write the settings of tap and loader."""
        self.tap = TAPS[self.name]
        self.schema = "".join(one if one.isalnum() else "_" for one in self.name.lower())
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

    def choose(self) -> None:
        """Write a catalog in which only the stream is selected."""
        catalog = json.loads(self._tap("--discover"))
        for entry in catalog["streams"]:
            chosen = entry["stream"] == self.tap.stream or entry["tap_stream_id"].endswith(
                f"-{self.tap.stream}"
            )
            if chosen and "replication-method" in self.tap.chosen:
                entry["replication_method"] = self.tap.chosen["replication-method"]
            for part in entry["metadata"]:
                if not part["breadcrumb"]:
                    part["metadata"] |= {"selected": chosen, **(self.tap.chosen if chosen else {})}
                elif chosen:
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
        """Run the tap, and load what it writes.

        Args:
            half: Whether to load but half of it, as of a tap that dies.

        Returns:
            The loader's last words if it failed.
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


def _tried(name: str, source: Source) -> list[str]:
    """Try a tap; gives what is wrong."""
    trial = Trial(name, source)
    before, after = (
        {number: text for number, text in rows.items() if name != "google-sheets" or number < FEW}
        for rows in (BEFORE, AFTER)
    )
    source.fill(before)
    trial.choose()
    found = [f"the first run: {said}" for said in [trial.run()] if said]
    found += _different("the first run", before, source.loaded(trial.schema))
    source.fill(after)
    if trial.tap.dies:
        if trial.run(half=True) is None:
            found.append("half of a run ended with exit code 0")
        found += _different("half of a run", before, source.loaded(trial.schema))
    found += [f"the second run: {said}" for said in [trial.run()] if said]
    expected = {**before, **after} if trial.tap.keeps_deleted else after
    return found + _different("the second run", expected, source.loaded(trial.schema))


def _different(when: str, expected: Mapping[int, str], rows: list[tuple[int, str]]) -> list[str]:
    if rows == sorted(expected.items()):
        return []
    missing, more = sorted({*expected.items()} - {*rows}), sorted({*rows} - {*expected.items()})
    return [f"{when}: {len(rows)} rows; missing {missing[:3]}, too many {more[:3]}"]


def main() -> int:
    """Try all taps; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--taps", nargs="+", choices=TAPS, default=list(TAPS))
    asked = parser.parse_args()
    wrong = False
    with (
        tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as name,
        EmbeddedPostgres(Path(name) / "pg") as server,
    ):
        source = Source(server, Path(name))
        for tap in asked.taps:
            found = _tried(tap, source)
            wrong |= bool(found)
            sys.stdout.write(f"{tap:34}{'; '.join(found) or 'as it should be'}\n")
            sys.stdout.flush()
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
