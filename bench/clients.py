"""``make bench-clients``: an hour of the schedules of fifty clients, into one database.

Each client has the six taps that ``make new-client`` gives it, with credentials, state and
schedules of its own. Five accounts with different data stand behind them, each in a sandbox of its
own. All runs are Meltano's, a few at once as a scheduler's pools let them; state is shared in a
PostgreSQL, and one warehouse holds everybody's rows. An hour passes as fast as its runs do, and
after it the vendors' data changes, for the next one.

In the end each client's rows must be, one by one, those of its account read whole and alone; no run
may have failed, no lock have been a deadlock, and whoever was started twice at once is refused.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import psycopg
from measure import BIN, HERE

from signalroom_sandbox.gsheets import MAPPINGS, service_account
from signalroom_sandbox.server import SandboxServer
from signalroom_singer.settings.client_names import client_variable
from signalroom_target_postgres.embedded import EmbeddedPostgres

ROOT = HERE.parent
sys.path.insert(0, str(ROOT))
from signalroom_cli.clients import settings_of_sources  # noqa: E402
from tools.client_rows import digest_rows  # noqa: E402

OWN = settings_of_sources(ROOT)
HOUR, ZONE = 3_600, "America/New_York"
CLIENTS, ACCOUNTS, TICKS, AT_ONCE, POOL = 50, 5, 2, 4, 4
#: CPU seconds of a scheduler's run with nothing new, compared with those of `meltano run`.
SCHEDULER_BUDGET = 0.3
OVERLAP = 20  # every so-manieth run is started twice at once
TODAY = datetime.now(UTC).date()
FIRST, SETTLED = TODAY - timedelta(days=9), TODAY - timedelta(days=3)
POSTHOG_LIMITS = ("per_minute", "per_hour", "queries_per_minute", "queries_per_hour")
#: The address of each vendor; the credentials are those of `make new-client`.
ADDRESSES = {
    "everflow": ("api_url",),
    "gsheets": ("sheets_api_url", "drive_api_url"),
    "posthog": ("api_url",),
    "redtrack": ("api_url",),
    "sticky-s3": ("endpoint_url",),
}


@dataclass
class Run:
    """A run of Meltano."""

    tap: str
    seconds: float
    code: int
    output: str

    @property
    def is_refused(self) -> bool:
        """Whether it was rejected because the same pipeline was running."""
        return self.code != 0 and "already running" in self.output


@dataclass
class Agency:
    """A project with its accounts and clients."""

    folder: Path
    env: dict[str, str]
    accounts: list[SandboxServer]
    clients: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, account: int) -> None:
        """Create a client with the credentials of an account."""
        command = [BIN / "signalroom", "new-client", name]
        command += ["--folder", self.folder / "clients"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)
        sandbox = self.accounts[account]
        credentials = service_account(sandbox.gsheets_url)
        given = sandbox.dotenv | {"TAP_GSHEETS_CREDENTIALS_JSON": credentials}
        for source, settings in OWN.items():
            for setting in settings:
                self.env[client_variable(name, source, setting)] = given[
                    client_variable("tap", source, setting)
                ]
        for source, settings in ADDRESSES.items():
            for setting in settings:
                own = f"TAP_{source}__{name}_{setting}".replace("-", "_").upper()
                self.env[own] = given[client_variable("tap", source, setting)]
        self.clients[name] = account

    def meltano(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Run Meltano, and return its exit code and output."""
        done = subprocess.run(
            [BIN / "meltano", *arguments],
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def load(self, tap: str, **env: str) -> Run:
        """Run a tap into the loader."""
        began = time.monotonic()
        code, output = self.meltano("run", tap, "target-postgres", **env)
        return Run(tap, time.monotonic() - began, code, output)

    def schedule(self, wanted: set[str]) -> list[str]:
        """The clients' taps, in the order of the minutes at which they are scheduled."""
        code, output = self.meltano("schedule", "list", "--format=json")
        if code:
            sys.exit(output)
        jobs = json.loads(output[output.index("{") :])["schedules"]["job"]
        due = []
        for one in jobs:
            task = one["job"]["tasks"][0]
            tap = (task if isinstance(task, str) else task[0]).split()[0]
            if tap.partition("--")[2] in wanted:
                due.append((int(one["cron_interval"].split()[0]), tap))
        return [tap for _, tap in sorted(due)]


def hour(agency: Agency, taps: list[str], at_once: int, days: dict[str, str]) -> list[Run]:
    """Run the schedules of an hour, some of them twice at once, and return all runs."""
    pools = {source: threading.Semaphore(POOL) for source in OWN}

    def run(tap: str) -> Run:
        with pools[tap.removeprefix("tap-").partition("--")[0]]:
            return agency.load(tap, **days)

    # Neighbours in the queue start at almost the same time.
    queue = [tap for place, tap in enumerate(taps) for _ in range(2 if place % OVERLAP == 0 else 1)]
    with ThreadPoolExecutor(at_once) as workers:
        return [*workers.map(run, queue)]


def nothing_new(agency: Agency, taps: list[str], at_once: int, days: dict[str, str]) -> list[str]:
    """Compare an hour with nothing new by `signalroom scheduler` and by `meltano run`."""
    # The first client's; those of the others cost the same.
    sample = [tap for tap in taps if tap.endswith("00")]
    spent = cpu()
    runs = [agency.load(tap, **days) for tap in sample]
    before = (cpu() - spent) / len(runs)
    wrong = [f"{run.tap}: {run.output[-800:]}" for run in runs if failed(run)]
    spent, began = cpu(), time.monotonic()
    done = subprocess.run(
        [BIN / "signalroom", "scheduler", "--once", "*--*", f"--concurrency={at_once}"],
        cwd=agency.folder,
        env=agency.env | days,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    ours, seconds = (cpu() - spent) / len(taps), time.monotonic() - began
    if done.returncode or done.stdout.count(": ended with 0") != len(taps):
        wrong.append(f"signalroom scheduler: {done.returncode} {done.stdout[-800:]}")
        wrong.append(done.stderr[-3000:])
    print(
        f"nothing new: {before:.2f} s of CPU a run by meltano run, {ours:.2f} s by signalroom"
        f" scheduler in {seconds / 60:.1f} min: {ours / before:.2f} (budget {SCHEDULER_BUDGET})",
        flush=True,
    )
    if ours > SCHEDULER_BUDGET * before:
        wrong.append("a run of the scheduler takes more than its budget")
    return wrong


def change(control) -> None:
    """Let an hour pass at an account's vendors, with changes that a second run has to find."""
    control.advance(HOUR)
    day = SETTLED - timedelta(days=1)
    control.everflow.restate(day, ZONE, percent=110)
    control.redtrack.restate(day=day.isoformat(), timezone=ZONE, cost_percent=120)
    late = datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC).isoformat()
    control.posthog.events(events=[{"timestamp": late} for _ in range(25)])
    numbers = control.mautic.add(count=5)
    control.mautic.edit(numbers=numbers[:2], firstname="Edited")
    control.s3.export("orders-create", TODAY, 40)
    cells = control.gsheets.cells(id=MAPPINGS, gid=0)
    cells[3][1] = "Renamed"
    control.gsheets.edit(id=MAPPINGS, gid=0, cells=cells)


class Watch:
    """Measures the maximum number of connections to a server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        """Start to measure, in a thread."""
        self.most = 0
        self._url, self._over = server.libpq_url, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        query = "SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(0.5):
                self.most = max(self.most, *connection.execute(query).fetchone())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def compare(agency: Agency, warehouse: str, alone: str) -> list[str]:
    """Problems in the warehouse, one per line; the expected rows are those of `account-N`."""
    wrong = []
    with psycopg.connect(warehouse) as shared, psycopg.connect(alone) as own:
        ours, expected = digest_rows(shared), digest_rows(own)
    if ours.keys() != expected.keys():
        wrong.append(f"tables differ: {sorted(ours.keys() ^ expected.keys())}")
    for table in sorted(ours.keys() & expected.keys()):
        strangers = ours[table].keys() - agency.clients.keys()
        wrong += [f"{'.'.join(table)}: rows of {one!r}, who is no client" for one in strangers]
        for client, account in agency.clients.items():
            found, right = ours[table].get(client), expected[table].get(f"account-{account}")
            if found != right:
                wrong.append(f"{'.'.join(table)}: {client} has {found}, account {account} {right}")
    accounts = {tuple(one) for one in expected["everflow", "daily_stats"].values()}
    if len(accounts) != len(agency.accounts):
        wrong.append("the accounts have the same data: nothing would tell a mix-up")
    return wrong


def states(system: str, taps: list[str]) -> list[str]:
    """Problems of the states, one per line."""
    with psycopg.connect(system) as connection:
        found = dict(connection.execute("SELECT state_id, completed_state FROM state").fetchall())
    expected = {f"dev:{tap}-to-target-postgres" for tap in taps}
    wrong = [f"{name}: no state" for name in sorted(expected - found.keys())]
    wrong += [f"{name}: a state of nobody's" for name in sorted(found.keys() - expected)]
    empty = (name for name in expected & found.keys() if "bookmarks" not in str(found[name]))
    return wrong + [f"{name}: its state is empty" for name in sorted(empty)]


def database(server: EmbeddedPostgres, name: str) -> tuple[str, str]:
    """Create a database, and return its URLs for SQLAlchemy and for libpq."""
    with psycopg.connect(server.libpq_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    urls = server.sqlalchemy_url, server.libpq_url
    return tuple(url.replace("/signalroom?", f"/{name}?") for url in urls)


def simulate(folder: Path, asked) -> list[str]:
    """Run all hours, and return the problems."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(folder / "pg"))
        accounts = [
            stack.enter_context(SandboxServer(scale=asked.scale, seed=100 + number))
            for number in range(asked.accounts)
        ]
        for control in (account.control for account in accounts):
            # Some accounts have ten clients, others one; rate limits are not measured here.
            control.everflow.limits(per_second=10_000, burst=10_000)
            control.posthog.limits(**dict.fromkeys(POSTHOG_LIMITS, 10_000))
            control.redtrack.limits(per_window=10_000)
        project = folder / "project"
        project.mkdir()
        shutil.copy(ROOT / "meltano.yml", project)
        shutil.copytree(ROOT / "plugins", project / "plugins")
        warehouse, system = database(server, "warehouse"), database(server, "meltano")
        agency = Agency(project, environment(folder, warehouse[0], system[0]), accounts)
        for number in range(asked.clients):
            agency.add(f"client-{number:02}", number % asked.accounts)
        taps = agency.schedule({*agency.clients})
        print(
            f"{asked.clients} clients x {len(OWN)} taps, {asked.accounts} accounts, "
            f"{asked.at_once} runs at once, on {os.cpu_count()} cores"
        )
        wrong = []
        for tick in range(asked.ticks):
            last = SETTLED - timedelta(days=asked.ticks - 1 - tick)
            with Watch(server) as watch:
                began, spent = time.monotonic(), cpu()
                runs = hour(agency, taps, asked.at_once, between(last))
                seconds = time.monotonic() - began
            print(f"hour {tick + 1}: {(cpu() - spent) / len(runs):.1f} s of CPU a run", flush=True)
            wrong += told(tick, taps, runs, seconds, watch.most)
            for account in accounts if tick + 1 < asked.ticks else ():
                change(account.control)
        wrong += nothing_new(agency, taps, asked.at_once, between(SETTLED))
        wrong += states(system[1], taps)
        wrong += deadlocks(server)
        # Now each account by itself, into a separate warehouse with a separate state.
        others, alone = agency.clients, database(server, "alone")
        beside = database(server, "beside")
        agency.clients = {}
        agency.env |= environment(folder, alone[0], beside[0])
        for number in range(asked.accounts):
            agency.add(f"account-{number}", number)
        runs = hour(agency, agency.schedule({*agency.clients}), asked.at_once, between(SETTLED))
        wrong += [f"{run.tap} alone: {run.output[-800:]}" for run in runs if failed(run)]
        agency.clients = others
        wrong += compare(agency, warehouse[1], alone[1])
    return wrong


def environment(folder: Path, warehouse: str, system: str) -> dict[str, str]:
    """The environment of all runs, without settings of this machine."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return kept | {
        "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
        "NO_COLOR": "1",
        "TMPDIR": str(temporary),
        "TARGET_POSTGRES_SQLALCHEMY_URL": warehouse,
        "MELTANO_DATABASE_URI": system,
    }


def between(last) -> dict[str, str]:
    """The days that are read, which are over, so that reading them again gives the same rows."""
    return {
        f"TAP_{source}_{end}_DATE": day.isoformat()
        for source in ("EVERFLOW", "POSTHOG", "REDTRACK")
        for end, day in (("START", FIRST), ("END", last))
    }


def failed(run: Run) -> bool:
    """Whether a run failed for another reason than being started twice."""
    return run.code != 0 and not run.is_refused


def told(tick: int, taps: list[str], runs: list[Run], seconds: float, connections: int):
    """Print the runs of an hour, and return their problems."""
    done = [run for run in runs if run.code == 0]
    refused = sum(run.is_refused for run in runs)
    if done:
        each = sorted(run.seconds for run in done)
        print(
            f"hour {tick + 1}: {len(done)} runs in {seconds / 60:.1f} min of"
            f" {HOUR // 60}, {median(each):.1f} s each"
            f" (at most {each[-1]:.1f}); {refused} refused as they ran already;"
            f" {connections} connections at most",
            flush=True,
        )
    wrong = [f"{run.tap}: {run.output[-800:]}" for run in runs if failed(run)]
    wrong += [f"{tap} did not run" for tap in sorted({*taps} - {run.tap for run in done})]
    if not refused:
        wrong.append("nobody was refused who was started twice at once")
    if seconds > HOUR:
        wrong.append("an hour of schedules takes more than an hour")
    return wrong


def cpu() -> float:
    """CPU seconds of all runs so far, without those of the database and the vendors."""
    taken = os.times()
    return taken.children_user + taken.children_system


def deadlocks(server: EmbeddedPostgres) -> list[str]:
    """The deadlocks that the server logged, one per line."""
    query = "SELECT datname, deadlocks FROM pg_stat_database WHERE deadlocks > 0"
    with psycopg.connect(server.libpq_url) as connection:
        return [f"{name}: {count} deadlocks" for name, count in connection.execute(query)]


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--ticks", type=int, default=TICKS, help="hours")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--scale", type=float, default=0.2, help="how much data there is")
    parser.add_argument("--quick", action="store_true", help="3 clients of 2 accounts")
    asked = parser.parse_args()
    if asked.quick:
        asked.clients, asked.accounts, asked.scale = 3, 2, 0.1
    folder = Path(tempfile.mkdtemp(prefix="sr-clients-"))
    # The user of the embedded PostgreSQL needs access to the folder.
    folder.chmod(0o755)
    try:
        wrong = simulate(folder, asked)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in wrong:
        print(f"WRONG: {line}")
    if not wrong:
        print("Each client's rows are those of its account, each once, and each has its own state.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
