"""Whoever is on call sees what ran, what came, and what has fallen behind."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from harness.pipelines import ROOT
from rich.console import Console
from rich.text import Text

from signalroom_cli.status import warehouse
from signalroom_cli.status.command import main, render_pipelines
from signalroom_cli.status.model import Condition, Load, Outcome, Pipeline, Rows, Run
from signalroom_cli.status.page import plot_rows_by_date, plot_rows_by_run, render_page
from signalroom_cli.status.table import format_duration
from signalroom_cli.status.warehouse import add_rows
from signalroom_target_postgres.warehouse.load_log import CREATE

NOW = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)
DAYS = {"TAP_EVERFLOW_START_DATE": "2026-01-05", "TAP_EVERFLOW_END_DATE": "2026-01-07"}


def run(minutes_ago, outcome=Outcome.SUCCESS, took=1):
    began = NOW - timedelta(minutes=minutes_ago)
    ended = None if outcome in {Outcome.RUNNING, Outcome.DIED} else began + timedelta(minutes=took)
    return Run(began, ended, outcome)


def loaded(minutes_ago, written):
    return Load(NOW - timedelta(minutes=minutes_ago), 7, written, 1, 3, 4, 2, 1)


def pipeline(last=None, last_success=None, cron="5 * * * *", **values):
    return Pipeline(
        tap="tap-x",
        state_id="dev:tap-x-to-target-postgres",
        schedule="x-hourly",
        cron=cron,
        last=last,
        last_success=last_success,
        **values,
    )


@pytest.mark.parametrize(
    ("last", "last_success", "cron", "expected"),
    (
        (run(25), run(25), "5 * * * *", Condition.OK),
        # Due at 12:05 and not there yet: an interval's grace.
        (run(85), run(85), "5 * * * *", Condition.OK),
        (run(86), run(86), "5 * * * *", Condition.LATE),
        (run(25, Outcome.FAILED), run(85), "5 * * * *", Condition.FAILED),
        (run(25, Outcome.DIED), run(85), "5 * * * *", Condition.FAILED),
        (run(25, Outcome.FAILED), run(145), "5 * * * *", Condition.LATE),
        (run(25, Outcome.FAILED), None, "5 * * * *", Condition.NEVER),
        (run(300, Outcome.RUNNING), run(400), "5 * * * *", Condition.RUNNING),
        (run(1500, Outcome.RUNNING), run(1600), "5 * * * *", Condition.LATE),
        (None, None, "5 * * * *", Condition.NEVER),
        # Daily at six: the run of yesterday is fine until the next six o'clock but one.
        (run(390), run(390), "0 6 * * *", Condition.OK),
        (run(1830), run(1830), "0 6 * * *", Condition.OK),
        (run(1831), run(1831), "0 6 * * *", Condition.LATE),
        (None, None, None, Condition.OK),
        (run(90_000), run(90_000), None, Condition.OK),
        (run(25, Outcome.FAILED), None, None, Condition.FAILED),
    ),
)
def test_what_is_to_be_thought_of_it(last, last_success, cron, expected):
    one = pipeline(last, last_success, cron)
    assert one.condition(NOW) is expected
    assert one.is_stale(NOW) is (expected in {Condition.LATE, Condition.NEVER})


@pytest.mark.parametrize(
    ("bookmarks", "expected"),
    (
        ({"a": "2026-01-03", "b": "2026-01-02T00:00:00Z"}, "2026-01-02T00:00:00Z"),
        ({"a": "713", "b": "2026-01-02"}, "2026-01-02"),
        ({"a": "20260102"}, ""),
        ({}, ""),
    ),
)
def test_the_bookmark_is_that_of_the_stream_furthest_behind(bookmarks, expected):
    assert pipeline(bookmarks=bookmarks).bookmark == expected


def test_spans_are_short():
    spans = (timedelta(seconds=42), timedelta(minutes=17), timedelta(hours=3.34), timedelta(2.17))
    assert [format_duration(span) for span in spans] == ["42 s", "17 min", "3 h 20", "2 d 4 h"]


class TestPage:
    def test_a_bar_for_each_date(self):
        dates = {date(2026, 3, 20): 1000, date(2026, 3, 18): 1, date(2026, 3, 1): 9_999}
        one = pipeline(rows=Rows(by_date={day: dates[day] for day in [*dates][:2]}))
        found = plot_rows_by_date(one, NOW, 3).bars
        assert [bar.title for bar in found] == [
            "2026-03-18: 1 rows",
            "2026-03-19: 0 rows",
            "2026-03-20: 1,000 rows",
        ]
        assert [bar.height for bar in found] == [1.0, 0.0, 34.0]
        assert [bar.y + bar.height for bar in found] == [34.0] * 3

    def test_a_bar_for_each_of_the_last_runs(self):
        runs = [loaded(minutes, written=minutes) for minutes in range(40, 0, -1)]
        unknown = Load(NOW, 9, 9, None, None, None, 0, 0)
        plot = plot_rows_by_run(pipeline(rows=Rows(by_run=[*runs, unknown])))
        assert len(plot.bars) == 24
        assert [bar.rows for bar in plot.bars[-3:]] == [2, 1, 9]
        assert plot.bars[-2].title == (
            "2026-03-20 12:29: 7 rows read, 1 new, 3 updated, 4 unchanged, 2 removed, 1 rejected"
        )
        assert plot.bars[-1].title == "2026-03-20 12:30: 9 rows read, 9 new or updated"

    def test_names_are_text(self):
        one = pipeline(run(25), run(25), bookmarks={"a": "2026-01-02"})
        one.tap = "tap-<script>"
        text = render_page([one], NOW, days=3, problem="no server & no rows")
        assert "<script" not in text
        assert "tap-&lt;script&gt;" in text
        assert "no server &amp; no rows" in text

    def test_nothing_comes_from_elsewhere(self):
        text = render_page([pipeline()], NOW, days=3, problem="")
        assert "http" not in text.replace("http-equiv", "")
        assert "src=" not in text
        assert "1 of 1 stale" in text


@pytest.fixture
def log(database):
    """A log of loads: three runs of each pipeline, 30, 20 and 10 minutes ago, of 100 rows each."""

    def write(*loads):
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("create schema if not exists signalroom")
            connection.execute(CREATE)
            for state_id, table, key in loads:
                connection.execute(
                    "insert into signalroom.loads (run_id, stream, state_id, table_schema,"
                    " table_name, replication_key, started_at, rows_read, rows_written, rows_new,"
                    " rows_updated) select %s || n, %s, %s, 's', %s, %s,"
                    " %s - make_interval(mins => n), 101, 100, 40, 60"
                    " from unnest(array[10, 20, 30]) as n",
                    [state_id, table, state_id, table, key, NOW],
                )

    return write


def named(tap, last=None, **values):
    one = pipeline(last, **values)
    one.tap, one.log_id = tap, f"dev:{tap}-to-target-postgres"
    return one


def ids(*names):
    return [f"dev:tap-{name}-to-target-postgres" for name in names]


class TestRows:
    def look(self, database, *found, days=2, seconds=20, by_date=True):
        settings = {"sqlalchemy_url": database.sqlalchemy_url}
        return add_rows(found, settings, NOW, days=days, seconds=seconds, by_date=by_date)

    def test_of_each_run_and_of_the_last(self, database, log):
        log(*((one, "shared", None) for one in ids("acme", "bolt")))
        acme = named("tap-acme", run(25), client_id="acme")
        bolt = named("tap-bolt", run(10), client_id="bolt")
        never = named("tap-carl", client_id="carl")
        assert self.look(database, acme, bolt, never) == ""
        assert [one.rows.last_run for one in (acme, bolt, never)] == [200, 100, 0]
        assert [one.started_at for one in acme.rows.by_run] == [
            NOW - timedelta(minutes=minutes) for minutes in (30, 20, 10)
        ]
        assert acme.rows.by_run[0] == Load(
            NOW - timedelta(minutes=30), 101, 100, 40, 60, None, 0, 0
        )
        assert acme.rows.by_day == {NOW.date(): 300}
        assert never.rows == Rows()

    def test_rows_that_did_not_change(self, database, log):
        log((ids("acme")[0], "orders", None))
        acme = named("tap-acme", run(10))
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("update signalroom.loads set rows_unchanged = 7")
        self.look(database, acme)
        assert [load.unchanged for load in acme.rows.by_run] == [7] * 3
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("alter table signalroom.loads drop column rows_unchanged")
        self.look(database, acme)
        assert [load.unchanged for load in acme.rows.by_run] == [None] * 3

    def test_by_the_date_that_they_are_of(self, database, log):
        """And not by when they were loaded, which is today for all that a lookback reads again."""
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("create schema s")
            connection.execute(
                "create table s.shared as select client as _client_id, %s::date - n as date,"
                " %s as _loaded_at from unnest(array['acme', 'bolt', null]) as client,"
                " generate_series(0, 9) as n",
                [NOW, NOW],
            )
            connection.execute(
                "create table s.moments as select timestamptz '2026-03-19T23:30Z' as at,"
                " 'acme' as _client_id"
            )
            connection.execute("create table s.texts as select '2026-03-19' as date")
            connection.execute(
                "create table s.shared__rejected as select jsonb_build_object('_client_id', client)"
                " as record from unnest(array['acme', 'acme', null]) as client"
            )
        log(
            *((one, "shared", "date") for one in ids("acme", "bolt", "none")),
            *((one, "moments", "at") for one in ids("acme")),
            *((one, "texts", "date") for one in ids("none")),
            *((one, "dropped", "date") for one in ids("bolt")),
        )
        acme, bolt = (named(f"tap-{name}", client_id=name) for name in ("acme", "bolt"))
        none, never = named("tap-none"), named("tap-carl", client_id="carl")
        assert self.look(database, acme, bolt, none, never) == ""
        today, yesterday = NOW.date(), NOW.date() - timedelta(days=1)
        assert acme.rows.by_date == {today: 1, yesterday: 2}
        assert bolt.rows.by_date == none.rows.by_date == {today: 1, yesterday: 1}
        assert never.rows == Rows()
        assert [one.rows.rejected for one in (acme, bolt, none)] == [2, 0, 1]

    def test_of_a_table_without_clients_are_nobodys_but_the_projects(self, database, log):
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("create schema s")
            connection.execute("create table s.orders as select %s::date as day", [NOW])
        log(*((one, "orders", "day") for one in ids("project", "acme")))
        project, acme = named("tap-project"), named("tap-acme", client_id="acme")
        assert self.look(database, project, acme) == ""
        assert (project.rows.by_date, acme.rows.by_date) == ({NOW.date(): 1}, {})

    def test_are_not_known_before_the_first_log(self, database):
        ran, never = named("tap-acme", run(25)), named("tap-bolt")
        assert self.look(database, ran, never) == ""
        assert ran.rows is None
        assert "there is no log of loads yet" in ran.rows_problem
        assert (never.rows, never.rows_problem) == (Rows(), "")
        assert "Rows are not shown: there is no log of loads yet" in text_of([ran, never])

    def test_of_runs_are_not_read_from_tables(self, database, log):
        log((*ids("acme"), "orders", "day"))
        one = named("tap-acme", run(25))
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("create schema s create table orders (day date)")
            connection.commit()
            connection.execute("lock s.orders in access exclusive mode")
            # Nobody else can read it now.
            assert self.look(database, one, seconds=3, by_date=False) == ""
        assert (one.problem, one.rows.last_run) == ("", 200)

    @pytest.mark.parametrize("indexed", (True, False))
    def test_by_date_of_a_large_table_need_an_index(self, database, log, monkeypatch, indexed):
        monkeypatch.setattr(warehouse, "_EXPENSIVE", 1_000)
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("create schema s")
            connection.execute(
                "create table s.large as select %s::date - n / 1000 as date, n, repeat('x', 50)"
                " as text from generate_series(0, 200000) as n",
                [NOW.date()],
            )
            connection.execute(
                f"create index on s.large ({'date' if indexed else 'n'}); analyze s.large"
            )
        log((*ids("acme"), "large", "date"))
        one = named("tap-acme", run(25))
        assert self.look(database, one) == ""
        if indexed:
            today, yesterday = NOW.date(), NOW.date() - timedelta(days=1)
            assert one.rows.by_date == {today: 1000, yesterday: 1000}
        else:
            assert one.rows.by_date == {}
            assert "CREATE INDEX ON s.large (date)" in one.problem

    def test_that_take_too_long_to_count_are_left_out(self, database, log):
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("create schema s")
            connection.execute(
                "create view s.slow as select '2026-03-20'::date as day, pg_sleep(60) is null as x"
            )
        log((*ids("acme"), "slow", "day"))
        one = named("tap-acme", run(25))
        assert self.look(database, one, seconds=1) == ""
        assert one.rows.last_run == 200
        assert "slow takes more than 1 s to count" in one.problem


def text_of(found, width=200):
    console = Console(width=width, file=io.StringIO())
    for one in render_pipelines(found, "", NOW):
        console.print(one, soft_wrap=isinstance(one, Text))
    return console.file.getvalue()


def test_a_narrow_terminal_cuts_neither_names_nor_commands():
    found = [named("tap-everflow--a-client-of-ours", run(500), last_success=run(500))]
    found.append(
        named("tap-x", unconfigured=f"not configured ({'A_LONG_VARIABLE' * 5} is not set)")
    )
    text = text_of(found, width=80)
    assert "tap-everflow--a-client-of-ours  late" in text
    assert "uv run meltano run tap-everflow--a-client-of-ours target-postgres\n" in text
    assert f"{'A_LONG_VARIABLE' * 5} is not set)\n" in text


@pytest.fixture
def status(project, monkeypatch, capsys):
    """Ask for the status of the test's project: ``status("--json")`` gives code and text."""
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    # The command sets these.
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", "")
    monkeypatch.delenv("MELTANO_ENVIRONMENT", raising=False)

    def ask(*arguments):
        capsys.readouterr()
        code = main([*arguments, "--folder", str(project.folder)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return ask


@pytest.mark.e2e
class TestProject:
    def test_what_ran_and_what_came(self, project, status, database, sandbox):
        code, text = status("--tap=everflow")
        assert code == 1
        assert "never" in text
        assert "None has run yet. Run one: uv run meltano run tap-everflow target-" in text
        before_run = datetime.now(UTC)
        project.load("daily_stats", **DAYS)
        code, text = status("--tap=everflow", "--json")
        after_run = datetime.now(UTC)
        assert code == 0
        (one,) = json.loads(text)["pipelines"]
        assert (one["condition"], one["stale"]) == ("ok", False)
        (row,) = database.query("select count(*)::int as rows from everflow.daily_stats")
        assert one["rows_last_run"] == row["rows"] > 0
        assert sum(one["rows_by_day"].values()) == row["rows"]
        # Two days, if the next one began meanwhile.
        days = {before_run.date().isoformat(), after_run.date().isoformat()}
        assert one["rows_by_day"].keys() <= days
        (first,) = one["rows_by_run"]
        assert (first["read"], first["new"], first["updated"]) == (row["rows"], row["rows"], 0)
        assert first["started_at"] >= one["last_run"]["started_at"]
        assert one["bookmarks"] == {"daily_stats": "2026-01-07"}
        # It is counted from the end of the run.
        assert 0 <= one["lag_seconds"] <= (after_run - before_run).total_seconds()
        # All others have never run.
        code, text = status()
        assert code == 1
        count = len([*(ROOT / "taps").glob("*/pyproject.toml")])
        assert f"{count - 1} of {count} pipelines are stale" in text
        assert f"{row['rows']:,}" in text
        self._fails(project, status, sandbox)

    def _fails(self, project, status, sandbox):
        sandbox.control.fault("http_401", match="entity", times=99)
        project.load("daily_stats", code=1, **DAYS)
        code, text = status("--tap=everflow", "--json")
        (one,) = json.loads(text)["pipelines"]
        # It is not late yet, so nobody is called.
        assert (code, one["condition"], one["last_run"]["outcome"]) == (0, "failed", "failed")
        self._runs(project, status)

    def _runs(self, project, status):
        with closing(sqlite3.connect(project.folder / ".meltano" / "meltano.db")) as connection:
            moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
            connection.execute(
                "update runs set state = 'RUNNING', ended_at = null, last_heartbeat_at = ?"
                " where id = (select max(id) from runs)",
                [moment],
            )
            connection.commit()
            assert "running for" in status("--tap=everflow", "--no-rows")[1]
            connection.execute(
                "update runs set last_heartbeat_at = datetime(last_heartbeat_at, '-6 minutes')"
                " where state = 'RUNNING'"
            )
            connection.commit()
            (one,) = json.loads(status("--tap=everflow", "--json")[1])["pipelines"]
            assert (one["condition"], one["last_run"]["outcome"]) == ("failed", "died")

    def test_a_client_has_its_own_rows(self, project, status, tmp_path):
        (project.folder / "clients").mkdir(exist_ok=True)
        (project.folder / "clients" / "acme.yml").write_text(
            "plugins: {extractors: [{name: tap-everflow--acme, inherit_from: tap-everflow,"
            " config: {client_id: 12}}]}\n"
            "jobs: [{name: acme, tasks: [tap-everflow--acme target-postgres]}]\n"
            "schedules: [{name: acme-hourly, interval: '@hourly', job: acme}]\n"
        )
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        days = {"TAP_EVERFLOW_START_DATE": str(yesterday), "TAP_EVERFLOW_END_DATE": str(yesterday)}
        project.load("daily_stats", **days)
        told = json.loads(status("--tap=everflow", "--json", "--days=10")[1])["pipelines"]
        rows = {one["tap"]: one["rows_by_date"] for one in told}
        assert rows["tap-everflow--acme"] == {}
        assert [*rows["tap-everflow"]] == [str(yesterday)]
        assert rows["tap-everflow"][str(yesterday)] > 0
        target = tmp_path / "status.html"
        assert status("--html", str(target))[0] == 1
        assert 'id="tap-everflow--acme"' in target.read_text()

    def test_a_page_that_cannot_be_written(self, status, tmp_path):
        target = tmp_path / "nowhere" / "status.html"
        code, text = status("--html", str(target))
        assert code == 2
        assert f"Cannot write {target} (--html): No such file or directory." in text

    def test_a_database_that_is_not_there(self, status, monkeypatch):
        for name in ("HOST", "USER", "DATABASE", "PASSWORD"):
            monkeypatch.setenv(f"TARGET_POSTGRES_{name}", "127.0.0.1")
        monkeypatch.setenv("TARGET_POSTGRES_PORT", "1")
        monkeypatch.delenv("TARGET_POSTGRES_SQLALCHEMY_URL")
        code, text = status()
        assert code == 1  # nothing has run yet
        assert "Rows were not counted: " in text
        assert "no server listens there" in text

    def test_what_cannot_be_told(self, status, tmp_path, capsys):
        assert main(["--folder", str(tmp_path)]) == 2
        assert "Run this command in the project's folder" in capsys.readouterr().err
        assert "No scheduled tap has 'nowhere'" in status("--tap=nowhere")[1]
