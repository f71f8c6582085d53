"""`signalroom remove-client`: all that a client has goes, and nothing of others."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing

import pytest
from harness.pipelines import KEY, kill

from signalroom_cli.client_project import project_for
from signalroom_cli.removal.client import read_client
from signalroom_cli.removal.states import _parse_state_id

pytestmark = pytest.mark.e2e

DAYS = {"TAP_EVERFLOW_START_DATE": "2026-01-05", "TAP_EVERFLOW_END_DATE": "2026-01-07"}
STATE = "dev:tap-everflow--{}-to-target-postgres"


def new_client(project, name, *options, loads=True):
    project.new_client(name, "--sources=everflow", *options)
    prefix = name.upper().replace("-", "_")
    project.env[f"{prefix}_EVERFLOW_API_KEY"] = KEY
    project.env[f"TAP_EVERFLOW__{prefix}__SELECT"] = '["daily_stats.*", "offers.*"]'
    if loads:
        project.meltano("run", f"tap-everflow--{name}", "target-postgres", **DAYS)


@pytest.fixture
def agency(project, database):
    """Two clients in shared tables, one with a history, and each with a row in quarantine."""
    project.env["TARGET_POSTGRES_HISTORY_STREAMS"] = "offers"
    new_client(project, "acme")
    new_client(project, "acme-eu")
    database.execute(
        'create table everflow."offers__rejected" (record_hash text primary key, record jsonb);'
        'insert into everflow."offers__rejected" values'
        """ ('a', '{"_client_id": "acme"}'), ('b', '{"_client_id": "acme-eu"}')"""
    )
    return project


def is_running(project, state_id):
    path = f"file:{project.folder}/.meltano/meltano.db?mode=ro"
    query = "select count(*) from runs where job_name = ? and state = 'RUNNING'"
    with closing(sqlite3.connect(path, uri=True)) as connection:
        return connection.execute(query, [state_id]).fetchone() == (1,)


def rows(database, table):
    query = f"select _client_id as client, count(*)::int as rows from {table} group by 1"
    return {row["client"]: row["rows"] for row in database.query(query)}


def remove(project, name, *options, code=0):
    return project.run("signalroom", "remove-client", name, *options, code=code)


def test_a_client_goes_and_the_others_stay(agency, database):
    tables = ("daily_stats", "offers", "offers__history")
    before = {name: rows(database, f"everflow.{name}") for name in tables}
    listed = remove(agency, "acme")
    assert f"everflow.daily_stats: {before['daily_stats']['acme']:,} rows" in listed
    assert "everflow.offers__rejected: 1 rows" in listed
    assert "signalroom.loads: 2 rows" in listed
    assert STATE.format("acme") in listed
    assert "acme-eu" not in listed
    assert "signalroom remove-client acme --yes" in listed
    assert {name: rows(database, f"everflow.{name}") for name in before} == before
    said = remove(agency, "acme", "--yes")
    assert "where they are set: ACME_EVERFLOW_API_KEY." in said
    for name, counts in before.items():
        counts.pop("acme")
        assert rows(database, f"everflow.{name}") == counts
    kept = database.query('select record_hash from everflow."offers__rejected"')
    assert kept == [{"record_hash": "b"}]
    clients = database.query("select distinct client_id as c from signalroom.loads order by 1")
    assert [row["c"] for row in clients] == ["acme-eu"]
    assert not [*agency.folder.glob("clients/acme.yml*")]
    states = agency.meltano("state", "list")
    assert STATE.format("acme-eu") in states
    assert STATE.format("acme") not in states
    assert "everflow-hourly--acme:" not in agency.meltano("schedule", "list")
    assert "There is no client 'acme'; there are acme-eu." in remove(agency, "acme", code=1)
    # The name can be used again: nothing is left that its first run would go on from.
    new_client(agency, "acme")
    assert rows(database, "everflow.daily_stats")["acme"] > 0


@pytest.mark.parametrize("others", (True, False))
def test_a_schema_of_its_own_goes_too(project, database, others):
    new_client(project, "birch", "--schema=own")
    assert rows(database, "everflow_birch.offers")["birch"] > 0
    if others:
        database.execute("create table everflow_birch.notes (text text)")
    remove(project, "birch", "--yes")
    left = "select table_name as name from information_schema.tables where table_schema = %s"
    assert database.query(left, "everflow_birch") == ([{"name": "notes"}] if others else [])
    made = database.query("select to_regnamespace('everflow_birch') is not null as made")
    assert made == [{"made": others}]


def test_rows_can_be_kept(agency, database):
    before = rows(database, "everflow.daily_stats")
    said = remove(agency, "acme", "--keep-rows", "--yes")
    assert "acme is removed, except for its rows." in said
    assert rows(database, "everflow.daily_stats") == before
    # What is left of a removal that was killed goes when it is done again.
    path = agency.folder / "clients" / "acme-eu.yml"
    path.rename(path.with_name("acme-eu.yml.removing"))
    assert "acme" not in agency.meltano("job", "list")
    remove(agency, "acme-eu", "--yes")
    assert not [*path.parent.glob("acme-eu.yml*")]
    assert rows(database, "everflow.daily_stats").keys() == {"acme"}


def test_rows_of_another_environment_and_of_a_loader_of_its_own_go_too(agency, database):
    path = agency.folder / "clients" / "acme.yml"
    path.write_text(
        path.read_text().replace(
            "plugins:\n",
            "plugins:\n  loaders:\n  - name: target-postgres--acme\n"
            "    inherit_from: target-postgres\n    config: {default_target_schema: acme_only}\n",
            1,
        )
    )
    tap = "tap-everflow--acme"
    agency.meltano("run", tap, "target-postgres--acme", **DAYS)
    agency.meltano("--environment=staging", "run", tap, "target-postgres", **DAYS)
    assert rows(database, "acme_only.daily_stats")["acme"] > 0
    listed = remove(agency, "acme")
    assert "acme_only.daily_stats: " in listed
    assert f"state and runs: staging:{tap}-to-target-postgres" in listed
    # The same server, so the same rows: they are counted once.
    assert "(staging)" not in listed
    remove(agency, "acme", "--yes")
    assert rows(database, "acme_only.daily_stats") == {}
    assert rows(database, "everflow.daily_stats").keys() == {"acme-eu"}


def test_rows_in_the_embedded_database_of_another_environment(project):
    del project.env["TARGET_POSTGRES_SQLALCHEMY_URL"]
    try:
        new_client(project, "acme", loads=False)
        for environment in ("dev", "staging"):
            words = (f"--environment={environment}", "run", "tap-everflow--acme", "target-postgres")
            project.meltano(*words, **DAYS)
        listed = remove(project, "acme")
        counted = re.findall(r"everflow\.daily_stats: (\d+) rows(.*)\n", listed)
        assert [where for _, where in counted] == ["", " (staging)"]
        assert all(int(rows) > 0 for rows, _ in counted)
        remove(project, "acme", "--yes")
        count = "select count(*) from everflow.daily_stats"
        for environment in ("dev", "staging"):
            env = {"MELTANO_ENVIRONMENT": environment}
            assert "\n0\n" in project.run("signalroom-postgres", "sql", "--csv", count, **env)
    finally:
        for environment in ("dev", "staging"):
            project.run("signalroom-postgres", "stop", MELTANO_ENVIRONMENT=environment)


def test_variables_of_others_need_not_be_set(project):
    for name in ("acme", "birch"):
        new_client(project, name, loads=False)
        del project.env[f"{name.upper()}_EVERFLOW_API_KEY"]
    assert "acme is removed" in remove(project, "acme", "--yes")


@pytest.mark.parametrize(
    ("state_id", "parts"),
    (
        ("dev:tap-x--acme-to-target-postgres", ("dev", "tap-x--acme", "target-postgres")),
        ("tap-x--acme-to-target-postgres", ("", "tap-x--acme", "target-postgres")),
        ("dev:tap-x--acme-to-mine:backfill-1", ("dev", "tap-x--acme", "mine")),
        ("dev:tap-x--acme-to-go-to-mine", ("dev", "tap-x--acme-to-go", "mine")),
        # Of a client that is no longer there.
        ("dev:tap-x--road-to-go-to-target-jsonl", ("dev", "tap-x--road-to-go", "target-jsonl")),
        ("nightly", None),
        ("dev:tap-x--acme-to-somewhere", None),
    ),
)
def test_whose_state_it_is(state_id, parts):
    taps = {"tap-x--acme", "tap-x--acme-to-go"}
    assert _parse_state_id(state_id, taps, {"mine", "target-postgres"}) == parts


def test_a_client_id_from_a_variable(project, database):
    new_client(project, "acme", loads=False)
    path = project.folder / "clients" / "acme.yml"
    path.write_text(path.read_text().replace("client_id: acme", "client_id: $ACME_NAME"))
    project.env["ACME_NAME"] = "the-acme"
    project.meltano("run", "tap-everflow--acme", "target-postgres", **DAYS)
    assert rows(database, "everflow.offers").keys() == {"the-acme"}
    said = project.run("signalroom", "remove-client", "acme", "--yes", code=1, ACME_NAME="")
    assert "client_id of tap-everflow--acme is unknown: ACME_NAME is not set" in said
    remove(project, "acme", "--yes")
    assert rows(database, "everflow.offers") == {}


def test_rows_that_cannot_be_removed_leave_all_as_it_was(project, database):
    new_client(project, "birch", "--schema=own")
    database.execute("create view public.mine as select * from everflow_birch.offers")
    said = remove(project, "birch", "--yes", code=1)
    assert "The rows of birch cannot be removed, so its states and file stay: " in said
    assert STATE.format("birch") in project.meltano("state", "list")
    assert "everflow-hourly--birch" in project.meltano("schedule", "list")
    database.execute("drop view public.mine")
    remove(project, "birch", "--yes")


def test_odd_entries_of_the_project_do_not_stop_it(tmp_path, monkeypatch):
    """A variable of the project's `env` that is not set, and a job without tasks."""
    monkeypatch.delenv("NOWHERE", raising=False)
    (tmp_path / "clients").mkdir()
    (tmp_path / "meltano.yml").write_text(
        "project_id: 0b3b5f0e-0000-4000-8000-000000000000\n"
        "include_paths: [clients/*.yml]\n"
        "ff: {strict_env_var_mode: true}\n"
        "env: {SHARED: $NOWHERE}\n"
        "plugins:\n  extractors:\n"
        "  - {name: tap-x, namespace: tap_x, executable: tap-x, settings: [{name: client_id}]}\n"
        "jobs:\n- {name: idle, tasks: []}\n- {name: odd, tasks: [null]}\n"
    )
    path = tmp_path / "clients" / "acme.yml"
    path.write_text(
        "plugins:\n  extractors:\n"
        "  - {name: tap-x--acme, inherit_from: tap-x, config: {client_id: acme}}\n"
    )
    client = read_client(project_for(tmp_path), path)
    assert (client.taps, client.client_ids) == (("tap-x--acme",), ("acme",))


