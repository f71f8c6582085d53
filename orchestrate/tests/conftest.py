"""A project as DAGs see it: a list of schedules, and programs that record their calls."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
#: The output of `signalroom schedules`.
SCHEDULES = {
    "schedules": [
        {
            "name": "everflow-hourly--acme",
            "cron": "6 * * * *",
            "env": {"TAP_EVERFLOW__ACME_INCLUDE_TODAY": "true"},
            "tasks": [
                {
                    "name": "tap-everflow--acme",
                    "command": ["run", "tap-everflow--acme", "target-postgres"],
                    "source": "everflow",
                    "client": "acme",
                }
            ],
            "problem": "",
        },
        {
            "name": "both",
            "cron": None,
            "env": {},
            "tasks": [
                {
                    "name": f"tap-{source}",
                    "command": ["run", f"tap-{source}", "target-postgres"],
                    "source": source,
                    "client": "",
                }
                for source in ("sticky-s3", "redtrack")
            ],
            "problem": "",
        },
    ]
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
    """A project's folder: ``calls()`` returns the calls of programs, ``fail()`` makes them fail."""
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
    schedules_file = tmp_path / "schedules.json"
    schedules_file.write_text(json.dumps(SCHEDULES))
    monkeypatch.setenv("SIGNALROOM_PROJECT", str(folder))
    monkeypatch.setenv("SIGNALROOM_PROGRAMS", str(folder))
    monkeypatch.setenv("SIGNALROOM_SCHEDULES", str(schedules_file))

    class Project:
        path = folder
        schedules = schedules_file

        @staticmethod
        def add(name, *tasks, cron="0 * * * *", problem=""):
            """Add a schedule; each task is the arguments of `run`."""
            content = json.loads(schedules_file.read_text())
            content["schedules"].append(
                {
                    "name": name,
                    "cron": cron,
                    "env": {},
                    "tasks": [
                        {
                            "name": words.split()[0],
                            "command": ["run", *words.split()],
                            "source": words.split()[0].partition("tap-")[2],
                            "client": "",
                        }
                        for words in tasks
                    ],
                    "problem": problem,
                }
            )
            schedules_file.write_text(json.dumps(content))

        @staticmethod
        def calls():
            lines = calls.read_text().splitlines() if calls.exists() else ()
            return [json.loads(line) for line in lines]

        @staticmethod
        def fail():
            failing.touch()

    return Project


@pytest.fixture
def hook(monkeypatch):
    """A webhook; returns the list of alerts that it receives."""
    alerts = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            alerts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SIGNALROOM_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/T0/x")
    yield alerts
    server.shutdown()
    thread.join()
    server.server_close()
