"""A range of days in slices side by side, apart from the hourly state."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from harness.pipelines import ROOT, new_database, new_pipe

from signalroom_cli.backfill.command import main
from signalroom_cli.backfill.runs import read_progress, wait_for_run
from signalroom_cli.backfill.slices import Slice, split_days
from signalroom_cli.backfill.tap import read_tap, slice_environment

pytestmark = pytest.mark.e2e

TAP = "tap-everflow"
STATE_ID = f"dev:{TAP}-to-target-postgres"


def slices(project, *arguments, code=0, **env):
    streams = () if any("--streams" in one for one in arguments) else ("--streams=daily_stats",)
    return project.run("signalroom", "backfill", *arguments, *streams, code=code, **env)


def backfill_states(project):
    """The states that slices keep until all of them are loaded."""
    return [state_id for state_id in project.state_ids() if "backfill" in state_id]


def totals(database):
    (row,) = database.query(
        "select count(*)::int as rows, count(distinct date)::int as days, sum(payout) as payout"
        " from everflow.daily_stats"
    )
    return row


def test_slices_are_as_one_run_and_leave_the_state_alone(project, sandbox, database):
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    days = {"TAP_EVERFLOW_START_DATE": "2026-01-01", "TAP_EVERFLOW_END_DATE": "2026-01-20"}
    project.load("daily_stats", **days)
    whole = totals(database)
    before = project.saved_bookmarks(STATE_ID)
    for day in range(1, 11):
        sandbox.control.everflow.restate(date(2026, 1, day), "America/New_York", percent=50)
    printed = slices(project, TAP, "2026-01-01", "2026-01-10", "--slices=3")
    assert "2026-01-01 to 2026-01-03  loaded" in printed
    assert "2026-01-07 to 2026-01-10  loaded" in printed
    assert "3 slices in" in printed
    after = totals(database)
    assert (after["rows"], after["days"]) == (whole["rows"], 20)
    span = (date(2026, 1, 1), date(2026, 1, 20), "America/New_York")
    expected = sandbox.control.everflow.totals(*span)["totals"]
    assert str(after["payout"].normalize()) == str(expected["payout"]).rstrip("0").rstrip(".")
    assert after["payout"] < whole["payout"]
    assert project.saved_bookmarks(STATE_ID) == before
    assert not backfill_states(project)


ZONE = "America/New_York"
#: Before all lookbacks, and recent enough for Everflow to keep clicks and conversions.
LAST = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=38)
FIRST = LAST - timedelta(days=11)


def restate_everflow(control, day, number):
    """Change, reject, remove and add conversions of a day, with their clicks and events."""
    control.everflow.restate(day, ZONE, percent=50 + 10 * number)
    control.everflow.restate(day, ZONE, reject=2)
    control.everflow.restate(day, ZONE, delete_affiliate=1 + number % 5)
    control.everflow.restate(day, ZONE, add_conversions=1 + number)


def everflow_rows(control):
    """What some tables must hold, computed apart from the API's responses."""
    days = control.everflow.totals(FIRST, LAST, ZONE)["days"]
    conversions = control.everflow.conversions(FIRST, LAST, ZONE)
    return {
        "date::text, affiliate_id, advertiser_id, payout from everflow.daily_stats": {
            (row["date"], row["affiliate_id"], row["advertiser_id"], Decimal(row["payout"]))
            for row in days
        },
        "conversion_id, payout from everflow.conversions": {
            (row["conversion_id"], Decimal(row["payout"]))
            for row in conversions
            if not row["is_event"]
        },
    }


def redtrack_rows(control):
    """What some tables must hold, computed apart from the API's responses."""
    days = control.redtrack.totals(start=str(FIRST), end=str(LAST), timezone=ZONE)
    conversions = control.redtrack.conversions(start=str(FIRST), end=str(LAST), timezone=ZONE)
    return {
        "date::text, source_id, cost from redtrack.daily_spend": {
            (row["date"], row["source_id"], Decimal(row["cost"]))
            for row in days
            if row["source_id"]
        },
        "id, status from redtrack.conversions": {(row["id"], row["status"]) for row in conversions},
    }


