"""``make airflow-proof``: Airflow loads all taps for five clients while a worker fails.

The mock vendors, an embedded PostgreSQL, and all of Airflow run on this machine. In the end each
client's tables must equal, row by row, those of a client that Meltano alone loaded, one tap after
the other, without Airflow and without a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg

from local_airflow.processes import find_family
from local_airflow.server import LocalAirflow, free_port
from signalroom_cli.clients import settings_of_sources
from signalroom_sandbox.gsheets import service_account
from signalroom_sandbox.server import SandboxServer
from signalroom_singer.settings.client_names import client_variable
from tools.client_rows import digest_rows

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
SOURCES = settings_of_sources(ROOT)
CLIENTS = ("acme", "birch", "cedar", "dune", "ember")
#: The client that Meltano alone loads, for comparison.
REFERENCE = "alone"
_WORKER = "worker-1"
_DAYS = 14


@dataclass
class Proof:
    """The course of the proof.

    Attributes:
        airflow: Airflow, which is running.
        started: When the proof started, by the monotonic clock.
        killed: The IDs of the tasks that ran on the worker when it was killed.
    """

    airflow: LocalAirflow
    started: float = field(default_factory=time.monotonic)
    killed: list[str] = field(default_factory=list)

    def report(self, text: str) -> None:
        """Print a line with the seconds since the start."""
        sys.stdout.write(f"{time.monotonic() - self.started:6.0f} s  {text}\n")
        sys.stdout.flush()

    def wait_for_dags(self) -> list[str]:
        """Wait until Airflow has parsed all DAGs of the clients; returns their IDs."""
        expected = len(CLIENTS) * len(SOURCES)
        while True:
            dags = self.airflow.api.request("/api/v2/dags?limit=500")["dags"]
            ids = sorted(dag["dag_id"] for dag in dags)
            ids = [id_ for id_ in ids if id_.rpartition("--")[2] in CLIENTS]
            if len(ids) == expected:
                return ids
            time.sleep(1)

    def trigger(self, dag_id: str) -> None:
        """Enable a DAG and start a run of it."""
        request = self.airflow.api.request
        request(f"/api/v2/dags/{dag_id}", {"is_paused": False}, method="PATCH")
        request(f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})

    def tasks(self) -> list[dict[str, Any]]:
        """All task instances of all runs."""
        path = "/api/v2/dags/~/dagRuns/~/taskInstances?limit=1000"
        tasks: list[dict[str, Any]] = self.airflow.api.request(path)["task_instances"]
        return tasks

    def kill_a_worker(self) -> None:
        """Kill a worker, with all child processes, while it loads."""
        while True:
            tasks = self.tasks()
            states = Counter(task["state"] for task in tasks)
            # A task that the worker got but did not start would wait until its queue timeout.
            is_settled = states["success"] >= len(CLIENTS) and not states["queued"]
            running = self._tasks_of_worker(tasks) if is_settled else {}
            if loading := [task_id for task_id, is_loading in running.items() if is_loading]:
                break
            time.sleep(0.5)
        self.airflow.processes.kill(_WORKER)
        self.killed = [*running]
        self.report(f"{_WORKER} was killed (SIGKILL) while it loaded {', '.join(loading)}")

    def _tasks_of_worker(self, tasks: list[dict[str, Any]]) -> dict[str, bool]:
        """The tasks that run on the worker, and whether their loader is running."""
        ids = {task["pid"]: task["task_id"] for task in tasks if task["state"] == "running"}
        return {
            ids[process.pid]: any(map(_is_loader, find_family(process.pid)))
            for process in find_family(self.airflow.processes.pid(_WORKER))
            if process.pid in ids
        }

    def wait_for_runs(self) -> bool:
        """Wait until all runs have ended; returns whether all were successful."""
        last: Counter[str] = Counter()
        while True:
            states = Counter(task["state"] or "waiting" for task in self.tasks())
            if states != last:
                counts = (f"{count} {state}" for state, count in sorted(states.items()))
                self.report(", ".join(counts))
                last = states
            if not states.keys() - {"success", "failed", "upstream_failed"}:
                return states.keys() == {"success"}
            time.sleep(2)

    def check_tries(self) -> bool:
        """Check that the killed tasks were retried, and no others."""
        tries: Counter[str] = Counter()
        for task in self.tasks():
            tries[task["task_id"]] = max(tries[task["task_id"]], task["try_number"])
        for task_id in self.killed:
            self.report(f"{task_id} was tried {tries[task_id]} times")
        others = {task_id: count for task_id, count in tries.items() if task_id not in self.killed}
        retried = {task_id: count for task_id, count in others.items() if count > 1}
        self.report(f"{len(others) - len(retried)} others took one try each")
        for task_id, count in retried.items():
            self.report(f"{task_id} TOOK {count} TRIES, and its worker was not killed")
        return not retried and all(tries[task_id] > 1 for task_id in self.killed)

    def check_log(self) -> bool:
        """Check that the web page shows the log of a task; print its end."""
        task = next(task for task in self.tasks() if task["task_id"] not in self.killed)
        log = self._read_log(task)
        self.report(f"The log of {task['task_id']}, as the web page shows it:")
        lines = [line for line in log.splitlines() if "target-postgres" in line]
        sys.stdout.write("\n".join(line[:120] for line in lines[-4:]) + "\n")
        return "Run completed" in log

    def _read_log(self, task: dict[str, Any]) -> str:
        path = (
            f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/"
            f"{task['task_id']}/logs/{task['try_number']}?full_content=true"
        )
        content = self.airflow.api.request(path)["content"]
        return "\n".join(
            str(line.get("event", "")) if isinstance(line, dict) else str(line) for line in content
        )


def main() -> int:
    """Run the proof; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    parser.add_argument("--look", action="store_true", help="wait at the end, to see the web page")
    options = parser.parse_args()
    # SIGTERM stops it as Ctrl-C does, so that no process is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="signalroom-airflow-"))
    try:
        with SandboxServer() as sandbox:
            is_ok = _prove(folder, sandbox, look=options.look)
    finally:
        if options.keep:
            sys.stdout.write(f"All logs are in {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_ok else 1


def _prove(folder: Path, sandbox: SandboxServer, *, look: bool) -> bool:
    # Each client stands for an account of its own. Their rate limits are not what is tested.
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    project = _create_project(folder)
    airflow = LocalAirflow(
        *(folder / "home", project, PROGRAMS, _client_variables(sandbox)),
        port=free_port(),
        loads_here=True,
        overrides={
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "SIGNALROOM_RETRY_SECONDS": "40",
        },
    )
    with airflow:
        proof = Proof(airflow)
        dag_ids = proof.wait_for_dags()
        proof.report(f"{airflow.url} has {len(dag_ids)} DAGs of {len(CLIENTS)} clients, 2 workers")
        for dag_id in dag_ids:
            proof.trigger(dag_id)
        proof.kill_a_worker()
        is_ok = proof.wait_for_runs()
        is_ok &= proof.check_tries()
        is_ok &= proof.check_log()
        proof.report("Now the same with Meltano alone, one tap after the other")
        for source in SOURCES:
            _load_reference(project, airflow.env, source)
        is_ok &= _compare_tables(airflow)
        proof.report("Done")
        if look:
            input(f"{airflow.url} - Enter stops Airflow. ")
    return is_ok


def _create_project(folder: Path) -> Path:
    """Copy the project's files, and create the clients."""
    project = folder / "project"
    project.mkdir()
    shutil.copy(ROOT / "meltano.yml", project)
    shutil.copytree(ROOT / "plugins", project / "plugins")
    for client in (*CLIENTS, REFERENCE):
        subprocess.run(  # noqa: S603 - this project's
            [
                *(PROGRAMS / "signalroom", "new-client", client),
                *("--folder", project / "clients"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=project,
        )
    return project


def _client_variables(sandbox: SandboxServer) -> dict[str, str]:
    """The credentials of all clients, and the days to load."""
    # Past days only: today's data changes between the loads that are compared.
    today = datetime.now(UTC).date()
    days = {"START": today - timedelta(days=_DAYS), "END": today - timedelta(days=2)}
    env = sandbox.dotenv | {
        "MELTANO_ENVIRONMENT": "sandbox",
        "TAP_GSHEETS_CREDENTIALS_JSON": service_account(sandbox.gsheets_url),
        **{
            f"TAP_{source}_{end}_DATE": day.isoformat()
            for source in ("EVERFLOW", "POSTHOG", "REDTRACK")
            for end, day in days.items()
        },
    }
    # Clients sign in with service accounts.
    del env["TAP_GSHEETS_API_KEY"]
    for client in (*CLIENTS, REFERENCE):
        for source, settings in SOURCES.items():
            for setting in settings:
                env[client_variable(client, source, setting)] = env[
                    client_variable("tap", source, setting)
                ]
    return env


def _load_reference(project: Path, env: dict[str, str], source: str) -> None:
    subprocess.run(  # noqa: S603 - this project's Meltano
        [PROGRAMS / "meltano", "run", f"tap-{source}--{REFERENCE}", "target-postgres"],
        cwd=project,
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _compare_tables(airflow: LocalAirflow) -> bool:
    """Compare each client's rows of each table with those that Meltano alone loaded."""
    agree = True
    with psycopg.connect(airflow.postgres.libpq_url) as connection:
        tables = digest_rows(connection)
    sys.stdout.write(f"\n{'table':36}{'rows a client':>14}   {'clients that agree':>18}\n")
    for (schema, table), digests in tables.items():
        expected = digests.get(REFERENCE)
        same = [client for client in CLIENTS if digests.get(client) == expected]
        agree &= len(same) == len(CLIENTS)
        count = expected[0] if expected else 0
        share = f"{len(same)} of {len(CLIENTS)}"
        sys.stdout.write(f"{f'{schema}.{table}':36}{count:>14,}   {share:>18}\n")
    sys.stdout.write("All tables are right.\n" if agree else "TABLES DIFFER\n")
    return agree and bool(tables)


def _is_loader(process: psutil.Process) -> bool:
    try:
        return any("/signalroom-target-postgres" in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    sys.exit(main())
