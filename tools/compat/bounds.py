"""``make compat-bounds``: every package with the lowest versions it declares, and the newest.

Each package gets a separate environment with its wheel and the kit's: once with the lowest version
of each direct dependency, once with the newest. Nothing is built from source: a version without a
wheel for the Python counts as a failure. Then each tap loads from the mock vendors, and every table
must have the rows that the locked versions load.
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
from tools.compat.attempts import HERE, Outcome, try_versions
from tools.compat.pythons import SUPPORTED, UV, python_of
from tools.release import KIT, packages

if TYPE_CHECKING:
    from collections.abc import Iterator

#: uv's names of the two resolutions.
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
LOADER, SANDBOX = "signalroom-target-postgres", "signalroom-sandbox"
#: The sources with a start date, and the number of days to read from them.
DATED, DAYS = ("everflow", "posthog", "redtrack"), 5
#: The batch settings of meltano.yml: columnar files instead of records.
BATCH = {"encoding": {"format": "arrow"}}
#: Two records, one with a value of the wrong type: that one must be quarantined, the other loaded.
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
#: Columns that differ between loads: when a row was loaded, and why one was rejected.
LOAD_COLUMNS = (
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
  SELECT md5(regexp_replace((to_jsonb(loaded) - '{{{2}}}'::text[])::text, '{3}', '', 'g')) AS row
  FROM "{0}"."{1}" AS loaded
) AS rows
"""
#: Values that the mock vendors derive from their start time, which are not compared.
MOVING = {"mautic": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"}

Contents = dict[str, tuple[str, str]]


class FailedError(Exception):
    """A command failed; the message has the end of its error output."""


class Installation(NamedTuple):
    """The programs of one set of versions.

    Attributes:
        programs: The folder of executables of each package, by the package's name.
        data: The folder for the files that the programs read and write.
    """

    programs: dict[str, Path]
    data: Path

    def run(self, package: str, *command: str | Path, **options: Any) -> str:
        """Run an executable of a package and return its output.

        Args:
            package: The name of the package that has the executable.
            command: The executable's name, and its arguments.
            options: Options of ``subprocess.run``; ``env`` is added to a clean environment.

        Raises:
            FailedError: If it fails.
        """
        program, *arguments = command
        clean = {name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ}
        options["env"] = clean | options["env"]
        return _run(self.programs[package] / program, *arguments, cwd=self.data, **options)


def _run(*command: str | Path, **options: Any) -> str:
    options = {"stdout": subprocess.PIPE} | options
    done = subprocess.run(  # noqa: S603 - uv, and the programs of this project
        command, stderr=subprocess.PIPE, text=True, check=False, **options
    )
    if done.returncode:
        msg = f"{Path(command[0]).name} failed: {done.stderr.strip()[-1500:]}"
        raise FailedError(msg)
    return done.stdout or ""


def build_wheels() -> Path:
    """Build the wheels of all packages from this tree, and return their folder."""
    folder = HERE / "bounds" / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    _run(UV, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", folder, cwd=ROOT)
    return folder


def install(package: str, resolution: str, python: Path, dist: Path) -> Path:
    """Install a package into a new environment.

    Args:
        package: The name of the package.
        resolution: A key of ``RESOLUTIONS``, ``lowest`` or ``newest``.
        python: The path of the interpreter.
        dist: The folder of the wheels.

    Returns:
        The folder of its executables.
    """
    version = re.sub(r"\D+", "-", python.resolve().name) or "-"
    folder = HERE / "bounds" / f"{package}-{resolution}{version}"
    _run(UV, "venv", "--quiet", "--clear", "--python", python, folder)
    manifest = packages()[package].folder / "pyproject.toml"
    requirements = tomllib.loads(manifest.read_text())["project"]["dependencies"]
    needs_kit = any(requirement.startswith(KIT) for requirement in requirements)
    ours = [package, KIT] if needs_kit else [package]
    # With their manifests too: to uv the requirements of wheels are not direct dependencies.
    manifests = [f"--requirements={packages()[name].folder / 'pyproject.toml'}" for name in ours]
    wheels = [next(dist.glob(f"{name.replace('-', '_')}-*.whl")) for name in ours]
    options = ["--no-sources", "--no-build", "--all-extras", "--resolution"]
    options += [RESOLUTIONS[resolution]]
    _run(UV, "pip", "install", "--quiet", f"--python={folder}", *options, *manifests, *wheels)
    return folder / "bin"


@contextmanager
def sandbox(installation: Installation) -> Iterator[dict[str, str]]:
    """Run the mock vendors; yields the variables with which taps connect to them."""
    command: list[str | Path] = [installation.programs[SANDBOX] / SANDBOX, "--port=0"]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, text=True, cwd=installation.data
    ) as process:
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


def load(installation: Installation, taps: list[str]) -> Contents:
    """Run each tap into an embedded PostgreSQL, and digest the tables.

    Args:
        installation: The programs to run.
        taps: The names of the taps to run.

    Returns:
        The number of rows and a digest of them, by table.

    Raises:
        FailedError: If a program fails.
    """
    server = {"SIGNALROOM_PGDATA": str(installation.data / "pg")}
    today = datetime.now(UTC).date()
    with sandbox(installation) as variables:
        for tap in taps:
            source = tap.removeprefix("tap-").replace("-", "_")
            env = dict(variables)
            if source in DATED:
                # Up to yesterday: today's data of the mock vendors changes over time.
                for end, days in (("START", DAYS), ("END", 1)):
                    day = today - timedelta(days=days)
                    env[f"TAP_{source.upper()}_{end}_DATE"] = day.isoformat()
            if source == "sticky_s3":
                files = installation.data / "batches"
                files.mkdir()
                storage = {"storage": {"root": files.as_uri()}}
                env["TAP_STICKY_S3_BATCH_CONFIG"] = json.dumps(BATCH | storage)
            settings = server | {
                "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": source,
                "TARGET_POSTGRES_ACTIVATE_VERSION": "true",
                "TARGET_POSTGRES_HARD_DELETE": "true",
            }
            with (installation.data / f"{tap}.jsonl").open("w+") as messages:
                installation.run(tap, tap, "--config=ENV", env=env, stdout=messages)
                messages.seek(0)
                installation.run(LOADER, LOADER, "--config=ENV", env=settings, stdin=messages)
        settings = server | {
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "bad",
            "TARGET_POSTGRES_ON_BAD_RECORD": "quarantine",
        }
        lines = "".join(f"{json.dumps(message)}\n" for message in BAD)
        installation.run(LOADER, LOADER, "--config=ENV", env=settings, input=lines)
        tables = _query(installation, TABLES, server)
        digests = " UNION ALL ".join(
            TABLE.format(schema, table, LOAD_COLUMNS, MOVING.get(schema, "$."))
            for schema, table in tables
        )
        return {
            name: (rows, content) for name, rows, content in _query(installation, digests, server)
        }


def _query(installation: Installation, query: str, server: dict[str, str]) -> list[list[str]]:
    output = installation.run(LOADER, "signalroom-postgres", "sql", "--csv", query, env=server)
    return [*csv.reader(io.StringIO(output))][1:]


def differences(actual: Contents, expected: Contents) -> list[str]:
    """Name the tables that differ.

    Args:
        actual: The tables that the tested versions loaded.
        expected: The tables that the locked versions loaded.
    """
    return [
        f"{name}: {actual.get(name, ('none',))[0]} rows, {expected.get(name, ('none',))[0]} locked"
        for name in sorted(actual.keys() | expected.keys())
        if actual.get(name) != expected.get(name)
    ]


def main() -> int:
    """Test all packages and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    taps = [name for name in packages() if name.startswith("tap-")]
    parser.add_argument(
        "--versions", nargs="+", choices=SUPPORTED, help="of Python; by default this one's"
    )
    parser.add_argument("--resolutions", nargs="+", choices=RESOLUTIONS, default=[*RESOLUTIONS])
    parser.add_argument("--taps", nargs="+", choices=taps, default=taps)
    options = parser.parse_args()
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    dist = build_wheels()
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as name:
        data = Path(name)
        (data / "locked").mkdir()
        locked = Installation(
            dict.fromkeys(packages(), Path(sys.executable).parent), data / "locked"
        )
        expected = load(locked, options.taps)

        def attempt(label: str) -> Outcome | str:
            resolution, version = label.split()
            python = Path(sys.executable) if version == here else python_of(version)
            if python is None:
                return f"install it: uv python install {version}"
            (folder := data / label.replace(" ", "-")).mkdir()
            try:
                names = [*options.taps, LOADER, SANDBOX]
                programs = {name: install(name, resolution, python, dist) for name in names}
                tables = load(Installation(programs, folder), options.taps)
                problems = differences(tables, expected)
            except FailedError as error:
                problems = [str(error)]
            summary = "; ".join(problems) or f"{len(expected)} tables, the same"
            return Outcome(label, int(bool(problems)), summary, HERE / "bounds")

        labels = [
            f"{resolution} {version}"
            for version in options.versions or [here]
            for resolution in RESOLUTIONS
            if resolution in options.resolutions
        ]
        heads = ("versions", "tables", "time", "environments")
        return try_versions(labels, attempt, "{:14}{:32}{:8}{}", heads)


if __name__ == "__main__":
    sys.exit(main())
