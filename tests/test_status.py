"""Whoever is on call sees what ran, what came, and what has fallen behind."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from e2e import ROOT

from signalroom_cli.status.command import main
from signalroom_cli.status.model import Condition, Outcome, Pipeline, Rows, Run
from signalroom_cli.status.page import bars, page
from signalroom_cli.status.table import short
from signalroom_cli.status.warehouse import look_up

NOW = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)
DAYS = {"TAP_EVERFLOW_START_DATE": "2026-01-05", "TAP_EVERFLOW_END_DATE": "2026-01-07"}


def run(minutes_ago, outcome=Outcome.SUCCESS, took=1):
    began = NOW - timedelta(minutes=minutes_ago)
    ended = None if outcome in {Outcome.RUNNING, Outcome.DIED} else began + timedelta(minutes=took)
    return Run(began, ended, outcome)


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
    assert [short(span) for span in spans] == ["42 s", "17 min", "3 h 20", "2 d 4 h"]


class TestPage:
    def test_a_bar_for_each_day(self):
        by_day = {date(2026, 3, 20): 1000, date(2026, 3, 18): 1, date(2026, 3, 1): 9_999}
        one = pipeline(rows=Rows(by_day={day: by_day[day] for day in [*by_day][:2]}))
        found = bars(one, NOW, 3)
        assert [(bar.day.day, bar.rows) for bar in found] == [(18, 1), (19, 0), (20, 1000)]
        assert [bar.height for bar in found] == [1.0, 0.0, 34.0]
        assert [bar.y + bar.height for bar in found] == [34.0] * 3

    def test_names_are_text(self):
        one = pipeline(run(25), run(25), bookmarks={"a": "2026-01-02"})
        one.tap = "tap-<script>"
        text = page([one], NOW, days=3, problem="no server & no rows")
        assert "<script" not in text
        assert "tap-&lt;script&gt;" in text
        assert "no server &amp; no rows" in text

    def test_nothing_comes_from_elsewhere(self):
        text = page([pipeline()], NOW, days=3, problem="")
        assert "http" not in text.replace("http-equiv", "")
        assert "src=" not in text
        assert "1 of 1 stale" in text


def test_each_pipelines_rows_and_those_of_its_last_run(database):
    with psycopg.connect(database.libpq_url) as connection:
        connection.execute("create schema s")
        connection.execute(
            "create table s.shared as select client as _client_id, %s - make_interval(mins => n)"
            " as _loaded_at from unnest(array['acme', 'bolt', null]) as client,"
            " generate_series(1, 60) as n",
            [NOW],
        )
        connection.execute("create table s.own as select %s as _loaded_at", [NOW])
        connection.execute(
            "create table s.shared__rejected as select jsonb_build_object('_client_id', client)"
            " as record from unnest(array['acme', 'acme', null]) as client"
        )
    found = [
        pipeline(last, client_id=client, load_schema=schema)
        for last, client, schema in (
            (run(10), "acme", "s"),
            (run(20), "bolt", "s"),
            (run(30), None, "s"),
            # By another schedule.
            (run(40), "acme", "s"),
            (None, "carl", "s"),
            (run(10), "acme", "elsewhere"),
        )
    ]
    settings = {"sqlalchemy_url": database.sqlalchemy_url}
    assert look_up(found, settings, NOW, days=2, seconds=20) == ""
    today, other = NOW.date(), Rows()
    assert [one.rows for one in found] == [
        Rows({today: 60}, last_run=10, rejected=2),
        Rows({today: 60}, last_run=20, rejected=0),
        Rows({today: 61}, last_run=31, rejected=1),
        Rows({today: 60}, last_run=40, rejected=2),
        # It never ran, and the rows without a client are not its own.
        Rows(),
        other,
    ]


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
        project.load("daily_stats", **DAYS)
        code, text = status("--tap=everflow", "--json")
        assert code == 0
        (one,) = json.loads(text)["pipelines"]
        assert (one["condition"], one["stale"]) == ("ok", False)
        (row,) = database.query("select count(*)::int as rows from everflow.daily_stats")
        assert one["rows_last_run"] == row["rows"] > 0
        assert one["rows_by_day"] == {datetime.now(UTC).date().isoformat(): row["rows"]}
        assert one["bookmarks"] == {"daily_stats": "2026-01-07"}
        assert 0 <= one["lag_seconds"] < 60
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

    def test_rows_of_each_client_and_rejected_ones(self, project, status, database, tmp_path):
        (project.folder / "clients").mkdir(exist_ok=True)
        (project.folder / "clients" / "acme.yml").write_text(
            "plugins: {extractors: [{name: tap-everflow--acme, inherit_from: tap-everflow,"
            " config: {client_id: 12}}]}\n"
            "jobs: [{name: acme, tasks: [tap-everflow--acme target-postgres]}]\n"
            "schedules: [{name: acme-hourly, interval: '@hourly', job: acme}]\n"
        )
        with psycopg.connect(database.libpq_url) as connection:
            connection.execute("create schema everflow")
            connection.execute(
                "create table everflow.daily_stats as select case when n % 3 = 0 then '12' end"
                " as _client_id, now() - make_interval(days => n) as _loaded_at, n"
                " from generate_series(0, 29) as n"
            )
            connection.execute(
                "create table everflow.daily_stats__rejected as select jsonb_build_object("
                "'_client_id', '12') as record from generate_series(1, 7)"
            )
        told = json.loads(status("--tap=everflow", "--json", "--days=10")[1])["pipelines"]
        found = {
            one["tap"]: (sum(one["rows_by_day"].values()), one["rows_rejected"]) for one in told
        }
        assert found == {"tap-everflow": (6, 0), "tap-everflow--acme": (4, 7)}
        target = tmp_path / "status.html"
        assert status("--html", str(target))[0] == 1
        assert 'id="tap-everflow--acme"' in target.read_text()

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
        assert "Call this in the project's folder" in capsys.readouterr().err
        assert "No scheduled tap has 'nowhere'" in status("--tap=nowhere")[1]