def restate_redtrack(control, day, number):
    """Change costs and payouts of a day, decline conversions, and remove those of a source."""
    changed = {"cost_percent": 50 + 10 * number, "payout_percent": 150 - 10 * number}
    control.redtrack.restate(day=str(day), timezone=ZONE, **changed)
    control.redtrack.decline(day=str(day), timezone=ZONE, count=2)
    control.redtrack.vanish(day=str(day), timezone=ZONE, source=number % 4)


@pytest.mark.parametrize(
    ("tap", "schema", "restate", "vendor_rows", "streams", "settings"),
    (
        (
            "tap-everflow",
            "everflow",
            restate_everflow,
            everflow_rows,
            ("daily_stats", "daily_offer_stats", "conversions", "events", "clicks"),
            {},
        ),
        (
            "tap-redtrack",
            "redtrack",
            restate_redtrack,
            redtrack_rows,
            (
                *("daily_spend", "campaign_daily", "landing_daily", "network_daily"),
                *("offer_daily", "conversions", "clicks"),
            ),
            {"TAP_REDTRACK_REQUESTS_PER_MINUTE": "60000"},
        ),
    ),
)
def test_after_a_backfill_the_range_is_the_vendors(
    project, sandbox, postgres, database, zygote, tmp_path,
    tap, schema, restate, vendor_rows, streams, settings,
):  # fmt: skip
    def rows(of_database, stream):
        return {
            str({name: row[name] for name in row if not name.startswith(("_loaded", "_sdc"))})
            for row in of_database.query(f"select * from {schema}.{stream}")
            # A click of RedTrack's may have no time: nobody knows which day's it is.
            if row.get("date", FIRST) is not None
        }

    sandbox.control.everflow.limits(per_second=10_000, burst=10_000)
    sandbox.control.redtrack.limits(per_window=100_000)
    prefix = tap.upper().replace("-", "_")
    days = {f"{prefix}_START_DATE": str(FIRST), f"{prefix}_END_DATE": str(LAST)}
    project.load(*streams, tap=tap, **days, **settings)
    before = {stream: rows(database, stream) for stream in streams}
    for number in range(12):
        if number != 5:
            restate(sandbox.control, FIRST + timedelta(days=number), number)
    arguments = (tap, str(FIRST), str(LAST), "--slices=3", f"--streams={','.join(streams)}")
    assert "3 slices in" in slices(project, *arguments, **settings)
    after = {stream: rows(database, stream) for stream in streams}
    for query, expected in vendor_rows(sandbox.control).items():
        table = [tuple(row.values()) for row in database.query(f"select {query}")]
        assert len(table) == len(expected), query
        assert {*table} == expected, query
    with new_database(postgres) as fresh:
        pipe = new_pipe(
            *(tap, tmp_path / "fresh", sandbox, fresh, schema, zygote.bin), **days, **settings
        )
        pipe.choose(*streams)
        pipe.load()
        for stream in streams:
            expected = rows(fresh, stream)
            assert after[stream] == expected, stream
            # Rows went, and others came or changed.
            assert before[stream] - expected, stream
            assert stream == "clicks" or expected - before[stream], stream
            assert before[stream] & expected, stream


def test_a_slice_that_failed_is_gone_on_with(project, sandbox, database):
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    # Not read at the first call: the days of the second slice.
    sandbox.control.fault("http_401", match="entity", skip=1, times=99)
    arguments = (TAP, "2026-01-01", "2026-01-04", "--slices=2")
    printed = slices(project, *arguments, code=1)
    assert "FAILED" in printed
    assert "Run the same command again" in printed
    assert "answered 401" in printed
    sandbox.control.clear_faults()
    assert "2 slices in" in slices(project, *arguments)
    assert totals(database)["days"] == 4


