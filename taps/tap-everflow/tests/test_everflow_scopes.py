"""Which rows the tap says it has read completely: the loader removes others of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from everflow_days import NEW_YORK, days_ago

from tap_everflow.streams.reports import DailyStats
from tap_everflow.streams.row_level import Clicks

KEYWORD = "x-complete-scopes"
STREAMS = ("daily_stats", "daily_offer_stats", "conversions", "events", "clicks", "adjustments")


def meets(record, where):
    """Whether a record meets all conditions; moments are compared as the texts that they are."""
    for column, condition in where.items():
        value = record[column]
        if value is None or value not in condition.get("in", [value]):
            return False
        if not condition.get("from", "") <= str(value) < condition.get("before", "~"):
            return False
    return True


@pytest.mark.parametrize("stream", STREAMS)
def test_each_record_is_in_a_scope_and_no_day_is_in_none(make_tap, sync, stream):
    output = sync(make_tap(), stream)
    scopes = output.scopes(stream)
    assert output.schemas[stream]["schema"][KEYWORD] is True
    assert output.records[stream]
    for record in output.records[stream]:
        assert sum(meets(record, where) for where in scopes) == 1
    ((column, _),) = scopes[0].items()
    ranges = [where[column] for where in scopes]
    assert [one["before"] for one in ranges[:-1]] == [one["from"] for one in ranges[1:]]
    first, after = ranges[0]["from"], ranges[-1]["before"]
    assert datetime.fromisoformat(after) - datetime.fromisoformat(first) == timedelta(days=5)


@pytest.mark.parametrize("stream", ("daily_stats", "conversions", "clicks"))
def test_other_advertisers_are_in_no_scope(make_tap, sync, stream):
    output = sync(make_tap(advertiser_id=2), stream)
    assert {str(where["advertiser_id"]) for where in output.scopes(stream)} == {"{'in': [2]}"}
    assert all(
        any(meets(record, where) for where in output.scopes(stream))
        for record in output.records[stream]
    )


@pytest.mark.parametrize(("advertiser", "count"), ((None, 1), (2, 0)))
def test_a_report_without_advertisers_is_no_scope_of_one(make_tap, sync, advertiser, count):
    report = {"name": "by_offer", "columns": ["offer"]}
    settings = {"advertiser_id": advertiser} if advertiser else {}
    output = sync(make_tap(custom_reports=[report], **settings), "by_offer")
    assert output.records["by_offer"]
    assert len(output.scopes("by_offer")) == count
    assert (KEYWORD in output.schemas["by_offer"]["schema"]) is bool(count)


def test_what_does_not_add_up_is_no_scope(make_tap, sync, monkeypatch):
    whole = DailyStats._request_table

    def lose_a_row(self, *args):
        rows, is_cut = whole(self, *args)
        return rows[1:], is_cut

    monkeypatch.setattr(DailyStats, "_request_table", lose_a_row)
    output = sync(make_tap(control_totals="warn"), "daily_stats")
    assert output.records["daily_stats"]
    assert output.scopes("daily_stats") == []
    assert output.bookmarks("daily_stats")[-1] == days_ago(1).isoformat()


def test_a_day_of_which_all_is_gone_is_a_scope_too(make_tap, sandbox, sync):
    day = days_ago(3)
    rows = sync(make_tap(), "conversions").records["conversions"]
    for affiliate in {row["affiliate_id"] for row in rows}:
        sandbox.control.everflow.restate(day, NEW_YORK, delete_affiliate=affiliate)
    output = sync(make_tap(), "conversions")
    assert day.isoformat() not in {row["date"] for row in output.records["conversions"]}
    assert len(output.scopes("conversions")) == 5


def test_what_everflow_may_not_keep_is_no_scope(make_tap, sync, monkeypatch):
    assert Clicks.kept_days == 60
    monkeypatch.setattr(Clicks, "kept_days", 3)
    scopes = sync(make_tap(), "clicks").scopes("clicks")
    assert [where["clicked_at"]["from"][:10] for where in scopes] == [
        days_ago(number).isoformat() for number in (3, 2, 1)
    ]
