"""What runs leave behind goes, and nothing that a run or a person needs."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from harness.pipelines import new_database
from sqlalchemy import create_engine, text

from signalroom_cli.cleanup.command import main
from signalroom_cli.cleanup.model import format_size

pytestmark = pytest.mark.e2e

STATE_ID = "dev:tap-everflow-to-target-postgres"
LOGS = STATE_ID.replace(":", "")
DAYS = {"TAP_EVERFLOW_START_DATE": "2026-01-05", "TAP_EVERFLOW_END_DATE": "2026-01-06"}
LONG_AGO = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture(params=("sqlite", "postgres"))
def system(request, project, postgres):
    """Meltano's database: connections to it."""
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{project.folder}/.meltano/meltano.db")
        yield engine
        engine.dispose()
        return
    with new_database(postgres) as made:
        project.env["MELTANO_DATABASE_URI"] = made.sqlalchemy_url
        engine = create_engine(made.sqlalchemy_url)
        yield engine
        engine.dispose()


@pytest.fixture
def clean_up(project, monkeypatch, capsys, tmp_path):
    """Clean up the test's project: gives the code, and what was printed."""
    project.env["XDG_STATE_HOME"] = str(tmp_path / "user")
    for name in ("MELTANO_DATABASE_URI", "MELTANO_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments):
        with monkeypatch.context() as patch:
            for name, value in project.env.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = main([*arguments, "--folder", str(project.folder)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call


def runs(system, columns="id", where="true", **values):
    with system.connect() as connection:
        query = text(f"select {columns} from runs where {where} order by id")
        return [tuple(row) for row in connection.execute(query, values)]


def change(system, statement, **values):
    with system.begin() as connection:
        connection.execute(text(statement), values)


def written(moment):
    """As Meltano writes a moment, without its zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def add_runs(system, count, *, state="SUCCESS", moment=LONG_AGO, name=STATE_ID, flags=1):
    """Runs, as Meltano has them in its list; gives their ids."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    with system.begin() as connection:
        connection.execute(
            text(
                "insert into runs (job_name, run_id, state, started_at, ended_at,"
                " last_heartbeat_at, payload, payload_flags) values (:name, :id, :state, :began,"
                " :ended, :beat, :payload, :flags)"
            ),
            [
                {
                    "name": name,
                    "id": id_.replace("-", "") if system.name == "sqlite" else id_,
                    "state": state,
                    "began": written(moment + timedelta(minutes=number)),
                    "ended": None if state == "RUNNING" else written(moment),
                    "beat": written(datetime.now(UTC)),
                    "payload": json.dumps({"singer_state": {"bookmarks": {"x": "y" * 1000}}}),
                    "flags": flags,
                }
                for number, id_ in enumerate(ids)
            ],
        )
    return ids


def aged(path, moment=LONG_AGO):
    """Have a file, or all that is in a folder, be as old as that."""
    for each in [*path.rglob("*"), path]:
        os.utime(each, (moment.timestamp(), moment.timestamp()))
    return path


def made(path, content="x" * 1000):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def state_of(project):
    return json.loads(project.meltano("state", "get", STATE_ID).splitlines()[-1])


def test_old_runs_go_and_the_state_stays(project, system, clean_up):
    project.load("daily_stats", **DAYS)
    (state, rows) = state_of(project), runs(system, "state")
    assert rows == [("SUCCESS",)]
    add_runs(system, 90)
    add_runs(system, 30, state="FAIL", flags=2)
    add_runs(system, 5, state="STATE_EDIT")
    code, printed = clean_up("--dry-run")
    assert code == 0
    assert "runs in Meltano's list                              124" in printed
    assert "kB would be removed." in printed
    assert len(runs(system)) == 126
    code, printed = clean_up()
    assert code == 0
    assert "runs in Meltano's list                              124" in printed
    # The last of each kind is there: that of a full refresh, too, which was not finished.
    assert [state for (state,) in runs(system, "state")] == ["SUCCESS", "FAIL"]
    assert state_of(project) == state
    assert clean_up()[1].startswith("runs in Meltano's list                                0")
    # The next run goes on from its state.
    assert "up to 2026-01-06" in project.load("daily_stats", **DAYS)


def test_of_a_pipeline_that_ran_long_ago_the_status_still_knows(project, system, clean_up):
    other = "dev:tap-redtrack-to-target-postgres"
    project.meltano("state", "list")
    add_runs(system, 9, name=other)
    (failed,) = add_runs(system, 1, state="FAIL", name=other, moment=LONG_AGO + timedelta(days=1))
    log = made(clean_up_logs(project) / other.replace(":", "") / failed / "elt.log")
    aged(log.parent)
    clean_up()
    assert runs(system, "state") == [("SUCCESS",), ("FAIL",)]
    # `meltano logs show` says why it failed.
    assert log.exists()


def clean_up_logs(project):
    return Path(project.env["XDG_STATE_HOME"]) / "meltano" / "log" / "elt"


def test_what_a_run_needs_that_goes_on_stays(project, system, clean_up, database, sandbox):
    sandbox.control.everflow.latency(2)
    days = {"TAP_EVERFLOW_START_DATE": "2026-01-01", "TAP_EVERFLOW_END_DATE": "2026-10-31"}
    soon = {"TARGET_POSTGRES_MAX_BATCH_AGE_SECONDS": "1", "TAP_EVERFLOW_MAX_CONCURRENCY": "1"}
    with project.start_load("daily_stats", **days, **soon) as process:
        until_it_loads(process, database)
        # It has been going on for longer than what is kept.
        moment = written(LONG_AGO)
        change(
            system, "update runs set started_at = :moment where state = 'RUNNING'", moment=moment
        )
        database.query("update signalroom.loads set started_at = %s returning 1", LONG_AGO)
        with psycopg.connect(database.libpq_url) as connection:
            # Not the last of its stream, which would stay in any case.
            connection.execute(
                "insert into signalroom.loads (run_id, stream, state_id, extractor, table_schema,"
                " table_name, started_at) select 'later', stream, state_id, extractor,"
                " table_schema, table_name, now() from signalroom.loads"
            )
        aged(project.folder / ".meltano" / "run", LONG_AGO + timedelta(seconds=5))
        aged(clean_up_logs(project), LONG_AGO + timedelta(seconds=5))
        before = {*(project.folder / ".meltano" / "run").rglob("*config.json")}
        assert before
        code, printed = clean_up("--days=1")
        assert process.poll() is None, "the run was too fast for this test"
        assert (code, "0 bytes removed." in printed) == (0, True), printed
        assert before <= {*(project.folder / ".meltano" / "run").rglob("*config.json")}
        sandbox.control.everflow.latency(0)
        output, _ = process.communicate()
        assert process.returncode == 0, output
    assert runs(system, "state") == [("SUCCESS",)]
    (row,) = database.query(
        "select rows_read, outcome from signalroom.loads where run_id <> 'later'"
    )
    (count,) = database.query("select count(*) from everflow.daily_stats")
    assert row == {"rows_read": count["count"], "outcome": "loaded"}


def until_it_loads(process, database):
    for line in process.stdout:
        # The first state comes before there is a table.
        known = database.query("select to_regclass('signalroom.loads')::text as name")
        if "state has been updated" in line and known[0]["name"]:
            return
    pytest.fail("the run ended")


def test_files_of_runs_that_are_past(project, clean_up, system):
    root = project.folder / ".meltano"
    project.meltano("state", "list")
    add_runs(system, 1)
    old = [
        made(clean_up_logs(project) / LOGS / "one" / "elt.log").parent,
        made(root / "logs" / "elt" / "any" / "two" / "elt.log").parent,
        made(root / "run" / "elt" / LOGS / "three" / "state.json").parent,
        made(root / "backfill" / "tap-x" / "backfill-2025-01-01-2025-01-31" / "run.log").parent,
        made(root / "run" / "tap-x" / f"tap.{uuid.uuid4()}.config.json"),
    ]
    kept = [
        # Of another project: of its user, as this one's.
        made(clean_up_logs(project) / "devtap-other-to-target-x" / "one" / "elt.log"),
        made(root / "run" / "tap-x" / "tap.properties.json"),
        made(root / "run" / "tap-x" / "state.json"),
    ]
    for path in [*old, *kept]:
        aged(path)
    new = [
        made(clean_up_logs(project) / LOGS / "new" / "elt.log"),
        made(root / "run" / "tap-x" / f"tap.{uuid.uuid4()}.config.json"),
        # Its folder is old, and it is still written.
        made(root / "backfill" / "tap-x" / "backfill-2025-02-01-2025-02-28" / "run.log"),
    ]
    code, printed = clean_up("--dry-run")
    assert all(path.exists() for path in [*old, *kept, *new])
    assert clean_up() == (code, printed.replace("would be removed", "removed"))
    assert not [path for path in old if path.exists()]
    assert all(path.exists() for path in [*kept, *new])
    assert "logs of runs                                          2        2.0 kB" in printed
    assert "settings of runs that were killed                     1        1.0 kB" in printed


@contextmanager
def loads(database):
    with psycopg.connect(database.libpq_url) as connection:
        yield connection


def test_the_log_of_loads_and_rejected_rows(project, clean_up, database):
    project.load("daily_stats", **DAYS)
    with loads(database) as connection:
        connection.execute(
            "insert into signalroom.loads (run_id, stream, state_id, table_schema, table_name,"
            " started_at) select 'old ' || n, 'clicks', 'dev:x', 'everflow', 'clicks',"
            " %s::timestamptz + make_interval(mins => n) from generate_series(1, 500) as n",
            [LONG_AGO],
        )
        connection.execute(
            "create table everflow.clicks__rejected as select n::text as record_hash, 'no' as"
            " reason, '{}'::jsonb as record, %s::timestamptz + make_interval(days => n) as"
            " last_rejected_at from generate_series(1, 30) as n",
            # Half a day away from what is just old enough.
            [datetime.now(UTC) - timedelta(days=40, hours=12)],
        )
    code, printed = clean_up()
    assert code == 0
    assert "rows of signalroom.loads                            499" in printed
    assert "rejected" not in printed
    left = database.query("select run_id, stream from signalroom.loads order by 2")
    assert [row["stream"] for row in left] == ["clicks", "daily_stats"]
    assert left[0]["run_id"] == "old 500"
    code, printed = clean_up("--rejected-days=25")
    assert "rows of everflow.clicks__rejected                    15" in printed
    assert database.query("select count(*) from everflow.clicks__rejected") == [{"count": 15}]


def test_a_role_that_may_not_delete_is_a_sentence(project, clean_up, database):
    project.load("daily_stats", **DAYS)
    role = f"loader_{database.name}"
    with psycopg.connect(database.libpq_url, autocommit=True) as connection:
        connection.execute(f"create role {role} login password 'x'")
        connection.execute(f"grant usage on schema signalroom to {role}")
        connection.execute(f"grant select, insert, update on signalroom.loads to {role}")
        project.env["TARGET_POSTGRES_SQLALCHEMY_URL"] = database.sqlalchemy_url.replace(
            "//postgres@", f"//{role}:x@"
        )
        try:
            code, printed = clean_up()
        finally:
            connection.execute(f"drop owned by {role}; drop role {role}")
    assert code == 1
    assert f"GRANT SELECT, DELETE ON signalroom.loads TO {role}" in printed
    assert "runs in Meltano's list" in printed


def test_databases_that_are_not_there(project, clean_up, monkeypatch, tmp_path):
    project.env["TARGET_POSTGRES_SQLALCHEMY_URL"] = "postgresql://u:p@127.0.0.1:1/d"
    code, printed = clean_up()
    assert code == 1
    assert "Not cleaned up: " in printed
    assert "runs in Meltano's list" in printed
    project.env["TARGET_POSTGRES_SQLALCHEMY_URL"] = "nonsense"
    code, printed = clean_up()
    assert (code, "`sqlalchemy_url` cannot be read" in printed) == (1, True)
    project.env |= {
        "MELTANO_DATABASE_URI": "postgresql+psycopg://u:p@127.0.0.1:1/d",
        # Meltano would try again for 15 seconds.
        "MELTANO_DATABASE_MAX_RETRIES": "0",
    }
    code, printed = clean_up()
    assert code == 1
    assert "Meltano's database (MELTANO_DATABASE_URI) cannot be cleaned up" in printed
    assert main(["--folder", str(tmp_path)]) == 1


@pytest.mark.parametrize("days", ("--days=0", "--days=x", "--rejected-days=-1"))
def test_days_that_are_none(days, capsys):
    with pytest.raises(SystemExit):
        main([days])
    assert days.split("=", maxsplit=1)[0] in capsys.readouterr().err


def test_sizes_are_readable():
    sizes = [format_size(size) for size in (0, 999, 1000, 12_345_678, 5e15)]
    assert sizes == ["0 bytes", "999 bytes", "1.0 kB", "12.3 MB", "5,000.0 TB"]