def test_the_days_are_cut_evenly():
    parts = split_days(date(2026, 1, 1), date(2026, 1, 10), 3)
    assert [(part.first.day, part.last.day) for part in parts] == [(1, 3), (4, 6), (7, 10)]
    assert len(split_days(date(2026, 1, 1), date(2026, 1, 2), 5)) == 2


def test_limits_are_shared_out(monkeypatch):
    part = Slice(date(2026, 1, 1), date(2026, 1, 2))
    env = slice_environment(read_tap("tap-redtrack", ROOT), part, 4)
    # A scheduled run goes on meanwhile.
    assert env["TAP_REDTRACK_REQUESTS_PER_MINUTE"] == "3"
    monkeypatch.setenv("TAP_REDTRACK_REQUESTS_PER_MINUTE", "8")
    env = slice_environment(read_tap("tap-redtrack", ROOT), part, 4)
    assert env["TAP_REDTRACK_REQUESTS_PER_MINUTE"] == "1"
    assert env["TAP_REDTRACK_START_DATE"] == "2026-01-01"
    # The loader's log of loads has a slice by itself, apart from the hourly runs.
    assert env["MELTANO_RUN_STATE_ID_SUFFIX"] == part.suffix
    env = slice_environment(read_tap("tap-sticky-s3", ROOT), part, 2)
    assert env["TAP_STICKY_S3_FILE_DATE_TO"] == "2026-01-02"


def test_what_stands_in_the_env_file_alone_holds(tmp_path, monkeypatch):
    monkeypatch.delenv("MELTANO_DATABASE_URI", raising=False)
    monkeypatch.delenv("MELTANO_SYS_DIR_ROOT", raising=False)
    shutil.copy(ROOT / "meltano.yml", tmp_path)
    part = Slice(date(2026, 1, 1), date(2026, 1, 2))
    env = slice_environment(read_tap("tap-redtrack", tmp_path), part, 4)
    assert env["MELTANO_DATABASE_URI"] == f"sqlite:///{tmp_path}/.meltano/meltano.db"
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("MELTANO_SYS_DIR_ROOT", str(elsewhere))
    env = slice_environment(read_tap("tap-redtrack", tmp_path), part, 4)
    assert env["MELTANO_DATABASE_URI"] == f"sqlite:///{elsewhere}/meltano.db"
    assert env["MELTANO_SYS_DIR_ROOT"].startswith(f"{elsewhere}/backfill/tap-redtrack/")
    (tmp_path / ".env").write_text(
        "MELTANO_DATABASE_URI=postgresql+psycopg://db.example.com/meltano\n"
        "TAP_REDTRACK_REQUESTS_PER_MINUTE=12\n"
    )
    env = slice_environment(read_tap("tap-redtrack", tmp_path), part, 4)
    assert env["MELTANO_DATABASE_URI"] == "postgresql+psycopg://db.example.com/meltano"
    assert env["TAP_REDTRACK_REQUESTS_PER_MINUTE"] == "2"


def test_step_by_step_as_an_orchestrator_does(project, sandbox, database):
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    arguments = (TAP, "2026-01-01", "2026-01-04", "--slices=2")
    assert slices(project, *arguments, "--plan") == "[0, 1]\n"
    assert "2026-01-03 to 2026-01-04  loaded" in slices(project, *arguments, "--only=1")
    assert totals(database)["days"] == 2
    slices(project, *arguments, "--only=0")
    assert totals(database)["days"] == 4
    assert backfill_states(project)
    slices(project, *arguments, "--finish")
    assert not backfill_states(project)
    assert "There are slices 0 to 1" in slices(project, *arguments, "--only=2", code=2)


