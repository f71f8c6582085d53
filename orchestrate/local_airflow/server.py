"""Airflow on this machine, as close to the cluster as one machine allows.

It has two Celery workers, scheduler, API server, DAG processor and triggerer. Its database is an
embedded PostgreSQL, its broker a Redis. Workers share only the project's files and Airflow's logs:
Meltano's states are in PostgreSQL, and each worker has its own working folder. Only the web page
and the broker listen, on this machine alone, and both require a password.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.error import URLError

import psycopg

from local_airflow.api import AirflowApi
from local_airflow.processes import Processes
from signalroom_orchestrate.capacity import capacity_settings
from signalroom_target_postgres.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

USER = "admin"
_ORCHESTRATE = Path(__file__).parents[1]
_PROGRAMS = _ORCHESTRATE / ".venv" / "bin"
_START_TIMEOUT = 120
_WORKERS = ("worker-1", "worker-2")
#: The number of tasks that a worker runs at once.
_SLOTS = 2
#: As in the cluster. Workers run what clients configure: they get neither Airflow's database nor
#: the key that signs the tokens of tasks.
_NOT_FOR_WORKERS = {"AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}


class LocalAirflowError(Exception):
    """Airflow did not start; the message says which log to read."""


def free_port() -> int:
    """A port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LocalAirflow:
    """All processes of Airflow, from start to stop.

    Args:
        home: The folder for its files.
        project: The folder of the Meltano project.
        programs: The folder of the project's programs, such as Meltano.
        env: Variables that tasks see, such as credentials.
        port: The port of its web page.
        loads_here: Whether tasks load into the same embedded PostgreSQL.
        overrides: Environment variables that replace settings of Airflow.
    """

    def __init__(
        self,
        home: Path,
        project: Path,
        programs: Path,
        env: Mapping[str, str],
        *,
        port: int = 8080,
        loads_here: bool = False,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self.password = secrets.token_urlsafe(12)
        self.api = AirflowApi(self.url, USER, self.password)
        self.processes = Processes(home / "logs")
        self._port = port
        self._project = project
        self._programs = programs
        self._schedules = home / "schedules.json"
        self._passwords = home / "passwords.json"
        self._task_env = dict(env)
        self._loads_here = loads_here
        self._overrides = dict(overrides or {})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.stop_all()
        self._remove_settings_of_runs()
        self._stack.close()

    def _start(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.home / "logs").mkdir(exist_ok=True)
        self.postgres = self._stack.enter_context(EmbeddedPostgres(self.home / "postgres"))
        redis_port, redis_password = free_port(), secrets.token_hex(32)
        self.env = self._environment(f"redis://:{redis_password}@127.0.0.1:{redis_port}/0")
        self._remove_settings_of_runs()
        self._prepare_project()
        _write_private(self._passwords, json.dumps({USER: self.password}))
        self._start_broker(redis_port, redis_password)
        self._run("airflow", "db", "migrate")
        self._run("airflow", "pools", "import", str(_ORCHESTRATE / "pools.json"))
        self._spawn("api-server", "airflow", "api-server", "--port", str(self._port))
        self._wait_for_page()
        for name in ("scheduler", "dag-processor"):
            self._spawn(name, "airflow", name)
        # Logs are read from the folder: the log servers would listen on all addresses.
        self._spawn("triggerer", "airflow", "triggerer", "--skip-serve-logs")
        for name in _WORKERS:
            self._start_worker(name)

    def _start_broker(self, port: int, password: str) -> None:
        folder = self.home / "redis"
        folder.mkdir(exist_ok=True)
        # Who can write to the broker can run tasks on the workers, so it requires a password. That
        # is in a file, as all users of the machine see the arguments of processes.
        config = folder / "redis.conf"
        _write_private(config, f"requirepass {password}\n")
        self._spawn(
            "redis",
            *(_redis_server(), str(config), "--port", str(port), "--bind", "127.0.0.1"),
            *("--save", "", "--dir", str(folder)),
        )

    def _start_worker(self, name: str) -> None:
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        self._spawn(
            name,
            *("airflow", "celery", "worker", "--skip-serve-logs"),
            *("--celery-hostname", f"{name}@%h"),
            without=_NOT_FOR_WORKERS,
            MELTANO_SYS_DIR_ROOT=str(folder / "meltano"),
        )

    def _remove_settings_of_runs(self) -> None:
        """Remove the files, with credentials, in which Meltano passes settings to taps and loaders.

        Meltano deletes them itself, unless it is killed. No worker is running.
        """
        for path in self.home.glob("worker-*/meltano/run/*/*.config.json"):
            path.unlink()

    def _environment(self, broker: str) -> dict[str, str]:
        with psycopg.connect(self.postgres.libpq_url, autocommit=True) as connection:
            for name in ("airflow", "meltano"):
                query = "select 1 from pg_database where datname = %s"
                if not connection.execute(query, [name]).fetchone():
                    connection.execute(f"create database {name}")
        warehouse = self.postgres.sqlalchemy_url
        # Airflow has psycopg 2.
        airflow = warehouse.replace("/signalroom?", "/airflow?").replace("+psycopg:", "+psycopg2:")
        env = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}
        env |= {
            "AIRFLOW_HOME": str(self.home / "airflow"),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__BASE_URL": self.url,
            # It listens on this machine only.
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{airflow}",
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__DAGS_FOLDER": str(_ORCHESTRATE / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # A password is needed on this machine, too: any web site can have its name resolve to
            # 127.0.0.1, and so send requests from the user's browser.
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:ADMIN",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
            "MELTANO_DATABASE_URI": warehouse.replace("/signalroom?", "/meltano?"),
            "PYTHONPATH": str(_ORCHESTRATE),
            "SIGNALROOM_PROGRAMS": str(self._programs),
            "SIGNALROOM_PROJECT": str(self._project),
            "SIGNALROOM_SCHEDULES": str(self._schedules),
        }
        env |= capacity_settings(workers=len(_WORKERS), slots=_SLOTS)
        if self._loads_here:
            env["TARGET_POSTGRES_SQLALCHEMY_URL"] = warehouse
        return env | self._task_env | self._overrides

    def _prepare_project(self) -> None:
        """Write the schedules as ``make airflow-schedules`` does; create Meltano's tables."""
        self._run_in_project("signalroom", "schedules", f"--output={self._schedules}")
        self._run_in_project("meltano", "state", "list")

    def _run_in_project(self, program: str, *arguments: str) -> None:
        completed = subprocess.run(  # noqa: S603 - a program of the project
            [self._programs / program, *arguments],
            cwd=self._project,
            env=self.env,
            check=False,
            capture_output=True,
            text=True,
        )
        if completed.returncode == 1 and program == "signalroom":
            # Some schedules cannot be run, but the others can.
            sys.stderr.write(completed.stderr)
        elif completed.returncode:
            msg = f"`{program} {' '.join(arguments)}` failed:\n{completed.stderr}"
            raise LocalAirflowError(msg)

    def _run(self, program: str, *arguments: str) -> None:
        log = self.processes.log(arguments[0])
        with log.open("ab") as file:
            completed = subprocess.run(  # noqa: S603 - Airflow
                [_PROGRAMS / program, *arguments],
                env=self.env,
                check=False,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        if completed.returncode:
            msg = f"`{program} {' '.join(arguments)}` failed: see {log}"
            raise LocalAirflowError(msg)

    def _spawn(
        self,
        name: str,
        program: str,
        *arguments: str,
        without: Container[str] = (),
        **env: str,
    ) -> None:
        visible = {key: value for key, value in self.env.items() if key not in without}
        self.processes.start(name, [_PROGRAMS / program, *arguments], visible | env)

    def _wait_for_page(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                self.api.request("/api/v2/monitor/health", authenticate=False)
            except URLError:
                if self.processes.has_ended("api-server") or time.monotonic() > deadline:
                    log = self.processes.log("api-server")
                    msg = f"Airflow's API server did not start: see {log}"
                    raise LocalAirflowError(msg) from None
                time.sleep(0.5)
            else:
                return


def _redis_server() -> str:
    """The path of redis-server: that of the machine, or of the package."""
    path = shutil.which("redis-server") or shutil.which("redis-server", path=str(_PROGRAMS))
    if path is None:
        msg = "redis-server not found. Run `make airflow`, which installs one."
        raise LocalAirflowError(msg)
    return path


def _write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
