from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

pytestmark = pytest.mark.e2e

ZONE = ZoneInfo("America/New_York")
YESTERDAY = datetime.now(ZONE).date() - timedelta(days=1)
START = YESTERDAY - timedelta(days=39)
MONEY = ("payout", "revenue", "profit")
STATE_ID = "dev:tap-everflow-to-target-postgres"


@pytest.fixture
def project(project):
    """A project whose runs all end on the same day, also if the next one begins meanwhile."""
    project.env["TAP_EVERFLOW_END_DATE"] = YESTERDAY.isoformat()
    return project


def truth(sandbox, start=START, end=YESTERDAY):
    """The sandbox's own count, computed apart from its API's answers."""
    return sandbox.control.everflow.totals(start, end, "America/New_York")


def keyed(days):
    """What daily stats must hold, by key."""
    return {
        (day["date"], day["affiliate_id"], day["advertiser_id"]): (
            day["clicks"],
            day["conversions"],
            *(Decimal(day[name]) for name in MONEY),
        )
        for day in days
    }


def loaded(database):
    """What daily stats hold, by key."""
    rows = database.query("select *, date::text as day from everflow.daily_stats")
    return {
        (row["day"], row["affiliate_id"], row["advertiser_id"]): (
            row["clicks"],
            row["conversions"],
            *(row[name] for name in MONEY),
        )
        for row in rows
    }


def test_the_legacy_queries_agree_with_the_vendor_to_the_cent(project, sandbox, database):
    project.load("daily_stats", TAP_EVERFLOW_START_DATE=START.isoformat())
    days = truth(sandbox)["days"]
    assert len(days) > 500
    assert loaded(database) == keyed(days)

    by_day = database.query(
        "select date, advertiser_label, sum(conversions) as conversions, sum(payout) as payout"
        " from everflow.daily_stats group by date, advertiser_label"
    )
    expected = {}
    for day in days:
        found = expected.setdefault((day["date"], day["advertiser_label"]), [0, Decimal(0)])
        found[0] += day["conversions"]
        found[1] += Decimal(day["payout"])
    assert {
        (row["date"].isoformat(), row["advertiser_label"]): [row["conversions"], row["payout"]]
        for row in by_day
    } == expected

    top = database.query(
        "select affiliate_id, sum(conversions) as conversions from everflow.daily_stats"
        " where advertiser_label = 'CCW' group by affiliate_id order by 2 desc, 1"
    )
    ccw = {}
    for day in days:
        if day["advertiser_label"] == "CCW":
            ccw[int(day["affiliate_id"])] = (
                ccw.get(int(day["affiliate_id"]), 0) + day["conversions"]
            )
    assert [(row["affiliate_id"], row["conversions"]) for row in top] == sorted(
        ccw.items(), key=lambda item: (-item[1], item[0])
    )


def test_the_legacy_columns_come_first_under_their_names(project, database):
    project.load("daily_stats", TAP_EVERFLOW_CLIENT_ID="713")
    columns = database.query(
        "select column_name from information_schema.columns"
        " where table_schema = 'everflow' and table_name = 'daily_stats' order by ordinal_position"
    )
    names = [row["column_name"] for row in columns]
    assert names[:10] == [
        "date",
        "affiliate_id",
        "affiliate_label",
        "advertiser_id",
        "advertiser_label",
        "clicks",
        "conversions",
        "revenue",
        "payout",
        "profit",
    ]
    assert {"_client_id", "_loaded_at"} <= set(names)
    key = database.query(
        "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid"
        " and a.attnum = any(i.indkey)"
        " where i.indrelid = 'everflow.daily_stats'::regclass and i.indisprimary"
    )
    assert {row["attname"] for row in key} == {
        "_client_id",
        "date",
        "affiliate_id",
        "advertiser_id",
    }


