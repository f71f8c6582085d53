"""All of Airflow on this machine: ``make airflow``, and what ``make airflow-proof`` runs on.

Two Celery workers, scheduler, API server, DAG processor and triggerer; the metadata in an embedded
PostgreSQL, the broker is a Redis that comes as a package. Workers share no folder but the project's
files and Airflow's logs: Meltano's state is in PostgreSQL too, and each worker has a working folder
of its own. Only the web page and the broker listen, on this machine alone; both ask for a password.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil
import psycopg

from signalroom_orchestrate import capacity
from signalroom_target_postgres.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from types import TracebackType

HERE = Path(__file__).parent
PROGRAMS = HERE / ".venv" / "bin"
_STARTS_WITHIN = 120
_STOPS_WITHIN = 20
_WORKERS = ("worker-1", "worker-2")
#: Tasks that a worker runs at once.
_SLOTS = 2
_USER = "admin"
#: As in the cluster, where a worker runs what clients configure: Airflow's database and the key
#: that signs for any task are none of its business.
_NOT_FOR_WORKERS = {"AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}


class LocalAirflowError(Exception):
    """Airflow did not start; the message says which log to read."""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LocalAirflow:
    """A whole Airflow, from start to stop.

    Args:
        home: The folder for its files.
        project: The Meltano project.
        programs: Where the project's Meltano is.
        env: What its tasks see besides: credentials.
        port: Of its web page.
        loads_here: Whether tasks load into the same embedded PostgreSQL.
        settings: Airflow's own, by variable.
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
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._project = project
        self._programs = programs
        self._given = dict(env)
        self._loads_here = loads_here
        self._settings = dict(settings or {})
        self._token = ""
        #: Of the user ``admin``.
        self.password = secrets.token_urlsafe(12)
        self._stack = ExitStack()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def _passwords(self) -> Path:
        return self.home / "passwords.json"

    # Starting and stopping

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in reversed([*self.processes]):
            self.kill(name, signal.SIGTERM)
        self._remove_settings_of_runs()
        self._stack.close()

    def _start(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.postgres = self._stack.enter_context(EmbeddedPostgres(self.home / "postgres"))
        redis, password = free_port(), secrets.token_hex(32)
        self.env = self._environment(f"redis://:{password}@127.0.0.1:{redis}/0")
        self._remove_settings_of_runs()
        self._write_schedules()
        _write_private(self._passwords, json.dumps({_USER: self.password}))
        folder = self.home / "redis"
        folder.mkdir(exist_ok=True)
        # Who may write to the broker has the workers run tasks: not all users of this machine.
        # In a file, as everybody sees a process's arguments.
        config = folder / "redis.conf"
        _write_private(config, f"requirepass {password}\n")
        self._spawn(
            "redis",
            *(self._redis_server(), str(config), "--port", str(redis), "--bind", "127.0.0.1"),
            *("--save", "", "--dir", str(folder)),
        )
        self._run("airflow", "db", "migrate")
        self._run("airflow", "pools", "import", str(HERE / "pools.json"))
        self._spawn("api-server", "airflow", "api-server", "--port", str(self._port))
        self._wait_for_page()
        for name in ("scheduler", "dag-processor"):
            self._spawn(name, "airflow", name)
        # Logs are read from the folder: their servers would listen on all addresses.
        self._spawn("triggerer", "airflow", "triggerer", "--skip-serve-logs")
        for name in _WORKERS:
            self.start_worker(name)

    def start_worker(self, name: str) -> None:
        """Start a worker, with a working folder of its own for Meltano.

        Args:
            name: As it is called on the web page.
        """
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
        """Remove the files, with credentials, in which Meltano hands settings to taps and loaders.

        It removes them itself, unless it is killed. No worker runs.
        """
        for path in self.home.glob("worker-*/meltano/run/*/*.config.json"):
            path.unlink()

    def kill(self, name: str, how: int = signal.SIGKILL) -> None:
        """End a process with all that it started, as when its machine ends.

        Args:
            name: Which one.
            how: ``SIGKILL``, or ``SIGTERM`` for a good end.
        """
        process = self.processes.pop(name)
        try:
            main = psutil.Process(process.pid)
            family = [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        if how == signal.SIGKILL:
            # Stopped first, so that none sees another one go, and does something about it.
            for one in family:
                _signal(one, signal.SIGSTOP)
        for one in family if how == signal.SIGKILL else (main,):
            _signal(one, how)
        _, left = psutil.wait_procs(family, timeout=_STOPS_WITHIN)
        for one in left:
            _signal(one, signal.SIGKILL)
        process.wait()

    def _environment(self, broker: str) -> dict[str, str]:
        with psycopg.connect(self.postgres.libpq_url, autocommit=True) as connection:
            for name in ("airflow", "meltano"):
                query = "select 1 from pg_database where datname = %s"
                if not connection.execute(query, [name]).fetchone():
                    connection.execute(f"create database {name}")
        address = self.postgres.sqlalchemy_url
        meltano = address.replace("/signalroom?", "/meltano?")
        # Airflow has psycopg 2.
        airflow = address.replace("/signalroom?", "/airflow?").replace("+psycopg:", "+psycopg2:")
        kept = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}
        defaults = {
            "AIRFLOW_HOME": str(self.home / "airflow"),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{airflow}",
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # Nobody but this machine reaches it.
            "AIRFLOW__API__HOST": "127.0.0.1",
            # A web page that has its name resolve to this machine could do without a password what
            # the user can.
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:ADMIN",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
            "MELTANO_DATABASE_URI": meltano,
            "PYTHONPATH": str(HERE),
            "SIGNALROOM_PROGRAMS": str(self._programs),
            "SIGNALROOM_PROJECT": str(self._project),
            "SIGNALROOM_SCHEDULES": str(self.home / "schedules.json"),
        }
        if self._loads_here:
            defaults["TARGET_POSTGRES_SQLALCHEMY_URL"] = self.postgres.sqlalchemy_url
        defaults |= capacity.settings(workers=len(_WORKERS), slots=_SLOTS)
        return kept | defaults | self._given | self._settings

    @staticmethod
    def _redis_server() -> str:
        """The machine's, or the package's."""
        found = shutil.which("redis-server") or shutil.which("redis-server", path=str(PROGRAMS))
        if found is None:
            msg = "There is no redis-server. Call `make airflow`, which installs one."
            raise LocalAirflowError(msg)
        return found

    def _write_schedules(self) -> None:
        """As ``make airflow-schedules`` does; and Meltano's tables, before any run."""
        self._meltano("signalroom", "schedules", f"--output={self.home / 'schedules.json'}")
        self._meltano("meltano", "state", "list")

    def _meltano(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - the project's
            [self._programs / program, *arguments],
            cwd=self._project,
            env=self.env,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode == 1 and program == "signalroom":
            # Schedules that cannot be run: the others can.
            sys.stderr.write(done.stderr)
        elif done.returncode:
            msg = f"`{program} {' '.join(arguments)}` failed:\n{done.stderr}"
            raise LocalAirflowError(msg)

    def _run(self, program: str, *arguments: str) -> None:
        log = self._log(arguments[0])
        with log.open("ab") as file:
            done = subprocess.run(  # noqa: S603 - Airflow
                [PROGRAMS / program, *arguments],
                env=self.env,
                check=False,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        if done.returncode:
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
        with self._log(name).open("ab") as file:
            self.processes[name] = subprocess.Popen(  # noqa: S603 - Airflow, or its broker
                [PROGRAMS / program, *arguments],
                env=visible | env,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        folder = self.home / "logs"
        folder.mkdir(exist_ok=True)
        return folder / f"{name}.log"

    def _wait_for_page(self) -> None:
        until = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                self.ask("/api/v2/monitor/health", signed=False)
            except URLError:
                ended = self.processes["api-server"].poll() is not None
                if ended or time.monotonic() > until:
                    msg = f"Airflow's API server did not start: see {self._log('api-server')}"
                    raise LocalAirflowError(msg) from None
                time.sleep(0.5)
            else:
                return

    # Requests to the API

    def ask(
        self, path: str, body: Any = None, *, method: str | None = None, signed: bool = True
    ) -> Any:
        """Ask Airflow's API.

        Args:
            path: With its version, as in ``/api/v2/dags``.
            body: What to send, if anything.
            method: By default GET, or POST with a body.
            signed: With the token of this machine's only user.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if signed:
            if not self._token:
                login = {"username": _USER, "password": self.password}
                self._token = self.ask("/auth/token", login, signed=False)["access_token"]
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, headers, method=method)  # nosec B310 # noqa: S310 - this machine
        with urlopen(request, timeout=30) as response:  # nosec B310 # noqa: S310
            return json.load(response)


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _signal(process: psutil.Process, how: int) -> None:
    try:
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return


def main() -> int:
    """Run it for the project at hand, until it is interrupted."""
    root = HERE.parent
    home = root / ".meltano" / "airflow"
    programs = Path(sys.executable).parent
    # SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with LocalAirflow(home, root, programs, {}) as airflow:
            sys.stdout.write(f"Airflow is at {airflow.url}; its logs are in {home / 'logs'}\n")
            sys.stdout.write(f"Sign in as {_USER} with the password {airflow.password}\n")
            sys.stdout.write("DAGs are paused until you turn them on there. Ctrl-C ends it.\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        sys.stdout.write("\nStopped.\n")
    except LocalAirflowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