def test_what_needs_the_client_is_named(project):
    for name in ("acme", "birch"):
        new_client(project, name, loads=False)
    (project.folder / "clients" / "shared.yml").write_text(
        "plugins:\n  extractors:\n  - {name: acme-copy, inherit_from: tap-everflow--acme}\n"
        "jobs:\n- {name: all, tasks: [tap-everflow--birch target-postgres,"
        " tap-everflow--acme target-postgres]}\n"
        "schedules:\n- {name: nightly, job: everflow--acme, interval: '@daily'}\n"
    )
    said = remove(project, "acme", "--yes", code=1)
    assert (
        "tap acme-copy, job all, schedule nightly would have nothing to run: remove or change"
        in said
    )
    assert (project.folder / "clients" / "acme.yml").exists()


def test_a_client_that_is_running_is_not_removed(project, sandbox):
    new_client(project, "acme", loads=False)
    sandbox.control.everflow.latency(seconds=60)
    running = project.start("run", "tap-everflow--acme", "target-postgres", **DAYS)
    try:
        while not is_running(project, STATE.format("acme")):
            assert running.poll() is None
            time.sleep(0.1)
        said = remove(project, "acme", "--yes", code=1)
    finally:
        kill(running)
        running.wait()
        running.stdout.close()
    assert f"{STATE.format('acme')} is running. Wait for it to end" in said
    assert (project.folder / "clients" / "acme.yml").exists()


def test_two_clients_with_the_same_rows_are_refused(project):
    for name in ("acme", "acme-eu"):
        new_client(project, name, loads=False)
    path = project.folder / "clients" / "acme-eu.yml"
    path.write_text(path.read_text().replace("client_id: acme-eu", "client_id: acme"))
    said = remove(project, "acme", "--yes", code=1)
    assert (
        "tap-everflow--acme-eu has the same client_id, and so the same rows: change that first"
        in said
    )
