"""RedTrack into PostgreSQL, through Meltano."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from harness.pipelines import ROOT

from signalroom_cli.demo.tables import readme_query
from signalroom_sandbox.redtrack import API_KEY

pytestmark = pytest.mark.e2e

ZONE = "America/New_York"
YESTERDAY = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
START = YESTERDAY - timedelta(days=39)
TAP = "tap-redtrack"
# The sandbox's limit is not the point here.
SETTINGS = {
    "TAP_REDTRACK_START_DATE": str(START),
    # The next day may begin between two runs.
    "TAP_REDTRACK_END_DATE": str(YESTERDAY),
    "TAP_REDTRACK_REQUESTS_PER_MINUTE": "6000",
}
STREAMS = ("daily_spend", "conversions", "campaigns")
VALUES = ("clicks", "conversions", "cost")


@pytest.fixture
def redtrack(sandbox):
    sandbox.control.redtrack.limits(per_window=100_000)
    return sandbox.control.redtrack


@pytest.fixture
def load(project, redtrack):
    return partial(project.load, tap=TAP, **SETTINGS)


def truth(redtrack):
    """What daily spend must hold, computed apart from the API's answers."""
    rows = redtrack.totals(start=str(START), end=str(YESTERDAY), timezone=ZONE)
    return {
        (row["date"], row["source_id"]): tuple(Decimal(row[name]) for name in VALUES)
        for row in rows
        if row["source_id"]
    }


def loaded(database):
    """What it holds."""
    rows = database.query("select *, date::text as day from redtrack.daily_spend")
    return {
        (row["day"], row["source_id"]): tuple(Decimal(row[name]) for name in VALUES) for row in rows
    }


def test_daily_spend_agrees_to_the_cent_after_restatement(
    project, load, redtrack, sandbox, database
):
    # By the variables of the pipeline before.
    for name in ("TAP_REDTRACK_API_URL", "TAP_REDTRACK_API_KEY"):
        del project.env[name]
    (project.folder / ".env").write_text(
        f"REDTRACK_API_KEY={API_KEY}\nREDTRACK_BASE_URL={sandbox.redtrack_url}\n"
    )
    load(*STREAMS)
    assert loaded(database) == truth(redtrack)
    columns = database.query(
        "select column_name from information_schema.columns where table_schema = 'redtrack'"
        " and table_name = 'daily_spend' order by ordinal_position limit 7"
    )
    assert [column["column_name"] for column in columns] == [
        *("date", "source_id", "source_name", "source_alias"),
        *VALUES,
    ]
    restated = YESTERDAY - timedelta(days=5)
    redtrack.restate(day=str(restated), timezone=ZONE, cost_percent=110)
    declined = redtrack.decline(day=str(restated), timezone=ZONE, count=2)
    load(*STREAMS)
    assert loaded(database) == truth(redtrack)
    found = database.query(
        "select status from redtrack.conversions where id = any(%s)", list(declined)
    )
    assert [row["status"] for row in found] == ["declined"] * 2
    types = database.query(
        "select sum((kind.value ->> 'revenue')::numeric) as by_type, sum(distinct total) as total"
        " from (select conversion_types, sum(total_revenue) over () as total"
        "       from redtrack.daily_spend) as spend,"
        " lateral jsonb_each(conversion_types) as kind"
    )
    assert types[0]["by_type"] == types[0]["total"]


def test_spend_revenue_and_return(project, load, redtrack, sandbox, database):
    load("daily_spend")
    days = {"TAP_EVERFLOW_START_DATE": str(START), "TAP_EVERFLOW_END_DATE": str(YESTERDAY)}
    project.load("daily_stats", **days)
    project.load(tap="tap-sticky-s3")
    # A file comes again, one becomes shorter, and one has an amount no more.
    s3, now = sandbox.control.s3, datetime.now(UTC)
    again, shorter, corrected, *_ = [each["key"] for each in s3.objects("orders-create/")]
    s3.redeliver(again, to=again.replace(".csv", "_again.csv"), modified=now)
    s3.shorten(shorter, 80, modified=now)
    blank = {"orders_id": "1", "order_status": "NEW", "total_amount": ""}
    s3.correct(corrected, 0, blank, modified=now)
    project.load(tap="tap-sticky-s3")
    days = {row["day"]: row for row in database.query(readme_query(ROOT / "README.md"))}
    assert set(days) >= {START + timedelta(days=number) for number in range(40)}
    spend, totals = truth(redtrack), sandbox.control.everflow.totals(START, YESTERDAY, ZONE)["days"]
    for number in range(40):
        day = START + timedelta(days=number)
        row = days[day]
        cost = sum(values[2] for key, values in spend.items() if key[0] == str(day))
        payout = sum(Decimal(item["payout"]) for item in totals if item["date"] == str(day))
        # To the cent: half a cent is rounded up there.
        assert abs(row["ad_spend"] - cost) <= Decimal("0.005")
        assert abs(row["payout"] - payout) <= Decimal("0.005")
    orders = s3.totals("orders-create/")["orders"]
    assert orders["no_amount"] == 1
    assert len(orders["by_day"]) == 14
    assert sum(row["orders"] for row in days.values()) == orders["count"]
    assert sum(row["no_amount"] for row in days.values()) == 1
    for day, revenue in orders["by_day"].items():
        row = days[date.fromisoformat(day)]
        assert row["revenue"] == revenue
        if row["ad_spend"]:
            assert abs(row["roas"] - row["revenue"] / row["ad_spend"]) <= Decimal("0.01")


def test_a_failing_run_keeps_what_it_had_and_its_key(load, redtrack, sandbox, database):
    load("daily_spend", "campaigns")
    before = database.contents("redtrack.campaigns")
    sandbox.control.fault("echo_key", vendor="redtrack", match="campaigns", times=99, status=401)
    output = load("daily_spend", "campaigns", code=1)
    assert "campaigns: GET /campaigns answered 401" in output
    assert API_KEY not in output
    assert "sandbox-redtrack-key" not in output
    assert database.contents("redtrack.campaigns") == before
