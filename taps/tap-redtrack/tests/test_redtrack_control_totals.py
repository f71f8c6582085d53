"""RedTrack's own totals of a day, with which tables are compared."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from redtrack_days import days_ago

from signalroom_singer.windows import DateWindow
from tap_redtrack.streams._report_base import ReportError

COLUMNS = ("clicks", "conversions", "cost")


def totals_of(tap, first, last, stream="daily_spend"):
    report = tap.streams[stream]
    return report.control_totals(DateWindow(days_ago(first), days_ago(last), report.report_zone))


@pytest.mark.parametrize("unattributed", (False, True))
@pytest.mark.parametrize("groups", ("ok", "refused", "first"))
def test_they_are_the_sums_of_the_rows(make_tap, redtrack, sync, unattributed, groups):
    redtrack.switches(many_groups=groups)
    tap = make_tap(include_unattributed=unattributed, start_date=days_ago(3).isoformat())
    rows = sync(tap, "daily_spend").sums("daily_spend", COLUMNS)
    totals = totals_of(tap, 3, 1)
    assert {str(day): total for day, total in totals.items()} == rows
    assert len(rows) == 3


def test_traffic_without_a_source_counts_only_if_it_is_loaded(make_tap):
    without = totals_of(make_tap(), 2, 1)
    including = totals_of(make_tap(include_unattributed=True), 2, 1)
    assert all(without[day]["clicks"] < including[day]["clicks"] for day in including)


def test_other_reports_have_all_traffic_and_the_filters(make_tap):
    tap = make_tap()
    campaigns = [row["id"] for row in tap.streams["campaigns"].get_records(None)]
    parts = [
        totals_of(make_tap(campaign_ids=ids), 1, 1, "campaign_daily")
        for ids in (campaigns[:2], campaigns[2:])
    ]
    whole = totals_of(tap, 1, 1, "campaign_daily")
    day = days_ago(1)
    assert all(part[day]["clicks"] > 0 for part in parts)
    for name in COLUMNS:
        assert sum(part[day][name] for part in parts) == whole[day][name]


def test_a_month_is_one_request(make_tap, queries):
    totals = totals_of(make_tap(include_unattributed=True), 60, 1)
    assert len(totals) == 60
    spans = [parse_qs(query) for query in queries("/report")]
    assert [query["group"] for query in spans] == [["date"], ["date"]]


def test_rows_of_days_are_read_in_parts_that_fit(make_tap, redtrack, sync):
    redtrack.people(sources=120)
    tap = make_tap(start_date=days_ago(20).isoformat())
    rows = sync(tap, "daily_spend").sums("daily_spend", COLUMNS)
    assert {str(day): total for day, total in totals_of(tap, 20, 1).items()} == rows


def test_a_day_whose_rows_do_not_fit_is_an_error(make_tap, redtrack):
    redtrack.people(sources=1_000)
    with pytest.raises(ReportError, match="1000 rows or more; so many cannot be compared"):
        totals_of(make_tap(), 1, 1)
