"""The demo's runs of Meltano, and its database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from signalroom_cli.demo.isolation import NO_ENV_FILE
from signalroom_cli.folders import read_project_file
from signalroom_cli.output import print_lines
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.embedded.paths import data_directory_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MELTANO = Path(sys.executable).parent / "meltano"
LOG = Path(".meltano") / "demo.log"
#: What Meltano logs at the end of each job.
_COMPLETED = re.compile(r"\[info +\] meltano +Block run completed")
#: What Meltano logs of a failed job. The reason is in the lines before.
_FAILED = re.compile(r"\] meltano +(?:Block run completed|(?:Extractor|Loader)[a-z ]* failed)")
_STATE_ID = "sandbox:{tap}-to-target-postgres"


@cache
def schemas_of_taps() -> dict[str, str]:
    """The schema that each tap loads into, in the order of meltano.yml.

    The demo asks for them six times, and parsing the file takes half a second.
    """
    plugins = read_project_file(Path("meltano.yml"))["plugins"]["extractors"]
    return {plugin["name"]: plugin["load_schema"] for plugin in plugins}


@contextmanager
def connect() -> Iterator[psycopg.Connection[Any]]:
    """Connect to the demo's database."""
    with EmbeddedPostgres() as server, psycopg.connect(server.libpq_url) as connection:
        yield connection


def reset() -> None:
    """Delete the demo's database and its states: those of the environment `sandbox`."""
    LOG.write_text("")
    EmbeddedPostgres().stop(force=True)
    shutil.rmtree(data_directory_of("sandbox"), ignore_errors=True)
    command = [str(MELTANO), *NO_ENV_FILE, "state", "list"]
    states = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    state_ids = states.stdout.split()
    for tap in schemas_of_taps():
        if (state_id := _STATE_ID.format(tap=tap)) in state_ids:
            run_meltano("state", "clear", "--force", state_id)


def run_meltano(*arguments: str, **settings: str) -> bool:
    """Run Meltano, log its output, and print how long each job took; its errors if it fails.

    Args:
        arguments: Meltano's command and its arguments, such as the names of jobs.
        settings: Environment variables of the run.

    Returns:
        Whether the run was successful.
    """
    with (
        # Line by line, for those who follow the file.
        LOG.open("a", buffering=1) as log,
        subprocess.Popen(  # noqa: S603 - this project's Meltano
            [MELTANO, *NO_ENV_FILE, *arguments],
            env=os.environ | settings | {"NO_COLOR": "1", "PATH": _path()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as run,
    ):
        started, jobs = time.monotonic(), iter(arguments[1:])
        try:
            for line in run.stdout or ():
                log.write(line)
                if _COMPLETED.search(line):
                    print_lines(f"         {next(jobs):10} {time.monotonic() - started:5.1f} s")
                    started = time.monotonic()
        except BaseException:
            # Interrupted: Meltano must not run on in the background.
            run.kill()
            raise
    if run.returncode:
        lines = LOG.read_text().splitlines()
        # The errors that a user can act on; without any, the last lines.
        errors = [line for line in lines if "[error" in line and not _FAILED.search(line)]
        sys.stderr.write("\n".join(errors or lines[-10:]) + "\n")
        print_lines(f"meltano {' '.join(arguments)} failed. Full log: {LOG}")
    return run.returncode == 0


def _path() -> str:
    """The PATH on which Meltano looks up taps and loader: its own folder comes first."""
    return os.pathsep.join((str(MELTANO.parent), os.environ.get("PATH", os.defpath)))