def test_a_second_run_reads_the_lookback_and_corrects_what_was_restated(project, sandbox, database):
    project.load("daily_stats", TAP_EVERFLOW_START_DATE=START.isoformat())
    before = loaded(database)
    restated = YESTERDAY - timedelta(days=10)
    untouched = YESTERDAY - timedelta(days=35)
    for day in (restated, untouched):
        sandbox.control.everflow.restate(day, "America/New_York", percent=50)
    sandbox.control.clear_requests()
    project.load("daily_stats", TAP_EVERFLOW_START_DATE=START.isoformat())

    asked = [json.loads(r["body"]) for r in sandbox.control.requests()["requests"] if r.get("body")]
    asked = [body for body in asked if "columns" in body]
    assert min(date.fromisoformat(body["from"]) for body in asked) == YESTERDAY - timedelta(days=29)
    after = loaded(database)
    assert after.keys() == before.keys()
    changed = {key[0] for key in after if after[key] != before[key]}
    assert changed == {restated.isoformat()}
    current = keyed(truth(sandbox)["days"])
    stale = {key for key in after if after[key] != current[key]}
    assert {key[0] for key in stale} == {untouched.isoformat()}

    # What lies before the lookback is corrected when everything is read again.
    start = {"TAP_EVERFLOW_START_DATE": START.isoformat()}
    project.load("daily_stats", flags=["--full-refresh"], **start)
    assert loaded(database) == keyed(truth(sandbox)["days"])
    assert len(loaded(database)) == len(before)


def test_conversions_and_events_are_all_there(project, sandbox, database):
    start = YESTERDAY - timedelta(days=9)
    project.load("conversions", "events", TAP_EVERFLOW_START_DATE=start.isoformat())
    expected = sandbox.control.everflow.conversions(start, YESTERDAY, "America/New_York")
    for table, is_event in (("conversions", False), ("events", True)):
        rows = database.query(f"select conversion_id, payout, date from everflow.{table}")
        wanted = {
            row["conversion_id"]: Decimal(row["payout"])
            for row in expected
            if row["is_event"] is is_event
        }
        assert wanted
        assert {row["conversion_id"]: row["payout"] for row in rows} == wanted
    joined = database.query(
        "select date, count(*) as n from everflow.conversions group by date order by date"
    )
    assert [row["date"] for row in joined] == [start + timedelta(days=n) for n in range(10)]


def test_state_can_be_listed_read_and_cleared(project):
    project.load("daily_stats", "offers")
    assert STATE_ID in project.meltano("state", "list")
    shown = project.meltano("state", "get", STATE_ID).splitlines()[-1]
    bookmarks = json.loads(shown)["singer_state"]["bookmarks"]
    assert bookmarks["daily_stats"] == {
        "refresh": bookmarks["offers"]["refresh"],
        "fields": ["replication_key", "replication_key_value"],
        "replication_key": "date",
        "replication_key_value": YESTERDAY.isoformat(),
    }
    project.meltano("state", "clear", "--force", STATE_ID)
    assert STATE_ID not in project.meltano("state", "list").splitlines()


def test_what_users_call_besides_run(project):
    listed = project.meltano("config", "list", "--all", "tap-everflow")
    assert "lookback_days" in listed
    assert "sandbox-everflow" not in listed
    assert "everflow-hourly" in project.meltano("schedule", "list")
    tested = project.meltano("invoke", "tap-everflow", "--test")
    assert "daily_stats: ok (a record read)" in tested.splitlines()
    assert '"type":' not in tested
    assert '"type":"RECORD"' in project.meltano("invoke", "tap-everflow", "--test=records")
    assert "api_key" in project.meltano("invoke", "tap-everflow", "--about")
    catalog = project.meltano("invoke", "--dump=catalog", "tap-everflow")
    selected = {
        stream["stream"]: stream["metadata"]
        for stream in json.loads(catalog[catalog.index("{\n") :])["streams"]
    }
    off = {
        name
        for name, metadata in selected.items()
        if not next(m["metadata"]["selected"] for m in metadata if not m["breadcrumb"])
    }
    assert off == {"clicks", "daily_offer_stats"}


def test_the_legacy_variables_work(project, sandbox):
    for name in ("TAP_EVERFLOW_API_URL", "TAP_EVERFLOW_API_KEY"):
        del project.env[name]
    dotenv = (
        f"EVERFLOW_API_KEY=sandbox-everflow-network-key\nEVERFLOW_BASE_URL={sandbox.everflow_url}\n"
    )
    (project.folder / ".env").write_text(dotenv)
    project.load("timezones")
    assert sandbox.control.requests()["requests"]


def test_a_failing_run_says_why_and_keeps_what_it_had(project, sandbox, database):
    project.load("daily_stats")
    before = database.contents("everflow.daily_stats")
    output = project.load("daily_stats", code=1, TAP_EVERFLOW_API_KEY="sandbox-everflow-wrong-key")
    assert "answered 401" in output
    assert "Check api_key (TAP_EVERFLOW_API_KEY)" in output
    assert "sandbox-everflow-wrong-key" not in output
    assert database.contents("everflow.daily_stats") == before
