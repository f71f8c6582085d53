from __future__ import annotations

import json
from decimal import Decimal

import pytest
from everflow_days import NEW_YORK, days_ago

from tap_everflow.streams.row_level import IncompleteDayError

PERSONAL = {
    "email",
    "session_user_ip",
    "conversion_user_ip",
    "http_user_agent",
    "user_ip",
    "idfa",
    "google_ad_id_md5",
}


def truth(sandbox, start, end=None, *, events=False):
    found = sandbox.control.everflow.conversions(start, end or days_ago(1), NEW_YORK)
    return {row["conversion_id"]: row for row in found if row["is_event"] is events}


def asked(sandbox, path):
    requests = sandbox.control.requests()["requests"]
    return [request for request in requests if path in request["path"]]


def assert_whole(rows, sandbox, start, **kwargs):
    """Every conversion of the days once, with its amounts."""
    expected = truth(sandbox, start, **kwargs)
    assert len(rows) == len(expected)
    assert {row["conversion_id"] for row in rows} == expected.keys()
    for row in rows:
        wanted = expected[row["conversion_id"]]
        assert Decimal(str(row["payout"])) == Decimal(wanted["payout"])
        assert row["status"] == wanted["status"]


@pytest.mark.parametrize(("stream", "events"), (("conversions", False), ("events", True)))
def test_conversions_and_events_are_whole(make_tap, sandbox, sync, stream, events):
    output = sync(make_tap(), stream)
    rows = output.records[stream]
    assert_whole(rows, sandbox, days_ago(5), events=events)
    assert {row["is_event"] for row in rows} == {events}
    assert output.bookmarks(stream) == [days_ago(number).isoformat() for number in range(5, 0, -1)]


def test_rows_carry_what_sql_needs(make_tap, sync):
    row = sync(make_tap(client_id="713"), "conversions").records["conversions"][0]
    assert row["_client_id"] == "713"
    assert row["date"] == days_ago(5).isoformat()
    assert row["converted_at"].endswith("Z")
    related = row["relationship"]
    assert row["offer_id"] == related["offer"]["network_offer_id"]
    assert row["affiliate_id"] == related["affiliate"]["network_affiliate_id"]
    assert row["advertiser_id"] == related["advertiser"]["network_advertiser_id"]
    assert related["query_parameters"]["gclid"].startswith("g")


def test_personal_data_is_left_out_unless_asked_for(make_tap, sync):
    for asked_for in (False, True):
        output = sync(make_tap(include_personal_data=asked_for), "conversions", "clicks")
        for stream in ("conversions", "clicks"):
            columns = output.schemas[stream]["schema"]["properties"].keys()
            assert bool(columns & PERSONAL) is asked_for
            assert any(PERSONAL & row.keys() for row in output.records[stream]) is asked_for
            extras = {name for row in output.records[stream] for name in row.get("_extra") or {}}
            assert not extras & PERSONAL or asked_for


def test_people_of_advertisers_are_left_out_unless_asked_for(make_tap, sync):
    names = ("accounting_contact_email", "platform_username")
    of_managers = {"first_name", "last_name", "email", "work_phone", "cell_phone"}
    for asked_for in (False, True):
        output = sync(make_tap(include_personal_data=asked_for), "advertisers")
        for row in output.records["advertisers"]:
            extra = row["_extra"]
            assert all((name in row or name in extra) is asked_for for name in names)
            manager = (row.get("relationship") or extra["relationship"])["account_manager"]
            assert (of_managers & {*manager}) == (of_managers if asked_for else set())
            assert {*manager} - of_managers


