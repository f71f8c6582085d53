"""A project as DAGs see it: a list of schedules, and programs that write down their calls."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
#: As `meltano schedule list --format=json` writes it.
LISTED = {
    "schedules": {
        "job": [
            {
                "name": "everflow-hourly--acme",
                "interval": "6 * * * *",
                "cron_interval": "6 * * * *",
                "env": {"TAP_EVERFLOW__ACME_INCLUDE_TODAY": "true"},
                "job": {"name": "everflow--acme", "tasks": ["tap-everflow--acme target-postgres"]},
            },
            {
                "name": "both",
                "interval": "@once",
                "cron_interval": None,
                "env": {},
                "job": {
                    "name": "both",
                    "tasks": ["tap-sticky-s3 target-postgres", "tap-redtrack target-postgres"],
                },
            },
        ],
        "elt": [],
    }
}
_PROGRAM = """#!{python}
import json, os, sys
with open({calls!r}, "a") as file:
    file.write(json.dumps([{name!r}, *sys.argv[1:], os.getcwd()]) + "\\n")
if "--plan" in sys.argv:
    print("[0, 1, 2]")
if os.environ["PATH"].split(os.pathsep)[0] != os.path.dirname(sys.argv[0]):
    sys.exit("the taps are not found")
if os.path.exists({failing!r}):
    sys.exit("no such key")
"""


def pytest_configure():
    """Airflow reads its settings when it is first imported."""
    home = Path(os.environ.get("TMPDIR", "/tmp")) / f"signalroom-dags-{os.getpid()}"
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PYTHONPATH": str(HERE),
        "SIGNALROOM_RETRY_SECONDS": "0.1",
    }


@pytest.fixture(scope="session", autouse=True)
def _airflow():
    """Airflow's tables and the project's pools."""
    programs = Path(sys.executable).parent
    for arguments in (("db", "migrate"), ("pools", "import", str(HERE / "pools.json"))):
        subprocess.run([programs / "airflow", *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder; ``calls()`` says what was called, ``fail()`` lets it fail."""
    folder = tmp_path / "project"
    folder.mkdir()
    calls, failing = tmp_path / "calls", tmp_path / "failing"
    for name in ("meltano", "signalroom"):
        program = folder / name
        text = _PROGRAM.format(
            python=sys.executable, name=name, calls=str(calls), failing=str(failing)
        )
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    listed = tmp_path / "schedules.json"
    listed.write_text(json.dumps(LISTED))
    monkeypatch.setenv("SIGNALROOM_PROJECT", str(folder))
    monkeypatch.setenv("SIGNALROOM_PROGRAMS", str(folder))
    monkeypatch.setenv("SIGNALROOM_SCHEDULES", str(listed))

    class Project:
        path = folder
        schedules = listed

        @staticmethod
        def calls():
            lines = calls.read_text().splitlines() if calls.exists() else ()
            return [json.loads(line) for line in lines]

        @staticmethod
        def fail():
            failing.touch()

    return Project
