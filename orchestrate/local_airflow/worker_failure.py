"""Airflow loads all taps for five clients while a worker dies: ``make airflow-proof``.

The stand-ins of the vendors, an embedded PostgreSQL, and the whole of Airflow run on this machine.
In the end each client's tables must be, row by row, those of a client that Meltano alone loaded,
one tap after the other, without Airflow and without a death.
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

from local import LocalAirflow, free_port
from signalroom_cli.clients import settings_of_sources
from signalroom_sandbox.gsheets import service_account
from signalroom_sandbox.server import SandboxServer
from signalroom_singer.settings.client_names import client_variable
from tools.client_rows import digests

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
OWN = settings_of_sources(ROOT)
CLIENTS = ("acme", "birch", "cedar", "dune", "ember")
#: Loaded by Meltano alone, for comparison.
ALONE = "alone"
_DAYS = 14


@dataclass
class Proof:
    """What happens, and what was seen.

    Attributes:
        airflow: Started.
        began: When.
        killed: Tasks that ran on the worker that died.
    """

    airflow: LocalAirflow
    began: float = field(default_factory=time.monotonic)
    killed: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print a line, with the seconds since the beginning."""
        sys.stdout.write(f"{time.monotonic() - self.began:6.0f} s  {text}\n")
        sys.stdout.flush()

    def dags(self) -> list[str]:
        """The DAGs of the clients, once Airflow has read them all."""
        expected = len(CLIENTS) * len(OWN)
        while True:
            listed = self.airflow.ask("/api/v2/dags?limit=500")["dags"]
            names = sorted(one["dag_id"] for one in listed if _client(one["dag_id"]) in CLIENTS)
            if len(names) == expected:
                return names
            time.sleep(1)

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks of all runs."""
        path = "/api/v2/dags/~/dagRuns/~/taskInstances?limit=1000"
        found: list[dict[str, Any]] = self.airflow.ask(path)["task_instances"]
        return found

    def trigger(self, name: str) -> None:
        """Turn a DAG on for one run, now and not by its schedule."""
        self.airflow.ask(f"/api/v2/dags/{name}", {"is_paused": False}, method="PATCH")
        self.airflow.ask(f"/api/v2/dags/{name}/dagRuns", {"logical_date": None})

    def kill_a_worker(self) -> None:
        """End a worker in the middle, together with the runs of Meltano on it."""
        while True:
            tasks = self.tasks()
            states = Counter(task["state"] for task in tasks)
            # What a worker has received and not begun would wait until its time in the queue is up.
            settled = states["success"] >= len(CLIENTS) and not states["queued"]
            running = self._running(tasks, "worker-1") if settled else {}
            if loading := [task_id for task_id, loads in running.items() if loads]:
                break
            time.sleep(0.5)
        self.airflow.kill("worker-1")
        self.killed = [*running]
        self.say(f"worker-1 was killed (SIGKILL) while it loaded {', '.join(loading)}")

    def _running(self, tasks: list[dict[str, Any]], worker: str) -> dict[str, bool]:
        """Tasks that run on a worker, and whether their loader does."""
        running = {task["pid"]: task["task_id"] for task in tasks if task["state"] == "running"}
        found = {}
        for process in _family(self.airflow.processes[worker].pid):
            if process.pid in running:
                commands = [_command(one) for one in _family(process.pid)]
                found[running[process.pid]] = any(
                    "/signalroom-target-postgres" in part for one in commands for part in one
                )
        return found

    def wait(self) -> bool:
        """Wait for the end of all runs; gives whether all went well."""
        told: Counter[str] = Counter()
        while True:
            states = Counter(task["state"] or "waiting" for task in self.tasks())
            if states != told:
                self.say(", ".join(f"{count} {state}" for state, count in sorted(states.items())))
                told = states
            if not states.keys() - {"success", "failed", "upstream_failed"}:
                return states.keys() == {"success"}
            time.sleep(2)

    def log_of(self, task: dict[str, Any]) -> str:
        """The log of a task's last try, as the web page shows it."""
        path = (
            f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/"
            f"{task['task_id']}/logs/{task['try_number']}?full_content=true"
        )
        content = self.airflow.ask(path)["content"]
        return "\n".join(
            str(line.get("event", "")) if isinstance(line, dict) else str(line) for line in content
        )


