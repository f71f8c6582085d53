"""``make compat-bounds``: every package at the lowest versions it declares, and at the newest.

Each package gets an environment of its own, with its wheel and the kit's: once with the lowest
version of each direct dependency, once with the newest. Nothing is built from source: a version
without a wheel for the Python counts as one that does not work. Then each tap reads the mock
vendors into the loader, and every table must hold the rows that the locked versions load.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tools import ROOT
from tools.compat.attempts import HERE, Tried, in_turn
from tools.compat.pythons import SUPPORTED, UV, python_of
from tools.release import KIT, packages

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What uv calls them.
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
LOADER, SANDBOX = "signalroom-target-postgres", "signalroom-sandbox"
#: Those that start at a day, and how many days they read.
DATED, DAYS = ("everflow", "posthog", "redtrack"), 5
#: As meltano.yml has it: files of columns, in place of records.
BATCH = {"encoding": {"format": "arrow"}}
#: A record of which one column has the wrong type: it has to be set aside, and the other loaded.
BAD = (
    {
        "type": "SCHEMA",
        "stream": "orders",
        "key_properties": ["id"],
        "schema": {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}},
    },
    {"type": "RECORD", "stream": "orders", "record": {"id": 1, "name": "one"}},
    {"type": "RECORD", "stream": "orders", "record": {"id": 2, "name": 2}},
)
#: Columns that say when a row was loaded, and why one was not.
LOADED = (
    "reason,first_rejected_at,last_rejected_at,_loaded_at,_sdc_extracted_at,_sdc_received_at,"
    "_sdc_batched_at,_sdc_deleted_at,_sdc_sequence,_sdc_table_version,_sdc_sync_started_at"
)
TABLES = """
SELECT schemaname, tablename FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'signalroom') ORDER BY 1, 2
"""
TABLE = """
SELECT '{0}.{1}' AS name, count(*) AS rows, md5(string_agg(row, '' ORDER BY row)) AS content
FROM (
  SELECT md5(regexp_replace((to_jsonb(one) - '{{{2}}}'::text[])::text, '{3}', '', 'g')) AS row
  FROM "{0}"."{1}" AS one
) AS rows
"""
#: What the mock vendors reckon from the moment they start, and so what is not compared.
MOVING = {"mautic": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"}

Contents = dict[str, tuple[str, str]]


class FailedError(Exception):
    """A command failed; the message has its last words."""


class Place(NamedTuple):
    """Where the programs of one set of versions are.

    Attributes:
        programs: Of each package, the folder of its executables.
        data: A folder for what they read and write.
    """

    programs: dict[str, Path]
    data: Path

    def run(self, package: str, *command: str | Path, **options: Any) -> str:
        """Run an executable of a package; gives what it printed.

        Args:
            package: Which.
            command: The executable's name, and its arguments.
            options: ``subprocess.run``'s, and ``env`` on top of a clean environment.

        Raises:
            FailedError: If it fails.
        """
        program, *arguments = command
        kept = {name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ}
        options["env"] = kept | options["env"]
        return _run(self.programs[package] / program, *arguments, cwd=self.data, **options)


def _run(*command: str | Path, **options: Any) -> str:
    uses = {"stdout": subprocess.PIPE} | options
    done = subprocess.run(  # noqa: S603 - uv, and the programs of this project
        command, stderr=subprocess.PIPE, text=True, check=False, **uses
    )
    if done.returncode:
        msg = f"{Path(command[0]).name} failed: {done.stderr.strip()[-1500:]}"
        raise FailedError(msg)
    return done.stdout or ""


def built() -> Path:
    """Build all packages' wheels from this tree; gives their folder."""
    folder = HERE / "bounds" / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    _run(UV, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", folder, cwd=ROOT)
    return folder


def installed(package: str, resolution: str, python: Path, dist: Path) -> Path:
    """Make a package's environment.

    Args:
        package: Which.
        resolution: As in ``RESOLUTIONS``.
        python: The interpreter.
        dist: The folder of the wheels.

    Returns:
        The folder of its executables.
    """
    version = re.sub(r"\D+", "-", python.resolve().name) or "-"
    folder = HERE / "bounds" / f"{package}-{resolution}{version}"
    _run(UV, "venv", "--quiet", "--clear", "--python", python, folder)
    manifest = packages()[package].folder / "pyproject.toml"
    asked = tomllib.loads(manifest.read_text())["project"]["dependencies"]
    ours = [package] + [KIT] * any(one.startswith(KIT) for one in asked)
    # By their manifests too, as what wheels ask for is not direct to uv.
    manifests = [f"--requirements={packages()[one].folder / 'pyproject.toml'}" for one in ours]
    wheels = [next(dist.glob(f"{one.replace('-', '_')}-*.whl")) for one in ours]
    options = ["--no-sources", "--no-build", "--all-extras", "--resolution"]
    options += [RESOLUTIONS[resolution]]
    _run(UV, "pip", "install", "--quiet", f"--python={folder}", *options, *manifests, *wheels)
    return folder / "bin"


@contextmanager
def sandbox(place: Place) -> Iterator[dict[str, str]]:
    """Run the mock vendors; gives the variables that taps read them with."""
    command: list[str | Path] = [place.programs[SANDBOX] / SANDBOX, "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=place.data) as process:  # noqa: S603
        try:
            variables: dict[str, str] = {}
            for line in process.stdout or ():
                if line.startswith("# Stop it"):
                    break
                if not line.startswith("#"):
                    name, _, value = line.rstrip("\n").partition("=")
                    variables[name] = value
            if not variables:
                msg = "the sandbox did not start"
                raise FailedError(msg)
            yield variables
        finally:
            process.terminate()


def loaded(place: Place, taps: list[str]) -> Contents:
    """Load what each tap reads into an embedded PostgreSQL; gives what is in its tables.

    Args:
        place: Where the programs are.
        taps: Which taps.

    Raises:
        FailedError: If a program fails.
    """
    server = {"SIGNALROOM_PGDATA": str(place.data / "pg")}
    today = datetime.now(UTC).date()
    with sandbox(place) as variables:
        for tap in taps:
            source = tap.removeprefix("tap-").replace("-", "_")
            env = dict(variables)
            if source in DATED:
                # To a day that is over: the vendors' clock goes on.
                for end, days in (("START", DAYS), ("END", 1)):
                    day = today - timedelta(days=days)
                    env[f"TAP_{source.upper()}_{end}_DATE"] = day.isoformat()
            if source == "sticky_s3":
                files = place.data / "batches"
                files.mkdir()
                storage = {"storage": {"root": files.as_uri()}}
                env["TAP_STICKY_S3_BATCH_CONFIG"] = json.dumps(BATCH | storage)
            settings = server | {
                "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": source,
                "TARGET_POSTGRES_ACTIVATE_VERSION": "true",
                "TARGET_POSTGRES_HARD_DELETE": "true",
            }
            with (place.data / f"{tap}.jsonl").open("w+") as messages:
                place.run(tap, tap, "--config=ENV", env=env, stdout=messages)
                messages.seek(0)
                place.run(LOADER, LOADER, "--config=ENV", env=settings, stdin=messages)
        settings = server | {
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "bad",
            "TARGET_POSTGRES_ON_BAD_RECORD": "quarantine",
        }
        lines = "".join(f"{json.dumps(message)}\n" for message in BAD)
        place.run(LOADER, LOADER, "--config=ENV", env=settings, input=lines)
        tables = _query(place, TABLES, server)
        counted = " UNION ALL ".join(
            TABLE.format(schema, table, LOADED, MOVING.get(schema, "$."))
            for schema, table in tables
        )
        return {name: (rows, content) for name, rows, content in _query(place, counted, server)}


def _query(place: Place, query: str, server: dict[str, str]) -> list[list[str]]:
    said = place.run(LOADER, "signalroom-postgres", "sql", "--csv", query, env=server)
    return [*csv.reader(io.StringIO(said))][1:]


def differences(found: Contents, expected: Contents) -> list[str]:
    """Name the tables that differ.

    Args:
        found: What some versions loaded.
        expected: What the locked versions loaded.
    """
    return [
        f"{name}: {found.get(name, ('none',))[0]} rows, {expected.get(name, ('none',))[0]} locked"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]


def main() -> int:
    """Try each; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    taps = [name for name in packages() if name.startswith("tap-")]
    parser.add_argument("--versions", nargs="+", choices=SUPPORTED, help="of Python; this one's")
    parser.add_argument("--resolutions", nargs="+", choices=RESOLUTIONS, default=[*RESOLUTIONS])
    parser.add_argument("--taps", nargs="+", choices=taps, default=taps)
    asked = parser.parse_args()
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    dist = built()
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as name:
        data = Path(name)
        (data / "locked").mkdir()
        locked = Place(dict.fromkeys(packages(), Path(sys.executable).parent), data / "locked")
        expected = loaded(locked, asked.taps)

        def attempt(label: str) -> Tried | str:
            resolution, version = label.split()
            python = Path(sys.executable) if version == here else python_of(version)
            if python is None:
                return f"install it: uv python install {version}"
            (folder := data / label.replace(" ", "-")).mkdir()
            try:
                names = [*asked.taps, LOADER, SANDBOX]
                programs = {one: installed(one, resolution, python, dist) for one in names}
                wrong = differences(loaded(Place(programs, folder), asked.taps), expected)
            except FailedError as error:
                wrong = [str(error)]
            said = "; ".join(wrong) or f"{len(expected)} tables, the same"
            return Tried(label, int(bool(wrong)), said, HERE / "bounds")

        labels = [f"{one} {version}" for version in asked.versions or [here] for one in RESOLUTIONS]
        wanted = [label for label in labels if label.split()[0] in asked.resolutions]
        heads = ("versions", "tables", "time", "environments")
        return in_turn(wanted, attempt, "{:14}{:32}{:8}{}", heads)


if __name__ == "__main__":
    sys.exit(main())
