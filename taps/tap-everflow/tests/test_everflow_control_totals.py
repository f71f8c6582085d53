"""Everflow's own totals of a day, with which tables are compared."""

from __future__ import annotations

import json

import pytest
from everflow_days import days_ago

from signalroom_singer import DateWindow

COLUMNS = ("clicks", "conversions", "payout", "revenue")


def totals_of(tap, first, last, stream="daily_stats"):
    report = tap.streams[stream]
    return report.control_totals(DateWindow(days_ago(first), days_ago(last), report.report_zone))


@pytest.mark.parametrize("filters", ({}, {"advertiser_id": 1}), ids=["all", "one advertiser"])
def test_they_are_the_sums_of_the_rows(make_tap, sync, filters):
    tap = make_tap(start_date=days_ago(3).isoformat(), **filters)
    rows = sync(tap, "daily_stats").sums("daily_stats", COLUMNS)
    assert len(rows) == 3
    totals = totals_of(tap, 3, 1)
    assert {str(day): total for day, total in totals.items()} == rows
    assert all(total > 0 for total in totals[days_ago(1)].values())


def test_of_each_day_the_summary_is_requested_and_no_rows(make_tap, sandbox):
    totals_of(make_tap(), 2, 1)
    bodies = [
        json.loads(request["body"])
        for request in sandbox.control.requests()["requests"]
        if "/reporting/" in request["path"]
    ]
    assert [(body["from"], body["to"]) for body in bodies] == [
        (str(days_ago(day)), str(days_ago(day))) for day in (2, 1)
    ]
