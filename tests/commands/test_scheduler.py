"""`signalroom scheduler`: which schedules are due, and runs as those of `signalroom run`."""

from __future__ import annotations

import re
import signal
import socket
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from harness.pipelines import BIN, KEY, finished, new_project

from signalroom_cli.scheduler.due import due_schedules

NEW_YORK = ZoneInfo("America/New_York")
DAYS = {"TAP_EVERFLOW_START_DATE": "2026-01-05", "TAP_EVERFLOW_END_DATE": "2026-01-07"}


def due(crons, after, until):
    schedules = [{"name": name, "cron": cron} for name, cron in crons.items()]
    return due_schedules(schedules, after, until)


def test_schedules_are_due_once_in_the_order_of_their_times():
    crons = {"late": "7 * * * *", "early": "5 * * * *", "daily": "0 3 * * *", "manual": None}
    hour = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    assert due(crons, hour.replace(minute=4), hour.replace(minute=5)) == ["early"]
    assert due(crons, hour.replace(minute=5), hour.replace(minute=6)) == []
    assert due(crons, hour.replace(minute=4), hour.replace(minute=9)) == ["early", "late"]
    # The machine was asleep for a day.
    assert due(crons, hour, hour.replace(day=3)) == ["early", "late", "daily"]


@pytest.mark.parametrize(
    ("day", "hours"),
    (
        # Clocks skip from 2 to 3, or repeat the hour from 1 to 2: hourly schedules go on.
        ((2026, 3, 8), 23),
        ((2026, 11, 1), 25),
        ((2026, 6, 1), 24),
    ),
)
def test_hourly_and_daily_schedules_when_clocks_change(day, hours):
    midnight = datetime(*day, tzinfo=NEW_YORK).astimezone(UTC).timestamp()
    moments = [
        datetime.fromtimestamp(midnight + 60 * minute, NEW_YORK) for minute in range(60 * hours)
    ]
    crons = {"hourly": "30 * * * *", "daily": "30 2 * * *"}
    names = [name for after, until in pairwise(moments) for name in due(crons, after, until)]
    assert names.count("hourly") == hours
    assert names.count("daily") == 1


@pytest.fixture
def clients(tmp_path, meltano_template, sandbox, database):
    """Two clients, run by the installed programs; birch's key is wrong."""
    project = new_project(tmp_path / "project", meltano_template, sandbox, database, BIN)
    for name in ("acme", "birch"):
        project.new_client(name, "--sources=everflow")
    project.env |= DAYS
    keys = f"ACME_EVERFLOW_API_KEY={KEY}\nBIRCH_EVERFLOW_API_KEY=birchs-own\n"
    (project.folder / ".env").write_text(keys)
    for name in ("ACME", "BIRCH"):
        project.env[f"TAP_EVERFLOW__{name}__SELECT"] = '["daily_stats.*"]'
    return project


def lines_of_log(said):
    """The lines of Meltano's log, without times and numbers."""
    lines = (line for line in said.splitlines() if re.match(r"\d{4}-\d\d-\d\dT", line))
    return [re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[\d.]+", "0", line) for line in lines]


@pytest.mark.e2e
def test_runs_are_those_of_signalroom_run(clients, database):
    said = clients.run("signalroom", "scheduler", "--once", "*--acme")
    assert "everflow-hourly--acme: started\n" in said
    assert "everflow-hourly--acme: ended with 0 after " in said
    rows = database.contents("everflow.daily_stats")
    assert rows
    state = clients.saved_bookmarks("dev:tap-everflow--acme-to-target-postgres")
    assert state["daily_stats"]["replication_key_value"] == "2026-01-07"
    # The next run goes on from there. It differs by nothing but how it was started.
    again = clients.run("signalroom", "scheduler", "--once", "*--acme")
    itself = clients.run("signalroom", "run", "--schedule=everflow-hourly--acme")
    assert lines_of_log(again) == lines_of_log(itself)
    assert clients.saved_bookmarks("dev:tap-everflow--acme-to-target-postgres") == state
    assert database.contents("everflow.daily_stats") == rows
    assert clients.states_of_runs() == ["SUCCESS"] * 3


@pytest.mark.e2e
def test_a_failing_run_fails_alone(clients, database):
    clients.env["MELTANO_ENVIRONMENT"] = "staging"
    process = clients.start("scheduler", "--once", "everflow-*--*", program="signalroom")
    # Meltano's database is there by then: two runs at once would both try to create it.
    assert next(line for line in process.stdout if line.endswith(": started\n"))
    clients.states_of_runs()
    said = finished(process, 1)
    assert "everflow-hourly--acme: ended with 0 after " in said
    assert "everflow-hourly--birch: ended with 1 after " in said
    assert {row["_client_id"] for row in database.query("select * from everflow.daily_stats")} == {
        "acme"
    }
    state = clients.saved_bookmarks("staging:tap-everflow--acme-to-target-postgres")
    assert state["daily_stats"]["replication_key_value"] == "2026-01-07"


@pytest.mark.e2e
def test_sigterm_ends_runs(clients):
    with socket.create_server(("127.0.0.1", 0)) as vendor:
        address = f"http://127.0.0.1:{vendor.getsockname()[1]}"
        clients.env["TAP_EVERFLOW__ACME_API_URL"] = address
        process = clients.start("scheduler", "--once", "*--acme", program="signalroom")
        # The tap waits for a response.
        connection, _ = vendor.accept()
        process.send_signal(signal.SIGTERM)
        said = finished(process, 1)
        connection.close()
    # Meltano's code; that of a run which nobody had terminated is 1.
    assert "everflow-hourly--acme: ended with 143 after " in said
    assert clients.states_of_runs() == ["FAIL"]
