"""Which rows the tap says it has read completely: the loader removes others of them."""

from __future__ import annotations

import pytest
from redtrack_days import NEW_YORK, days_ago

from tap_redtrack.streams.logs import Conversions

KEYWORD = "x-complete-scopes"


def test_days_of_a_report_are_one_scope(make_tap, sync):
    output = sync(make_tap(), "campaign_daily")
    assert output.schemas["campaign_daily"]["schema"][KEYWORD] is True
    range_ = {"from": str(days_ago(5)), "before": str(days_ago(0))}
    assert output.scopes("campaign_daily") == [{"date": range_}]


def test_traffic_without_a_source_is_in_none_unless_it_is_loaded(make_tap, sync):
    (where,) = sync(make_tap(), "daily_spend").scopes("daily_spend")
    assert where["source_id"] == {"without_prefix": "(none)"}
    tap = make_tap(include_unattributed=True)
    assert sync(tap, "daily_spend").scopes("daily_spend")[0].keys() == {"date"}


def test_other_sources_are_in_none(make_tap, sync):
    rows = sync(make_tap(), "daily_spend").records["daily_spend"]
    source = rows[0]["source_id"]
    (where,) = sync(make_tap(source_ids=[source]), "daily_spend").scopes("daily_spend")
    assert where["source_id"] == {"in": [source], "without_prefix": "(none)"}


def test_a_report_that_does_not_show_the_filter_has_none(make_tap, sync):
    output = sync(make_tap(source_ids=["5f0000000000000000000001"]), "campaign_daily")
    assert output.scopes("campaign_daily") == []
    assert KEYWORD not in output.schemas["campaign_daily"]["schema"]


def test_a_days_pages_are_a_scope_too(make_tap, redtrack, sync):
    redtrack.crowd(day=str(days_ago(2)), timezone=NEW_YORK, campaigns=1_500)
    output = sync(make_tap(), "campaign_daily")
    starts = [where["date"]["from"] for where in output.scopes("campaign_daily")]
    assert str(days_ago(2)) in starts


class TestLogs:
    """Which of a record's times RedTrack goes by is not documented."""

    def test_a_scope_is_what_its_window_must_have_by_any_of_them(self, make_tap, sync):
        (where,) = sync(make_tap(), "conversions").scopes("conversions")
        assert where.keys() == {"date", "created_at", "conv_time", "track_time"}
        assert where["date"] == {"from": str(days_ago(5)), "before": str(days_ago(0))}
        assert all(where[name]["or_null"] for name in Conversions.times)

    def test_in_another_report_zone_a_record_must_have_them_all(self, make_tap, sync):
        tap = make_tap(timezone="Asia/Tokyo", account_timezone=NEW_YORK)
        scopes = sync(tap, "conversions").scopes("conversions")
        assert scopes
        for where in scopes:
            assert where.keys() == {"created_at", "conv_time", "track_time"}
            assert not any("or_null" in condition for condition in where.values())

    @pytest.mark.parametrize(
        ("moved", "left"),
        (
            (("track_time",), {"date", "created_at", "conv_time"}),
            (("created_at", "conv_time", "track_time"), None),
        ),
    )
    def test_a_time_outside_of_a_window_does_not_select(
        self, make_tap, sync, monkeypatch, moved, left
    ):
        whole = Conversions._request_rows

        def click_earlier(self, *args):
            page = whole(self, *args)
            page.rows[0] |= dict.fromkeys(moved, "2026-01-01T12:00:00Z")
            return page

        monkeypatch.setattr(Conversions, "_request_rows", click_earlier)
        scopes = sync(make_tap(), "conversions").scopes("conversions")
        assert [where.keys() for where in scopes] == ([left] if left else [])

    def test_clicks(self, make_tap, sync):
        scopes = sync(make_tap(), "clicks").scopes("clicks")
        assert {*map(tuple, scopes)} == {("date", "track_time")}
        assert scopes[0]["track_time"]["from"][:10] == str(days_ago(5))