class TestPaging:
    """Pages of a day, as they really come."""

    def read(self, make_tap, sync, caplog=None, **config):
        settings = {"start_date": days_ago(2).isoformat(), "page_size": 10} | config
        return sync(make_tap(**settings), "conversions")

    def test_paging_is_in_the_url(self, make_tap, sandbox, sync):
        self.read(make_tap, sync)
        requests = asked(sandbox, "conversions")
        assert len(requests) > 4
        assert all("page=" in request["query"] for request in requests)
        assert not any("page" in json.loads(request["body"]) for request in requests)

    @pytest.mark.parametrize(
        "switches",
        (
            {"page_clamp": 7},
            {"page_clamp": 7, "page_size_told": False},
            {"page_clamp": 7, "page_size_told": False, "total_count": "absent"},
            {"total_count": "absent"},
            {"total_count": "growing"},
            {"total_count": "shrinking"},
        ),
        ids=json.dumps,
    )
    def test_pages_of_any_kind_give_each_row_once(self, make_tap, sandbox, sync, switches):
        sandbox.control.everflow.switches(**switches)
        assert_whole(self.read(make_tap, sync).records["conversions"], sandbox, days_ago(2))

    def test_a_row_lost_at_a_boundary_is_found_with_another_page_size(
        self, make_tap, sandbox, sync, caplog
    ):
        sandbox.control.everflow.switches(lossy_page_size=10)
        assert_whole(self.read(make_tap, sync).records["conversions"], sandbox, days_ago(2))
        assert "reading again in pages of another size" in caplog.text

    def test_rows_that_everflow_repeats_are_dropped_with_a_warning(
        self, make_tap, sandbox, sync, caplog
    ):
        sandbox.control.everflow.switches(repeated_rows=3)
        assert_whole(self.read(make_tap, sync).records["conversions"], sandbox, days_ago(2))
        assert "Everflow repeats 3 of" in caplog.text

    def test_pages_that_repeat_end_the_run_before_the_day(self, make_tap, sandbox, sync):
        sandbox.control.everflow.switches(repeated_pages=True, page_clamp=10)
        tap = make_tap(start_date=days_ago(2).isoformat())
        output = sync(tap, "conversions", fails=IncompleteDayError)
        assert "Everflow counts" in str(output.error)
        assert "but returned 10, at every page size" in str(output.error)
        assert output.bookmarks("conversions") == []


def test_a_changed_status_comes_with_the_lookback(make_tap, sandbox, sync):
    first = sync(make_tap(), "conversions")
    sandbox.control.everflow.restate(days_ago(4), NEW_YORK, reject=5)
    second = sync(make_tap(state=first.state), "conversions")
    assert_whole(second.records["conversions"], sandbox, days_ago(5))
    before = {row["conversion_id"]: row["status"] for row in first.records["conversions"]}
    changed = [
        r for r in second.records["conversions"] if before[r["conversion_id"]] != r["status"]
    ]
    assert changed
    assert {row["status"] for row in changed} == {"rejected"}


@pytest.mark.parametrize(
    ("stream", "kept"), (("conversions", 365), ("events", 365), ("clicks", 90))
)
def test_what_everflow_no_longer_has_is_not_asked_for(make_tap, caplog, stream, kept):
    plan = make_tap(start_date="2020-01-01").streams[stream].plan(None)
    assert plan[0].start == days_ago(kept)
    assert f"The vendor keeps {kept} days" in caplog.text


def test_daily_stats_have_no_horizon(make_tap):
    plan = make_tap(start_date="2020-01-01").streams["daily_stats"].plan(None)
    assert plan[0].start.isoformat() == "2020-01-01"
    assert all(window.days <= 30 for window in plan)


class TestClicks:
    """Clicks are cut silently at 10,000."""

    def test_they_are_whole(self, make_tap, sandbox, sync):
        rows = sync(make_tap(start_date=days_ago(3).isoformat()), "clicks").records["clicks"]
        assert len({row["transaction_id"] for row in rows}) == len(rows)
        expected = sandbox.control.everflow.clicks(days_ago(3), days_ago(1), NEW_YORK)
        assert len(rows) == expected["count"]
        assert isinstance(rows[0]["has_conversion"], bool)

    @pytest.mark.parametrize("clicks", (10_000, 10_001, 35_000))
    def test_a_cut_span_is_halved(self, make_tap, sandbox, sync, clicks):
        sandbox.control.everflow.crowd(days_ago(2), NEW_YORK, affiliates=1, offers=1, clicks=clicks)
        tap = make_tap(start_date=days_ago(2).isoformat(), end_date=days_ago(2).isoformat())
        rows = sync(tap, "clicks").records["clicks"]
        assert len({row["transaction_id"] for row in rows}) == len(rows) == clicks

    def test_a_second_that_is_cut_fails_loudly(self, make_tap, sandbox, sync):
        sandbox.control.everflow.crowd(days_ago(2), NEW_YORK, affiliates=150, offers=100)
        tap = make_tap(start_date=days_ago(2).isoformat(), end_date=days_ago(2).isoformat())
        output = sync(tap, "clicks", fails=IncompleteDayError)
        assert "10000 clicks or more in the second" in str(output.error)
        assert output.bookmarks("clicks") == []


def test_adjustments_keep_the_deleted_ones(make_tap, sync):
    tap = make_tap(start_date=days_ago(200).isoformat())
    rows = sync(tap, "adjustments").records["adjustments"]
    assert {row["deleted"] for row in rows} == {True, False}
    assert all(row["date_adjustment"] >= days_ago(200).isoformat() for row in rows)
    again = sync(make_tap(start_date=days_ago(200).isoformat(), state=None), "adjustments")
    assert again.bookmarks("adjustments")[-1] == days_ago(1).isoformat()
