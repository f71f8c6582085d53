"""What happens to a pipeline while it runs; each trouble at a moment that chance chooses."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.chaos.disks import small_disk
from harness.chaos.sources import SHARED, SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR, DAY = 3600, 86_400
S3 = {name for name in SOURCES if name.startswith("sticky-s3")}
HTTP = set(SOURCES) - S3 - {SHARED}
#: Those whose rows are gone from the tables if the vendor has them no more; lists of sheets are
#: replaced anyway.
RESTATED = set(SOURCES) - {"gsheets"}


@dataclass(frozen=True)
class Trouble:
    """What can happen, and to whom.

    Attributes:
        kind: Of which it is one, as the table groups them.
        name: As the table has it.
        strike: Runs the pipeline, and lets it happen. It may run to its end, or not.
        sources: Whom it can happen to.
        weight: How many of its cases there are for one of another.
    """

    kind: str
    name: str
    strike: Callable
    sources: frozenset[str]
    weight: float = 1


TROUBLES: dict[str, Trouble] = {}


def trouble(kind, name, *, sources=HTTP | S3, weight=1):
    """Say what it is called, and whom it can happen to."""

    def declare(strike):
        TROUBLES[name] = Trouble(kind, name, strike, frozenset(sources), weight)
        return strike

    return declare


# Processes


@trouble("killed", "SIGKILL of the tap", weight=2)
def kill_tap(stage):
    with stage.running() as run:
        stage.until_some_moment()
        run.tap.kill()


@trouble("killed", "SIGKILL of the loader", weight=2)
def kill_loader(stage):
    with stage.running() as run:
        stage.until_some_moment()
        run.loader.kill()


@trouble("killed", "SIGKILL of both", weight=2)
def kill_both(stage):
    with stage.running() as run:
        stage.until_some_moment()
        run.tap.kill()
        run.loader.kill()


@trouble("killed", "SIGTERM to both, as a container's end")
def terminate_both(stage):
    with stage.running() as run:
        stage.until_some_moment()
        run.tap.signal(signal.SIGTERM)
        run.loader.signal(signal.SIGTERM)


@trouble("killed", "SIGKILL of Meltano alone", weight=0.4)
def kill_meltano(stage):
    """What it started goes on by itself for a while, next to the run that follows."""
    with stage.meltano() as process:
        stage.until_some_moment_of_meltano(process)
        process.kill()


@trouble("killed", "SIGKILL of Meltano and all below it", weight=0.4)
def kill_meltano_and_all(stage):
    with stage.meltano() as process:
        stage.until_some_moment_of_meltano(process)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


# Full refreshes: of tables that lost their rows, by a state that says that all are loaded


@trouble("full refresh", "SIGKILL of both during a full refresh", weight=2)
def kill_full_refresh(stage):
    stage.run()
    stage.empty_tables()
    with stage.refreshing() as run:
        stage.until_a_state()
        stage.until_some_moment()
        run.tap.kill()
        run.loader.kill()


@trouble("full refresh", "SIGTERM to both during a full refresh")
def terminate_full_refresh(stage):
    stage.run()
    stage.empty_tables()
    with stage.refreshing() as run:
        stage.until_a_state()
        stage.until_some_moment()
        run.tap.signal(signal.SIGTERM)
        run.loader.signal(signal.SIGTERM)


@trouble("full refresh", "SIGKILL of Meltano and all below it during --full-refresh", weight=0.4)
def kill_full_refresh_of_meltano(stage):
    with stage.meltano():
        pass
    stage.empty_tables()
    with stage.meltano("--full-refresh") as process:
        stage.until_a_state_of_meltano(process)
        time.sleep(stage.some_seconds())
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


# PostgreSQL


@trouble("database", "SIGKILL of PostgreSQL")
def kill_server(stage):
    with stage.running():
        stage.until_some_moment()
        postmaster = int((stage.server.home / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children")
        sessions = children.read_text().split() if children.exists() else []
        # A session outlives its postmaster for as long as it is kept busy.
        for process in (postmaster, *map(int, sessions)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(stage.chance.uniform(0, 0.5))
        stage.server.restart_if_dead()


@trouble("database", "connections cut")
def cut_connections(stage):
    with stage.running():
        for _ in range(stage.chance.randrange(1, 4)):
            stage.until_some_moment(3)
            stage.ask_server(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = %s and pid <> pg_backend_pid()",
                stage.database.name,
            )


@trouble("disk full", "disk full for tap or loader")
def fill_disk(stage):
    size = int(10 ** stage.chance.uniform(1, 6))
    chosen = stage.chance.choice((("tap",), ("loader",), ("tap", "loader")))
    with stage.running(**{f"{program}_bytes": size for program in chosen}):
        pass


@trouble("disk full", "disk full for PostgreSQL")
def fill_disk_of_server(stage):
    with small_disk(stage):
        stage.run()


# The clock


@trouble("clock", "clock days ahead")
def clock_ahead(stage):
    stage.run(clock={"seconds": stage.chance.uniform(1, 5) * DAY, "after": 0})
    stage.restate()


@trouble("clock", "clock days behind")
def clock_behind(stage):
    stage.run(clock={"seconds": -stage.chance.uniform(1, 5) * DAY, "after": 0})
    stage.restate()


@trouble("clock", "clock jumps")
def clock_jumps(stage):
    seconds = stage.chance.choice((-1, 1)) * 10 ** stage.chance.uniform(0, 5.5)
    stage.run(clock={"seconds": seconds, "after": stage.some_seconds()})
    stage.restate()


# The vendor


@trouble("vendor", "vendor restates between two runs")
def restate_between(stage):
    stage.run()
    stage.restate()


@trouble("vendor", "vendor restates during a run", weight=2)
def restate_during(stage):
    with stage.running():
        stage.until_some_moment()
        stage.restate()


@trouble("vendor", "vendor restates during a run that is killed", weight=2)
def restate_and_kill(stage):
    with stage.running() as run:
        stage.until_some_moment(2)
        stage.restate()
        stage.until_some_moment(2)
        run.tap.kill()
        run.loader.kill()


# Rows that the vendor takes back, or sends again, of those that were loaded


@trouble("vanished", "rows vanish and come back between runs", sources=RESTATED, weight=3)
def vanish_between(stage):
    stage.run()
    for _ in range(stage.chance.randrange(1, 3)):
        stage.restate()
        stage.run_neighbours()
        stage.run()
    stage.restate()


@trouble("vanished", "rows vanish and come back during a run", sources=RESTATED, weight=4)
def vanish_during(stage):
    stage.run()
    stage.run_neighbours()
    stage.restate()
    with stage.running():
        for _ in range(stage.chance.randrange(1, 4)):
            stage.until_some_moment(3)
            stage.restate()


@trouble(
    "vanished", "rows vanish and come back during a run that is killed", sources=RESTATED, weight=4
)
def vanish_and_kill(stage):
    stage.run()
    stage.run_neighbours()
    stage.restate()
    with stage.running() as run:
        stage.until_some_moment(2)
        stage.restate()
        stage.until_some_moment(2)
        run.tap.kill()
        run.loader.kill()


@trouble("vendor", "vendor signs the tap out", weight=2)
def expire(stage):
    with stage.running():
        stage.until_some_moment()
        let_in = stage.source.expire(stage.control)
    let_in()


# The network


#: What is answered in place of an answer, and what it needs to know.
FAULTS = {
    "connection_reset": {},
    "cut_body": {},
    "truncated_json": {},
    "timeout": {"seconds": 2.5},
    "empty_200": {},
    "null_200": {},
    "error_200": {},
    "html_200": {},
    "echo_key": {},
    "gzip": {},
    "redirect": {},
    "http_401": {},
    "http_403": {},
    "http_404": {},
    "http_429": {"retry_after": 0},
    "http_500": {},
    "http_502": {},
    "http_503": {},
    "answer": {"status": 200, "headers": {}, "body": {"surprise": [1]}},
}
S3_FAULTS = {
    "connection_reset": {},
    "cut_body": {},
    "timeout": {"seconds": 2.5},
    "slow_body": {"seconds": 2.5},
    "slow_down": {},
    "s3_403": {},
    "s3_404": {},
    "s3_412": {},
    "s3_500": {},
    "empty_200": {},
    "html_200": {},
    "internal_error_200": {},
    "unparsable_listing": {},
    "expired_token": {},
    "invalid_access_key": {},
    "signature_mismatch": {},
    "permanent_redirect": {},
}


def network(fault):
    """A fault of the network or of the vendor's servers, for some of the requests."""

    def strike(stage):
        chance, s3 = stage.chance, stage.source.vendor == "s3"
        stage.control.fault(
            fault,
            vendor=stage.source.vendor,
            times=chance.choice((1, 1, 2, 4, 50)),
            skip=chance.randrange(stage.requests),
            **(S3_FAULTS if s3 else FAULTS)[fault],
        )
        stage.run()
        stage.control.clear_faults()

    return strike


for _fault in {**FAULTS, **S3_FAULTS}:
    _who = (HTTP if _fault in FAULTS else set()) | (S3 if _fault in S3_FAULTS else set())
    trouble("network", f"`{_fault}`", sources=_who)(network(_fault))
