"""`signalroom reconcile`: tables against the vendors' own totals."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

pytestmark = pytest.mark.e2e
ZONE = "America/New_York"
FIRST, LAST = "2026-01-01", "2026-01-10"
EVERFLOW = {"TAP_EVERFLOW_START_DATE": FIRST, "TAP_EVERFLOW_END_DATE": LAST}
REDTRACK = {"TAP_REDTRACK_START_DATE": FIRST, "TAP_REDTRACK_END_DATE": LAST}
EQUAL = {
    "tap-everflow": "tap-everflow daily_stats: equal, {} to {} (clicks, conversions, payout, "
    "revenue)",
    "tap-redtrack": "tap-redtrack daily_spend: equal, {} to {} (clicks, conversions, cost)",
}


@pytest.fixture(autouse=True)
def _no_limit(sandbox):
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)


def reconcile(project, *arguments, code=0, **env):
    return project.run("signalroom", "reconcile", *arguments, code=code, **env)


def an_affiliate(database, day):
    """The affiliate with the most clicks of a day."""
    query = "select affiliate_id from everflow.daily_stats where date = %s order by clicks desc"
    return database.query(query, day)[0]["affiliate_id"]


def test_after_each_run_the_tables_are_equal_to_the_vendors_totals(project, sandbox, database):
    everflow, redtrack = sandbox.control.everflow, sandbox.control.redtrack
    taps, env = ("tap-everflow", "tap-redtrack"), EVERFLOW | REDTRACK
    day, other = date(2026, 1, 8), date(2026, 1, 9)
    changes = [
        lambda: None,
        lambda: (
            everflow.restate(day, ZONE, percent=91, reject=2, add_conversions=3),
            everflow.restate(other, ZONE, delete_affiliate=an_affiliate(database, other)),
            redtrack.restate(day=str(day), timezone=ZONE, cost_percent=117),
            redtrack.vanish(str(other), ZONE, 0),
        ),
    ]
    for number, change in enumerate(changes):
        change()
        if number:
            printed = reconcile(project, *taps, code=1, **env)
            assert "totals differ" in printed
            assert "backfill tap-everflow 2026-01-08 2026-01-09" in printed
            assert "backfill tap-redtrack 2026-01-08 2026-01-09" in printed
        project.load("daily_stats", **EVERFLOW)
        project.load("daily_spend", tap="tap-redtrack", **REDTRACK)
        # The days that the last run read, by the lookback of each tap.
        lines = reconcile(project, *taps, **env).splitlines()
        assert lines == [
            EQUAL["tap-everflow"].format(FIRST, LAST),
            EQUAL["tap-redtrack"].format("2026-01-04", LAST),
        ]
    days = (f"--from={FIRST}", f"--to={LAST}")
    printed = reconcile(project, "tap-redtrack", *days, **env)
    assert printed.splitlines() == [EQUAL["tap-redtrack"].format(FIRST, LAST)]


def test_a_difference_is_named_by_day_and_column_to_the_last_digit(project, database):
    project.load("daily_stats", **EVERFLOW)
    change = "update everflow.daily_stats set payout = payout + 0.01, clicks = clicks - 3"
    database.execute(f"{change} where ctid = (select min(ctid) from everflow.daily_stats)")
    ((day, payout, clicks),) = [
        (str(row["date"]), row["payout"], row["clicks"])
        for row in database.query(
            "select date, sum(payout) as payout, sum(clicks) as clicks from everflow.daily_stats"
            " where date = (select date from everflow.daily_stats order by _loaded_at, ctid desc"
            " limit 1) group by 1"
        )
    ]
    (tap,) = json.loads(reconcile(project, "tap-everflow", "--json", code=1, **EVERFLOW))
    (stream,) = tap["streams"]
    assert (tap["tap"], tap["problem"]) == ("tap-everflow", None)
    assert (stream["stream"], stream["table"]) == ("daily_stats", "everflow.daily_stats")
    assert (stream["days"], stream["first_day"], stream["last_day"]) == (10, FIRST, LAST)
    found = {each["column"]: each for each in stream["differences"]}
    assert {name: Decimal(each["difference"]) for name, each in found.items()} == {
        "clicks": Decimal(-3),
        "payout": Decimal("0.01"),
    }
    assert {each["day"] for each in found.values()} == {day}
    assert Decimal(found["payout"]["table"]) == payout
    assert Decimal(found["clicks"]["table"]) == clicks
    # What the vendor may have rounded.
    printed = reconcile(project, "tap-everflow", "--tolerance=0.01", code=1, **EVERFLOW)
    assert "1 of 40 totals differ" in printed
    assert printed.splitlines()[2].split()[:2] == [day, "clicks"]
    assert printed.splitlines()[2].split()[-1] == "-3"


def test_rows_of_other_clients_and_advertisers_do_not_count(project):
    acme = {"TAP_EVERFLOW_CLIENT_ID": "acme", "TAP_EVERFLOW_ADVERTISER_ID": "1"}
    birch = {"TAP_EVERFLOW_CLIENT_ID": "birch"}
    for client in (acme, birch):
        project.load("daily_stats", flags=("--full-refresh",), **EVERFLOW, **client)
    days = ("tap-everflow", f"--from={FIRST}", f"--to={LAST}")
    for client in (acme, birch):
        assert "equal" in reconcile(project, *days, **EVERFLOW, **client)
    # Without a client, none of these rows is its own.
    printed = reconcile(project, *days, "--json", code=1, **EVERFLOW)
    (stream,) = json.loads(printed)[0]["streams"]
    assert {Decimal(each["table"]) for each in stream["differences"]} == {0}


def test_a_client_of_its_own_file(project):
    project.new_client("acme", "--sources=everflow")
    tap = "tap-everflow--acme"
    key = {"ACME_EVERFLOW_API_KEY": project.env["TAP_EVERFLOW_API_KEY"]}
    env = {name.replace("EVERFLOW", "EVERFLOW__ACME"): value for name, value in EVERFLOW.items()}
    project.load("daily_stats", tap=tap, **env, **key)
    printed = reconcile(project, tap, **env, **key)
    assert printed.startswith(f"{tap} daily_stats: equal, {FIRST} to {LAST}")
    printed = reconcile(project, tap, code=2)
    assert printed == (
        f"{tap}: not configured (ACME_EVERFLOW_API_KEY is not set). Set what is missing in .env.\n"
    )


@pytest.mark.parametrize("unattributed", ("false", "true"))
def test_rows_without_a_source_count_where_they_are_loaded(project, sandbox, unattributed):
    sandbox.control.redtrack.switches(many_groups="refused")
    env = REDTRACK | {
        "TAP_REDTRACK_INCLUDE_UNATTRIBUTED": unattributed,
        "TAP_REDTRACK_START_DATE": "2026-01-09",
    }
    project.load("daily_spend", tap="tap-redtrack", **env)
    printed = reconcile(project, "tap-redtrack", **env)
    assert printed.splitlines() == [EQUAL["tap-redtrack"].format("2026-01-09", LAST)]


def test_rows_that_are_marked_as_gone_do_not_count(project, sandbox, database):
    env = EVERFLOW | {"TARGET_POSTGRES_REMOVED_ROWS": "mark"}
    project.load("daily_stats", **env)
    day = date(2026, 1, 9)
    sandbox.control.everflow.restate(day, ZONE, delete_affiliate=an_affiliate(database, day))
    project.load("daily_stats", **env)
    (marked,) = database.query(
        "select count(*) as rows from everflow.daily_stats where _sdc_deleted_at is not null"
    )
    assert marked["rows"] > 0
    assert "equal" in reconcile(project, "tap-everflow", **env)


def test_what_cannot_be_compared_says_why(project):
    printed = reconcile(project, "tap-everflo", code=2)
    assert printed.startswith("tap-everflo: There is no tap-everflo; there are tap-everflow, ")
    printed = reconcile(project, "tap-everflow", code=2, **EVERFLOW)
    assert printed == "tap-everflow daily_stats: not compared: no day was loaded yet\n"
    days = (f"--from={FIRST}", f"--to={FIRST}")
    printed = reconcile(project, "tap-everflow", *days, code=2, **EVERFLOW)
    assert printed == (
        "tap-everflow daily_stats: not compared: there is no table everflow.daily_stats yet: run "
        "the tap first\n"
    )
    printed = reconcile(project, "tap-everflow", *days, code=2, TAP_EVERFLOW_API_KEY="wrong")
    assert printed.startswith("tap-everflow: ")
    assert "TAP_EVERFLOW_API_KEY" in printed
    assert len(printed.splitlines()) == 1
    printed = reconcile(project, "tap-gsheets", code=2)
    assert printed == (
        "tap-gsheets: no selected stream of it has totals at the vendor to compare with\n"
    )
    printed = reconcile(project, "tap-everflow", "--from=2026-01-01", code=2)
    assert "Name both --from and --to" in printed
    printed = reconcile(project, "tap-everflow", "--tolerance=few", code=2)
    assert "'few' is not an amount such as 0.01" in printed