def main() -> int:
    """Run it; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the folder with all logs")
    parser.add_argument("--look", action="store_true", help="wait in the end, to look at the page")
    asked = parser.parse_args()
    # SIGTERM ends it as Ctrl-C does: nothing that was started stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="signalroom-airflow-"))
    try:
        with SandboxServer() as sandbox:
            ok = _prove(folder, sandbox, look=asked.look)
    finally:
        if asked.keep:
            sys.stdout.write(f"All logs are in {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if ok else 1


def _prove(folder: Path, sandbox: SandboxServer, *, look: bool) -> bool:
    # Each client is an account of its own: their limits are not the point.
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    project = _project(folder)
    env = _variables(sandbox)
    airflow = LocalAirflow(
        folder / "home",
        project,
        PROGRAMS,
        env,
        port=free_port(),
        loads_here=True,
        settings={
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "SIGNALROOM_RETRY_SECONDS": "40",
        },
    )
    with airflow:
        proof = Proof(airflow)
        names = proof.dags()
        proof.say(f"{airflow.url} has {len(names)} DAGs of {len(CLIENTS)} clients, 2 workers")
        for name in names:
            proof.trigger(name)
        proof.kill_a_worker()
        ok = proof.wait()
        tries: dict[str, int] = {}
        for task in proof.tasks():
            tries[task["task_id"]] = max(tries.get(task["task_id"], 0), task["try_number"])
        for task_id in proof.killed:
            proof.say(f"{task_id} was tried {tries[task_id]} times")
        ok &= all(tries[task_id] > 1 for task_id in proof.killed)
        again = {
            one: count for one, count in tries.items() if one not in proof.killed and count > 1
        }
        proof.say(f"{len(tries) - len(proof.killed) - len(again)} others took one try each")
        for task_id, count in again.items():
            proof.say(f"{task_id} TOOK {count} TRIES, and its worker was not killed")
        ok &= not again
        shown = next(task for task in proof.tasks() if task["task_id"] not in proof.killed)
        ok &= "Run completed" in proof.log_of(shown)
        proof.say(f"The log of {shown['task_id']}, as the web page has it:")
        lines = [line for line in proof.log_of(shown).splitlines() if "target-postgres" in line]
        sys.stdout.write("\n".join(line[:120] for line in lines[-4:]) + "\n")
        proof.say("Now the same by Meltano alone, one tap after the other")
        for source in OWN:
            _alone(project, airflow.env, source)
        ok &= _compare(airflow)
        proof.say("Done")
        if look:
            input(f"{airflow.url} - Enter ends it. ")
    return ok


def _project(folder: Path) -> Path:
    """The project's files, with five clients; nothing of the machine's."""
    project = folder / "project"
    project.mkdir()
    shutil.copy(ROOT / "meltano.yml", project)
    shutil.copytree(ROOT / "plugins", project / "plugins")
    for client in (*CLIENTS, ALONE):
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


def _variables(sandbox: SandboxServer) -> dict[str, str]:
    """The credentials of each client, as its file asks for them."""
    # Days that are over: what happens at the vendors meanwhile is no difference.
    today = datetime.now(UTC).date()
    days = {"START": today - timedelta(days=_DAYS), "END": today - timedelta(days=2)}
    given = sandbox.dotenv | {
        "MELTANO_ENVIRONMENT": "sandbox",
        "TAP_GSHEETS_CREDENTIALS_JSON": service_account(sandbox.gsheets_url),
        **{
            f"TAP_{source}_{end}_DATE": day.isoformat()
            for source in ("EVERFLOW", "POSTHOG", "REDTRACK")
            for end, day in days.items()
        },
    }
    # Each signs in with a service account of its own.
    del given["TAP_GSHEETS_API_KEY"]
    for client in (*CLIENTS, ALONE):
        for source, settings in OWN.items():
            for setting in settings:
                given[client_variable(client, source, setting)] = given[
                    client_variable("tap", source, setting)
                ]
    return given


def _alone(project: Path, env: dict[str, str], source: str) -> None:
    subprocess.run(  # noqa: S603 - this project's Meltano
        [PROGRAMS / "meltano", "run", f"tap-{source}--{ALONE}", "target-postgres"],
        cwd=project,
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _compare(airflow: LocalAirflow) -> bool:
    """Hold each client's rows of each table against those that Meltano alone loaded."""
    agrees = True
    with psycopg.connect(airflow.postgres.libpq_url) as connection:
        tables = digests(connection)
    sys.stdout.write(f"\n{'table':36}{'rows a client':>14}   {'clients that agree':>18}\n")
    for (schema, table), found in tables.items():
        same = [one for one in CLIENTS if found.get(one) == found.get(ALONE)]
        agrees &= len(same) == len(CLIENTS)
        count = found.get(ALONE, [0])[0]
        told = f"{len(same)} of {len(CLIENTS)}"
        sys.stdout.write(f"{f'{schema}.{table}':36}{count:>14,}   {told:>18}\n")
    sys.stdout.write("All tables are right.\n" if agrees else "TABLES DIFFER\n")
    return agrees and bool(tables)


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        found: list[str] = process.cmdline()
    except psutil.NoSuchProcess:
        return []
    return found


def _client(name: str) -> str:
    return name.rpartition("--")[2]


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    sys.exit(main())