def test_streams_that_the_tap_does_not_have(project):
    arguments = (TAP, "2026-01-01", "2026-01-04", "--streams=daily_stats,conversion")
    said = slices(project, *arguments, code=1)
    assert "tap-everflow has no stream conversion; it has adjustments, advertisers, affil" in said
    assert "loaded\n" not in said


def test_days_that_are_yet_to_come(project):
    said = slices(project, TAP, "2026-01-01", "9999-12-31", "--plan", code=2)
    assert "TO (9999-12-31) is in the future" in said


def test_days_that_end_before_they_begin(project):
    assert "FROM must not be after TO" in slices(project, TAP, "2026-01-03", "2026-01-02", code=2)


def test_what_is_no_day(capsys):
    # As make gives them where they are not named.
    with pytest.raises(SystemExit):
        main(["", "", ""])
    assert "'' is not a date such as 2025-01-31. Name a tap" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    (
        (("tap-nowhere", "2026-01-01", "2026-01-02"), "There is no tap-nowhere; there are"),
        (("tap-gsheets", "2026-01-01", "2026-01-02"), "does not read by date"),
    ),
)
def test_what_cannot_be_done_is_told(project, arguments, said):
    assert said in slices(project, *arguments, code=1)


@pytest.mark.parametrize(
    ("text", "said"),
    (
        (None, "{path} not found. Run this command in the project's folder."),
        ("plugins: [", "Cannot read {path}: while parsing a flow"),
        ("- plugins", "Cannot read {path}: expected keys such as plugins and schedules."),
    ),
)
def test_a_folder_that_is_no_projects(tmp_path, capsys, text, said):
    path = tmp_path / "meltano.yml"
    if text is not None:
        path.write_text(text)
    assert main([TAP, "2026-01-01", "2026-01-02", f"--folder={tmp_path}"]) == 1
    assert capsys.readouterr().err.startswith(said.format(path=path))


def test_a_limit_that_is_not_a_number(monkeypatch, capsys):
    monkeypatch.setenv("TAP_EVERFLOW_REQUESTS_PER_SECOND", "many")
    arguments = [TAP, "2026-01-01", "2026-01-02", f"--folder={ROOT}", "--plan"]
    assert main(arguments) == 1
    expected = "Invalid TAP_EVERFLOW_REQUESTS_PER_SECOND 'many': expected a number.\n"
    assert capsys.readouterr().err == expected


SAID = (
    "tap-everflow conversions: reading 2026-10-01 to 2026-11-29 (UTC) in 60 requests",
    "tap-everflow conversions: 14 of 60 days, 4,100 rows read in 10 s, about 33 s left",
    "tap-everflow conversions: 29 of 60 days, 8,000 rows read in 20 s, about 21 s left",
    "target-postgres conversions: 17 rows read, 17 new, 0 updated in 3.2 s, up to 2026-11-29",
)
LOG = "".join(f"2026-11-30T09:14:43Z [info     ] {line}\n" for line in SAID)


def test_how_far_a_slice_is(tmp_path):
    log = tmp_path / "run.log"
    log.write_text("")
    assert read_progress(log) == ""
    log.write_text(LOG)
    assert read_progress(log) == (
        "conversions: 29 of 60 days, 8,000 rows read in 20 s, about 21 s left"
    )


def test_slices_say_how_far_they_are_while_they_run(tmp_path, monkeypatch, capsys):
    log = tmp_path / "run.log"
    log.write_text(LOG)
    part = Slice(date(2026, 1, 1), date(2026, 1, 31))

    class Process:
        waits = 0

        def wait(self, seconds):
            self.waits += 1
            if self.waits < 3:
                raise subprocess.TimeoutExpired([], seconds)
            return 0

    assert wait_for_run(Process(), part, log) == 0
    line = "2026-01-01 to 2026-01-31  conversions: 29 of 60 days, 8,000 rows read in 20 s"
    assert [one[: len(line)] for one in capsys.readouterr().out.splitlines()] == [line] * 2
